"""The paced generator against a server of our own: everything sent is accounted for."""

import gc
import json
import math
import socketserver
import threading
from collections.abc import Iterator

import pytest

from benchmarks import loads, paced


class Answering(socketserver.BaseRequestHandler):
    """Answers each request; `/bad` with 503, `/gone` by closing."""

    def handle(self) -> None:
        pending = b""
        while received := self.request.recv(65536):
            pending += received
            while b"\r\n\r\n" in pending:
                head, _, pending = pending.partition(b"\r\n\r\n")
                if head.startswith(b"GET /gone"):
                    return
                status = b"503 Busy" if head.startswith(b"GET /bad") else b"200 OK"
                self.request.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 64


@pytest.fixture
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_every_due_request_is_answered_and_timed(port: int) -> None:
    load = paced.PacedLoad(port, "/small", 4)
    load.run(400, 0.25)
    load.close()
    assert (len(load.latencies), load.errors) == (100, 0)
    assert min(load.latencies) > 0


def test_more_requests_than_connections_wait_for_their_turn(port: int) -> None:
    load = paced.PacedLoad(port, "/small", 1)
    load.run(100_000, 0.002)
    load.close()
    assert (len(load.latencies), load.errors) == (200, 0)
    assert load.latencies[-1] > load.latencies[0], "the last one's wait for the only connection must count"


@pytest.mark.parametrize("path", ["/bad", "/gone"])
def test_refused_and_dropped_requests_are_errors(port: int, path: str) -> None:
    load = paced.PacedLoad(port, path, 2)
    load.run(200, 0.1)
    load.close()
    assert (len(load.latencies), load.errors) == (0, 20)


def test_the_program_prints_one_verdict(
    port: int, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(gc.enable)  # the program runs alone, and does without
    paced.main([str(port), "/small", "200", "0.1", "2"])
    verdict = loads.read_paced(capsys.readouterr().out)
    assert (verdict.requests, verdict.errors) == (20, 0)
    assert 0 < verdict.p50_ms <= verdict.p99_ms


def test_percentiles_are_values_that_occurred() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert [paced.percentile(ordered, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert paced.percentile([7.0], 0.5) == 7.0
    assert math.isnan(paced.percentile([], 0.5))
    assert json.dumps({"p": paced.percentile([2.0], 0.99)}) == '{"p": 2.0}'
