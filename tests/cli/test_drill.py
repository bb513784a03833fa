"""The command: what may be typed, where the report goes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.cli.main import main
from sidecar.drill.shipped import names

SHORT = """\
name: short
about: Gone for two seconds.
duration: 6s
load: {rate: 20/s}
script:
  - {at: 2s, for: 2s, do: die}
expect: {avoidable: 0}
"""

# Errors are what the report is about, whatever the defaults make of so short an outage.
COSTLY = ("--set", "upstreams.app.hold=null", "--set", "upstreams.app.circuit_breaker.open_for=30s")


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A scenario of a few requests."""
    path = tmp_path / "short.yaml"
    path.write_text(SHORT)
    return path


def _said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["drill", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_shipped_scenarios_are_listed_with_their_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = _said(capsys, "--list")
    assert code == 0
    assert [line.split()[0] for line in told.splitlines()[1:]] == names()
    assert "The backend dies with everything under way" in told


def test_without_a_scenario_it_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = _said(capsys)
    assert (code, told) == (2, "sidecar: which scenario? give a file, or a name of `sidecar drill --list`\n")


def test_an_unknown_scenario_is_usage_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert _said(capsys, "backend-die")[::2] == (
        2, "sidecar: no scenario `backend-die`; did you mean `backend-dies`?\n"
    )  # fmt: skip
    assert "`sidecar drill --list` names those there are" in _said(capsys, "zzz")[2]


def test_every_mistake_of_a_scenario_is_told_at_its_place(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short.write_text(SHORT.replace("duration", "duraton").replace("do: die", "do: dye"))
    code, _, told = _said(capsys, short)
    assert code == 1
    assert f"{short}:3:1: error: unknown key `duraton`; did you mean `duration`?" in told
    assert f"{short}:6:27: error:" in told
    assert "sidecar: the scenario cannot be used: " in told


def test_a_scenario_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = _said(capsys, tmp_path / "none.yaml")
    assert code == 1
    assert "none.yaml: error: " in told


def test_rules_that_cannot_be_used_are_told_as_ever(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = _said(capsys, short, "--set", "upstreams.app.hold.timeout=0s")
    assert code == 1
    assert "sidecar: the rules cannot be used: 1 error" in told


def test_what_is_as_expected_ends_with_0_and_is_told_in_text(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = _said(capsys, short)
    assert code == 0
    assert told.startswith("short: Gone for two seconds.\n")
    assert "met: avoidable is 0, expected at most 0" in told


def test_what_is_not_as_expected_ends_with_6(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short.write_text(SHORT.replace("avoidable: 0", "client_errors: 0%"))
    code, told, _ = _said(capsys, short, *COSTLY)
    assert code == 6
    assert "NOT MET: client_errors is " in told


def test_the_users_own_rules_are_drilled(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "version: 1\n"
        "listeners: [{name: public, address: '127.0.0.1:8080'}]\n"
        "upstreams:\n"
        "  shop:\n"
        "    endpoints: ['http://127.0.0.1:4000']\n"
        "    hold: null\n"
        "    circuit_breaker: {open_for: 90s}\n"
        "routes: [{name: all, upstream: shop}]\n"
    )
    code, told, _ = _said(capsys, short, "-c", rules, "--json")
    assert code == 0
    keys = {(cause.get("key"), cause.get("value"), cause.get("from")) for cause in json.loads(told)["causes"]}
    assert ("upstreams.shop.circuit_breaker.open_for", "90s", f"{rules}:7") in keys


def test_the_page_is_written_and_says_how_to_repeat_it(
    short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    words = (short, "--out", out, "--seed", "7", "--set", "upstreams.app.hold.timeout=2s")
    assert _said(capsys, *words)[0] == 0
    page = out.read_text()
    assert f"sidecar drill {short} --set upstreams.app.hold.timeout=2s --seed 7 --out {out}" in page


def test_a_page_that_cannot_be_written_is_told(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = _said(capsys, short, "--out", tmp_path / "no" / "page.html")
    assert code == 1
    assert "page.html: No such file or directory" in told


def test_advice_is_what_was_tried_and_did_better(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advice = json.loads(_said(capsys, short, *COSTLY, "--advise", "--json")[1])["advice"]
    assert advice
    errors = [advice[0]["errors_before"], *(one["errors_after"] for one in advice)]
    assert errors == sorted(errors, reverse=True)
    sets = [word for one in advice[-1]["set"] for word in ("--set", one)]
    again = json.loads(_said(capsys, short, *COSTLY, "--json", *sets)[1])
    assert again["requests"]["failed"] == errors[-1]


def test_the_same_seed_tells_the_same_and_another_does_not(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [_said(capsys, short, "--json", "--seed", seed)[1] for seed in ("3", "3", "4")]
    assert told[0] == told[1] != told[2]


@pytest.mark.parametrize("words", [("--seed", "x"), ("--seed", "-1"), ("--bogus",)])
def test_what_cannot_be_understood_is_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert _said(capsys, "backend-dies", *words)[0] == 2
