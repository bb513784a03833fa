"""What may be typed."""

import os
import re
from pathlib import Path

import pytest

from sidecar.app.errors import Exit
from sidecar.cli.parser import parser


def test_the_environment_gives_what_is_not_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDECAR_CONFIG", "a.yaml")
    monkeypatch.setenv("SIDECAR_ADMIN", "127.0.0.1:7")
    assert parser().parse_args(["run"]).config == "a.yaml"
    assert parser().parse_args(["run", "-c", "b.yaml"]).config == "b.yaml"
    assert str(parser().parse_args(["status"]).admin) == "127.0.0.1:7"
    assert str(parser().parse_args(["status", "--admin", ":8"]).admin) == ":8"


@pytest.mark.parametrize("number", [1, 4, 64])
def test_so_many_workers_may_be_asked_for(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIDECAR_WORKERS", raising=False)
    assert parser().parse_args(["run", "--workers", str(number)]).workers == number
    assert parser().parse_args(["run"]).workers == 1
    monkeypatch.setenv("SIDECAR_WORKERS", str(number))
    assert parser().parse_args(["run"]).workers == number


def test_auto_is_a_worker_for_each_core_that_may_be_used() -> None:
    asked = parser().parse_args(["run", "--workers", "auto"])
    assert asked.workers == len(os.sched_getaffinity(0))


def test_a_takeover_has_to_be_asked_for() -> None:
    assert parser().parse_args(["run"]).takeover is False
    assert parser().parse_args(["run", "--takeover"]).takeover is True


def test_the_help_and_the_page_name_every_exit_code() -> None:
    told = parser().epilog or ""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for code in Exit:
        assert re.search(rf"[:;] {int(code)} \w", told), code
        assert f"| {int(code)} | " in page, code
