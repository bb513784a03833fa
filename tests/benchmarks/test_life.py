"""The frame of the life scenarios: what is printed and kept of a run, and one scenario played for real."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from benchmarks.life import __main__ as life
from benchmarks.life import broken, cancel, certificates, drain, hold, reload, sizes
from benchmarks.life.authority import Authority
from benchmarks.life.finding import Finding, Findings
from benchmarks.life.stage import Stage, ask, prologue, stages
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given


def findings(*found: Finding, **failed: str) -> Findings:
    machine = {"processor": "fast", "cpus": "2", "kernel": "Linux 6", "python": "CPython 3.11"}
    return Findings("today", "abc", machine, {"sidecar": "1"}, {"length": "full"}, list(found), failed)


def test_the_table_says_of_each_promise_whether_it_was_kept() -> None:
    told = findings(Finding("a", "0 failed", "0 failed", True), Finding("a", "longest", "5 ms"))
    assert told.is_good
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in told.text().splitlines() if "|" in line]
    assert cells[0] == ["scenario", "promised", "measured", "kept"]
    assert cells[2:] == [["a", "0 failed", "0 failed", "yes"], ["a", "longest", "5 ms", ""]]
    assert "Every promise kept." in told.text()


def test_a_broken_promise_is_counted() -> None:
    told = findings(Finding("a", "0 failed", "3 failed", False))
    assert not told.is_good
    assert "**NO**" in told.text()
    assert "BROKEN: 1 of the promises." in told.text()


def test_a_scenario_without_an_end_is_told_and_nothing_is_called_kept() -> None:
    told = findings(Finding("a", "0 failed", "0 failed", True), b="did not start")
    assert not told.is_good
    assert "NOT MEASURED: b: did not start" in told.text()
    assert "Every promise kept." not in told.text()


def test_a_run_is_kept_as_json(tmp_path: Path) -> None:
    findings(Finding("a", "p", "m", True), b="why").save(tmp_path / "out" / "life.json")
    kept = json.loads((tmp_path / "out" / "life.json").read_text())
    assert kept["found"] == [{"scenario": "a", "promise": "p", "measured": "m", "kept": True}]
    assert kept["failed"] == {"b": "why"}


def test_every_scenario_is_played_unless_some_are_named() -> None:
    assert life.parse([]).only == list(life.SCENARIOS)
    options = life.parse(["--only", "drain, broken", "--short"])
    assert (options.only, options.short) == (["drain", "broken"], True)


@pytest.mark.parametrize("arguments", [["--only", "cats"], ["--only", ""], ["--wrong"]])
def test_a_wrong_command_line_is_refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        life.parse(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_one_scenario_that_fails_costs_no_other_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def good(stage: Stage) -> list[Finding]:
        assert stage.short
        assert stage.room.is_dir()
        return [Finding("good", "all well", f"{stage.length(10, 1):g}", True)]

    async def bad(stage: Stage) -> list[Finding]:
        raise RuntimeError("no backend")

    monkeypatch.setattr(life, "SCENARIOS", {"bad": bad, "good": good})
    monkeypatch.setattr(life, "OUT", tmp_path)
    assert life.main(["--short"]) == 1
    printed = capsys.readouterr()
    assert "NOT MEASURED: bad: RuntimeError: no backend" in printed.out
    assert "| good" in printed.out
    assert "no backend" in printed.err
    assert (tmp_path / "life.json").is_file()
    assert life.main(["--short", "--only", "good"]) == 0


@pytest.mark.parametrize(
    "rules",
    [
        broken.rules(3000, "5/s"),
        cancel.rules(3000),
        certificates.rules(3000),
        drain.rules(3000),
        hold.rules(3000),
        reload.rules(3000, 1),
        sizes.rules(3000, 12, 1),
    ],
)
def test_the_rules_of_a_scenario_are_valid(rules: str) -> None:
    text = prologue(8080, 9901, "{announce: 1s, deadline: 2s}") + rules
    loaded = load_text(text, "rules.yaml", Given())
    assert loaded.rules.drain.deadline == 2.0
    assert loaded.rules.listeners[0].address.port == 8080


def test_a_broken_file_is_played_through_on_real_processes() -> None:
    said: list[str] = []
    with stages(said.append, short=True) as stage:
        told, served, repaired = asyncio.run(broken.play(stage()))
    assert told.kept
    assert told.measured.startswith("2 times")
    assert served.measured.endswith(" failed")
    assert repaired.kept
    assert said


def test_a_listener_of_a_scenario_can_speak_tls() -> None:
    text = prologue(8080, 9901, tls="{certificate: server.pem, private_key: server.key}")
    (listener,) = yaml.safe_load(text)["listeners"]
    assert listener["tls"] == {"certificate": "server.pem", "private_key": "server.key"}


def test_an_authority_signs_another_certificate_each_time_and_its_files_belong_together(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    assert authority.renew() != authority.renew()
    ssl.create_default_context(cafile=str(authority.path))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(authority.certificate, authority.private_key)


async def test_an_answer_that_is_cut_short_is_none() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf")
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ValueError, match="cut short"):
            await ask(port, "/")
