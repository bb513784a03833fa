"""status, reload and drain, against a server that answers what a test sets."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.cli import main
from sidecar.app.cli_admin import columns, standing, table

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "phase": "serving",
    "uptime_seconds": 200.5,
    "not_ready": ["upstream app: no endpoint is available"],
    "rules": {"hash": "0123456789abcdef", "generation": 3},
    "routes": [
        {
            "name": "all",
            "upstream": "app",
            "in_flight": 2,
            "requests": 7,
            "statuses": {"2xx": 6, "5xx": 1},
            "rejections": {"rate_limited": 4, "no_endpoint": 1},
            "rejected_by": {"all/per-client": 4},
            "shadow_rejected_by": {"all/concurrency": 9, "all/per-client": 1},
            "policies": {
                "all/rate_limits": {
                    "shadow": False,
                    "limits": {"per-client": {"rate": "10/s", "key": ["client_ip", "path:id"], "keys": 3}},
                    "waiting": 0,
                },
                "all/concurrency": {"shadow": True, "max": 5, "in_flight": 2},
                "all/fault": {"shadow": False, "delay_ratio": None},
                "app/circuit_breaker": {"shadow": False, "breaker": "upstream.app", "state": "open"},
            },
        }
    ],
    "breakers": {
        "upstream.app": {
            "breaker": "upstream.app",
            "state": "open",
            "forced": "auto",
            "open_remaining": 11.2,
            "failures": 6,
            "slow": 1,
            "requests": 10,
            "shadow": False,
        },
        "route.all": {
            "breaker": "route.all",
            "state": "open",
            "forced": "open",
            "open_remaining": None,
            "failures": 0,
            "slow": 0,
            "requests": 0,
            "shadow": True,
        },
    },
    "upstreams": [
        {
            "name": "app",
            "policies": {
                "app/circuit_breaker": {"shadow": False, "breaker": "upstream.app", "state": "open"},
                "app/hold": {"shadow": False, "max_requests": 100, "held": 7, "releasing": 0},
            },
            "endpoints": [
                {
                    "name": "app/127.0.0.1:3000",
                    "in_flight": 2,
                    "weight": 1,
                    "pool": {"idle": 5},
                    "down": False,
                    "drained": False,
                    "ejection": {"state": "available", "seconds_left": 0.0},
                }
            ],
        }
    ],
}


class Answering:
    """What is answered next, and what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(STATUS).encode()
        self.asked: list[tuple[str, str, str | None]] = []


def handler_for(answering: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answering.asked.append((self.command, self.path, self.headers["Authorization"]))
            self.send_response(answering.status)
            self.send_header("Content-Length", str(len(answering.body)))
            self.end_headers()
            self.wfile.write(answering.body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

        def address_string(self) -> str:
            return "-"

    return Handler


@pytest.fixture
def answering() -> Answering:
    return Answering()


def served(server: HTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def admin(answering: Answering) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), handler_for(answering))
    for _ in served(server):
        yield f"127.0.0.1:{server.server_port}"


def test_status_is_a_table(admin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--admin", admin]) == 0
    text = capsys.readouterr().out
    assert text.startswith("serving, up 3m, version 0.1.0, rules 0123456789ab (generation 3)\n")
    assert "not ready: upstream app: no endpoint is available\n" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["all", "app", "2", "7", "1", "5"] in rows
    assert ["app/127.0.0.1:3000", "ready", "2", "5", "1"] in rows
    assert ["upstream.app", "open", "12s", "6", "1", "10"] in rows
    assert ["route.all", "open", "by", "hand,", "in", "shadow", "-", "0", "0", "0"] in rows
    assert ["all/per-client", "4", "1"] in rows
    assert ["all/concurrency", "0", "9"] in rows


def test_each_limit_has_a_line_with_whatever_it_tells(admin: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["status", "--admin", admin])
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["all/rate_limits", "waiting 0"] in lines
    assert ["all/rate_limits/limits/per-client", "rate 10/s, key client_ip,path:id, keys 3"] in lines
    assert ["all/concurrency", "max 5, in_flight 2, in shadow"] in lines
    assert ["app/hold", "max_requests 100, held 7, releasing 0"] in lines
    assert not [line for line in lines if line[:1] in (["all/fault"], ["app/circuit_breaker"])]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "ready"),
        ({"ejection": None}, "ready"),
        ({"workers": {"taking_attempts": 2, "all": 2}}, "ready"),
        ({"workers": {"taking_attempts": 1, "all": 2}}, "ready in 1 of 2 workers"),
        ({"ejection": {"state": "ejected", "seconds_left": 59.1}}, "ejected 1m"),
        ({"down": True, "ejection": {"state": "ejected", "seconds_left": 59.1}}, "down"),
        ({"down": True, "why_down": "status 503"}, "down: status 503"),
        ({"down": True, "drained": True}, "drained"),
    ],
)
def test_an_endpoint_s_state_is_told_in_a_word(change: dict[str, Any], word: str) -> None:
    endpoint = STATUS["upstreams"][0]["endpoints"][0]
    assert standing(endpoint | change) == word


