"""What is measured of memory: that the things counted are really there, and what is printed of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import sizing
from benchmarks.processes import StartError

_MANY = 10 << 20


def test_connections_and_keys_are_all_answered(tmp_path: Path) -> None:
    with ExitStack() as opened:
        assert sizing.idle(tmp_path, opened, 3) < _MANY
    with ExitStack() as opened:
        assert sizing.keys(tmp_path, opened, 600) < _MANY


def test_requests_under_way_have_reached_their_backend(tmp_path: Path) -> None:
    with ExitStack() as opened:
        assert sizing.under_way(tmp_path, opened, 3) < _MANY


def test_a_client_that_takes_nothing_holds_its_backend_back(tmp_path: Path) -> None:
    with ExitStack() as opened:
        assert sizing.stalled(tmp_path, opened, 3) < 2 * _MANY


def test_the_table_has_a_line_for_each_thing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in {
        "start": 50 << 20,
        "idle": 2048,
        "under_way": 8192,
        "stalled": 99 << 10,
        "keys": 512,
        "routes": 5120,
    }.items():
        monkeypatch.setattr(sizing, name, lambda *_, size=size, **__: size)
    monkeypatch.setattr(sizing, "workers", lambda folder, opened, number: [40 << 20, *[30 << 20] * number])
    assert sizing.main(["--workers", "2"]) == 0
    printed = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert printed[2:] == [
        ["a process that has answered", "50.0 MiB"],
        ["idle connection", "2.0 KiB"],
        ["idle connection, TLS", "2.0 KiB"],
        ["request under way, both connections", "8.0 KiB"],
        ["the same, whose client takes nothing", "99.0 KiB"],
        ["key of a rate limit", "0.5 KiB"],
        ["route", "5.0 KiB"],
        ["supervisor of 2 workers", "40.0 MiB"],
        ["each of 2 workers", "30.0 MiB"],
    ]


def test_what_does_not_start_is_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(folder: Path, opened: ExitStack) -> float:
        raise StartError("did not answer")

    monkeypatch.setattr(sizing, "start", start)
    assert sizing.main([]) == 2
    assert capsys.readouterr().err == "benchmarks.sizing: did not answer\n"
