"""reload and drain, against a server that answers what a test sets."""

import json
from typing import Any

import pytest

from sidecar.cli.main import main
from tests.doubles.admin import Answering

REPORT: dict[str, Any] = {
    "result": "reloaded",
    "generation": 4,
    "changes": ["drain.deadline: 25s -> 30s", "routes.new: added"],
    "problems": [],
    "warnings": ["r.yaml:3:1: warning: odd"],
    "note": "",
}


def test_reload_prints_what_changed_and_the_generation(
    admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering.body = json.dumps(REPORT).encode()
    assert main(["reload", "--admin", admin]) == 0
    assert answering.asked == [("POST", "/reload", None)]
    assert capsys.readouterr().out == (
        "drain.deadline: 25s -> 30s\nroutes.new: added\nr.yaml:3:1: warning: odd\nreloaded: generation 4\n"
    )


def test_reload_without_a_change_says_so(admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    unchanged = {"result": "unchanged", "changes": [], "warnings": [], "note": "there is no file to read again"}
    answering.body = json.dumps(REPORT | unchanged).encode()
    assert main(["reload", "--admin", admin]) == 0
    assert capsys.readouterr().out == "unchanged: generation 4 (there is no file to read again)\n"


def test_reload_that_failed_prints_every_problem_and_ends_with_1(
    admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = ["r.yaml:1:2: error: one", "r.yaml:3:4: error: two"]
    answering.status = 422
    answering.body = json.dumps(REPORT | {"result": "failed", "changes": [], "problems": problems}).encode()
    assert main(["reload", "--admin", admin]) == 1
    told = capsys.readouterr()
    assert told.out == "".join(f"{problem}\n" for problem in problems)
    assert told.err == "sidecar: the rules cannot be used; generation 4 stays in force\n"


def test_drain_asks_and_goes(admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    answering.status, answering.body = 202, b'{"draining": true}'
    assert main(["drain", "--admin", admin]) == 0
    assert answering.asked == [("POST", "/drain", None)]
    assert capsys.readouterr().out == "draining\n"


@pytest.mark.parametrize(("status", "code"), [(200, 0), (504, 4)])
def test_drain_with_a_wait_says_whether_it_ended(admin: str, answering: Answering, status: int, code: int) -> None:
    answering.status = status
    answering.body = json.dumps({"draining": True, "drained": status == 200}).encode()
    assert main(["drain", "--admin", admin, "--wait", "1500ms"]) == code
    assert answering.asked == [("POST", "/drain?wait=1.500000s", None)]


def test_a_wait_that_is_no_time_is_usage(admin: str, answering: Answering) -> None:
    assert main(["drain", "--admin", admin, "--wait", "soon"]) == 2
    assert answering.asked == []


def test_what_changed_cannot_steer_the_terminal(
    admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = {"changes": ["\x1b[2Jrouted"], "warnings": [], "note": "\x1b]0;owned\x07"}
    answering.body = json.dumps(REPORT | hostile).encode()
    main(["reload", "--admin", admin])
    assert capsys.readouterr().out == "?[2Jrouted\nreloaded: generation 4 (?]0;owned?)\n"