CALM = {"accepting": True, "memory": {"shedding": False, "resident_bytes": 61 << 20, "limit_bytes": 217 << 20}}
FAILED = {"result": "failed", "why": "file changed", "problems": ["a.yaml:3:7: error: `20` is not a rate"]}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"pressure": CALM | {"accepting": False}}, "new connections wait: no descriptor is left for them"),
        (
            {"pressure": CALM | {"memory": {"shedding": True, "resident_bytes": 218 << 20, "limit_bytes": 217 << 20}}},
            "new requests are refused: 218MiB resident, more than overload.max_memory",
        ),
        ({"reload": {"last": FAILED}}, "the last reload failed (file changed): a.yaml:3:7: error: `20` is not a rate"),
        (
            {"reload": {"last": FAILED | {"problems": ["a.yaml: error: it is empty", "and", "so on"]}}},
            "the last reload failed (file changed): a.yaml: error: it is empty, and 2 more",
        ),
    ],
)
def test_what_is_wrong_stands_above_the_tables(change: dict[str, Any], line: str) -> None:
    above, _, _ = table(STATUS | change).partition("\n\n")
    assert line in above.splitlines()


def test_what_is_well_says_nothing_above_the_tables() -> None:
    well = {"not_ready": [], "pressure": CALM, "reload": {"last": FAILED | {"result": "reloaded", "problems": []}}}
    for told in (STATUS | well, STATUS | well | {"reload": {"last": None, "last_error": FAILED}}):
        above, _, _ = table(told).partition("\n\n")
        assert len(above.splitlines()) == 1


def test_several_workers_have_a_table() -> None:
    serving = {"slot": 0, "pid": 41, "phase": "serving", "uptime_seconds": 61.5, "restarts": 0}
    serving |= {"connections": 7, "loop_lag_seconds": 0.0034}
    gone = {"slot": 1, "pid": None, "phase": "restarting", "uptime_seconds": None, "restarts": 3}
    gone |= {"connections": None, "loop_lag_seconds": None}
    rows = [line.split() for line in table(STATUS | {"workers": [serving, gone]}).splitlines()]
    head = rows.index(["WORKER", "PID", "STATE", "UP", "RESTARTS", "CONNECTIONS", "LAG"])
    assert rows[head + 1] == ["0", "41", "serving", "1m", "0", "7", "3ms"]
    assert rows[head + 2] == ["1", "-", "restarting", "-", "3", "-", "-"]


def test_tables_of_what_there_is_none_of_are_left_out() -> None:
    (route,) = STATUS["routes"]
    quiet = route | {"rejected_by": {}, "shadow_rejected_by": {}, "policies": {}}
    (upstream,) = STATUS["upstreams"]
    text = table(STATUS | {"routes": [quiet], "breakers": {}, "upstreams": [upstream | {"policies": {}}]})
    assert [line.split()[0] for line in text.splitlines() if line.split() and line.split()[0].isupper()] == [
        "ROUTE",
        "ENDPOINT",
    ]


def test_status_as_json_is_what_was_told(admin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--admin", admin, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == STATUS


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns(("A", "B"), [("long", 1), ("x", 22)]) == ["A     B", "long  1", "x     22"]
    assert columns(("A", "B"), []) == ["A  B"]


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (60, "1m"), (7200, "2h"), (200_000, "2d")])
def test_the_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert f"up {text}," in table(STATUS | {"uptime_seconds": seconds})


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


def test_the_token_of_the_environment_is_presented(
    admin: str, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_ADMIN_TOKEN", "t0")
    main(["drain", "--admin", admin])
    assert answering.asked == [("POST", "/drain", "Bearer t0")]


def test_a_refusal_is_told_with_what_to_do(
    admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering.status, answering.body = 401, b'{"detail": "this needs the admin token"}'
    assert main(["drain", "--admin", admin]) == 1
    assert "this needs the admin token; set SIDECAR_ADMIN_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b'{"status": "up"}'),
        (404, b'{"detail": "no route of the rules matches"}'),
        (504, b'{"detail": "the service did not answer in time"}'),
    ],
)
@pytest.mark.parametrize("command", [["status"], ["reload"], ["drain"], ["drain", "--wait", "1s"]], ids=" ".join)
def test_what_is_no_sidecar_s_admin_is_told(
    admin: str, answering: Answering, command: list[str], status: int, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    answering.status, answering.body = status, body
    assert main([*command, "--admin", admin]) == 1
    told = f"what answers at {admin} is no sidecar's admin address (status {status})"
    assert capsys.readouterr().err == f"sidecar: {told}\n"


def test_nobody_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as silent:  # bound, so that nobody else listens there meanwhile
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert main(["status", "--admin", f"127.0.0.1:{port}"]) == 1
    assert (
        capsys.readouterr().err
        == f"sidecar: no sidecar answers at 127.0.0.1:{port}: Connection refused; --admin names another address\n"
    )


class UnixServer(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)


def test_a_unix_socket_is_asked_too(tmp_path: Path, answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "admin.sock")
    server = UnixServer(path, handler_for(answering))  # type: ignore[arg-type]
    for _ in served(server):
        assert main(["status", "--admin", f"unix:{path}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == STATUS
