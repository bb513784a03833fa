"""Every request that was due has one outcome, whatever the server does."""

import gc
import json
import math
import socketserver
import threading
from collections.abc import Iterator

import pytest

from benchmarks import overload_load
from benchmarks.overload_load import Callers, Plan, Verdict
from benchmarks.processes import free_port

ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok"


class Behaving(socketserver.BaseRequestHandler):
    """One connection of a server that does what its name says; a lock guards what it has seen."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        pending = b""
        try:
            while received := self.request.recv(65536):
                pending += received
                while b"\r\n\r\n" in pending:
                    head, _, pending = pending.partition(b"\r\n\r\n")
                    with server.lock:
                        server.seen.append(head.split(b" ")[1].decode())
                    if server.does == "break":
                        return
                    if server.does != "stall":
                        status = b"503 Busy" if server.does == "refuse" else b"200 OK"
                        self.request.sendall(ANSWER % status)
                    if server.does == "close":
                        return
        except ConnectionError:
            return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Behaving)
        self.does = "answer"
        self.lock = threading.Lock()
        self.seen: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def run(port: int, *, rate: float = 200, seconds: float = 0.25, patience: float = 5, warm: float = 0) -> Verdict:
    return Callers(Plan(port=port, rate=rate, seconds=seconds, patience=patience, warm=warm)).run()


def test_answers_in_time_are_good(server: Server) -> None:
    verdict = run(server.port)
    assert verdict.offered == verdict.good == len(server.seen) > 20
    assert 0 < verdict.p50 <= verdict.p99
    assert verdict.statuses == {"200": verdict.good}
    assert math.isnan(verdict.refused_p99)


def test_what_is_refused_is_timed_apart(server: Server) -> None:
    server.does = "refuse"
    verdict = run(server.port)
    assert verdict.offered == verdict.refused == verdict.statuses["503"]
    assert 0 < verdict.refused_p50 <= verdict.refused_p99
    assert math.isnan(verdict.p99)


def test_a_caller_without_an_answer_hangs_up_and_counts_as_its_patience(server: Server) -> None:
    server.does = "stall"
    verdict = run(server.port, patience=0.1)
    assert verdict.offered == verdict.lost == verdict.statuses["hung up"]
    assert verdict.p50 >= 0.1


def test_a_connection_closed_behind_an_answer_costs_no_request(server: Server) -> None:
    server.does = "close"
    verdict = run(server.port)
    assert verdict.offered == verdict.good


def test_a_connection_broken_before_an_answer_is_a_refusal(server: Server) -> None:
    server.does = "break"
    verdict = run(server.port)
    assert verdict.offered == verdict.refused == verdict.statuses["broken"]


def test_where_nobody_listens_everything_is_refused() -> None:
    verdict = run(free_port())
    assert verdict.offered == verdict.refused


def test_what_warms_up_is_in_the_series_only(server: Server) -> None:
    verdict = run(server.port, seconds=0.2, warm=0.2)
    assert len(verdict.series) == 1
    assert verdict.offered < verdict.series[0] == len(server.seen)


def test_the_same_seed_sends_at_the_same_instants(server: Server) -> None:
    runs = [Callers(Plan(port=server.port, rate=300, seconds=0.1, seed=7)) for _ in range(2)]
    for callers in runs:
        callers.run()
    assert [each.due for each in runs[0].requests] == [each.due for each in runs[1].requests]


def test_changes_are_asked_of_the_backend_in_their_order(server: Server) -> None:
    changes = ((0.02, "/pace/3"), (0.05, "/pace/1"))
    Callers(Plan(port=server.port, rate=100, seconds=0.2, backend=server.port, changes=changes)).run()
    assert [path for path in server.seen if path.startswith("/pace")] == ["/pace/3", "/pace/1"]


def test_the_program_prints_one_verdict(
    server: Server, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(gc.enable)  # the program runs alone, and does without
    overload_load.main([json.dumps({"port": server.port, "rate": 100, "seconds": 0.1, "patience": 5})])
    (line,) = capsys.readouterr().out.splitlines()
    verdict = Verdict(**json.loads(line.removeprefix("VERDICT ")))
    assert verdict.offered == verdict.good
