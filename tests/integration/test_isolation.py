"""Nothing that runs out takes the instance down: descriptors, memory, whoever reads the logs, a bug in one place."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.app.footprint import Footprint
from sidecar.model.record import ExchangeLog, ExchangeRecord
from sidecar.rules.schema import OverloadRule
from sidecar.telemetry.events import Event
from sidecar.telemetry.stats import RouteStats
from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call, GoneError
from tests.doubles.peer import Answer, Peer
from tests.doubles.process import ROOT, START_SECONDS, ProxyProcess, process
from tests.doubles.running import RunningProxy, example, rules_text, running

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
DESCRIPTORS = 200
CLIENTS = 300


async def until_status(proxy: ProxyProcess, holds: Any) -> dict[str, Any]:
    """Asks for the status until it is so; bounded in time."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not holds(told := await proxy.status()):
            pass
    return told


async def test_more_clients_than_descriptors_wait_and_every_one_is_served() -> None:
    release = asyncio.Event()

    async def held(call: Call) -> None:
        await release.wait()
        await call.send(OK)

    async def served(port: int) -> Answer:
        async with await Peer.connect(port) as peer:
            await peer.send(GET)
            await release.wait()
            return await peer.answer()

    async with Backend(held) as backend, process(backend.url, descriptors=DESCRIPTORS) as proxy:
        async with asyncio.TaskGroup() as clients:
            asked = [clients.create_task(served(proxy.port)) for _ in range(CLIENTS)]
            told = await until_status(proxy, lambda told: not told["pressure"]["accepting"])
            assert told["pressure"]["descriptors"]["limit"] == DESCRIPTORS
            assert told["pressure"]["descriptors"]["for_connections"] < DESCRIPTORS
            release.set()
        answers = [one.result() for one in asked]
        assert {answer.status for answer in answers} == {200}
        assert len(backend.requests) == CLIENTS, "no request was lost and none was made twice"
        told = await until_status(proxy, lambda told: told["pressure"]["accepting"])
        assert told["pressure"]["pauses"] >= 1
        assert [route["rejections"] for route in told["routes"]] == [{}]
        await proxy.said("new connections wait: all [0-9]+ descriptors for connections are in use")
        await proxy.said("new connections are accepted as they come", START_SECONDS)
        async with proxy.peer() as peer:
            answer = await peer.get()
            assert (answer.status, answer.get("connection")) == (200, None)
        metrics = (await proxy.admin("GET", "/metrics")).body
        assert b"\nsidecar_accepting 1.0\n" in metrics
        assert re.search(rb"\nsidecar_accept_pauses_total [1-9]", metrics)


async def test_memory_above_the_limit_refuses_requests_keeps_connections_and_is_told() -> None:
    size = 100 << 20
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        footprint = Footprint(
            OverloadRule(max_memory=100 << 20),
            proxy.proxy.environment,
            proxy.stats,
            reading=lambda: size,
            relieve=lambda: None,
        )
        proxy.proxy.pressure.footprint.close()
        proxy.proxy.pressure.footprint = footprint
        assert (await peer.get()).status == 200
        size += 1
        footprint.look()
        refused = await peer.get()
        assert refused.status == 503
        assert (refused.problem["reason"], refused.problem["rule"]) == ("overloaded", "overload/max_memory")
        assert (refused.get("retry-after"), refused.get("connection")) == (b"1", None)
        assert (await proxy.admin("GET", "/readyz")).status == 200, "shedding is not unready"
        told = await proxy.status()
        assert told["pressure"]["memory"] == {"shedding": True, "resident_bytes": size, "limit_bytes": 100 << 20}
        assert told["routes"][-1]["rejected_by"] == {"overload/max_memory": 1}
        size = 90 << 20
        footprint.look()
        assert (await peer.get()).status == 200
        assert len(backend.requests) == 2


async def test_a_process_above_its_limit_sheds_and_stays_alive() -> None:
    async with Backend() as backend, process(backend.url, sets=["overload.max_memory=16MiB"]) as proxy:
        async with proxy.peer() as peer:
            for _ in range(3):
                assert (await peer.get()).status == 503
        assert not backend.requests
        await proxy.said("new requests are refused: [0-9]+MiB resident, the limit is 16MiB")
        assert (await proxy.admin("GET", "/livez")).status == 200
        text = (await proxy.admin("GET", "/metrics")).body.decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        assert [one.value for one in samples if one.name == "sidecar_memory_limit_bytes"] == [16 << 20]
        refused = {"route": "-", "rule": "overload/max_memory", "reason": "overloaded"}
        assert [one.value for one in samples if one.labels == refused] == [3]


async def test_the_example_sheds_above_its_limit() -> None:
    async with Backend() as backend, running(given=example("overload", backend.url)) as proxy:
        assert proxy.stats.memory_limit == 217 << 20
        assert (await proxy.ask()).status in (200, 503)


@pytest.mark.parametrize("when_it_goes", ["drain", "close_idle_at_once"])
async def test_whoever_is_in_the_queue_when_accepting_ends_is_answered(when_it_goes: str) -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        clients = []
        for _ in range(50):  # in one turn of the loop, so that none is accepted meanwhile
            client = socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT_SECONDS)
            client.sendall(GET)
            client.setblocking(False)
            clients.append(client)
        proxy.proxy.front.stop_accepting()
        if when_it_goes == "close_idle_at_once":
            proxy.proxy.front.close_idle()
        for client in clients:
            async with Peer(*await asyncio.open_connection(sock=client)) as peer:
                answer = await peer.answer()
                assert (answer.status, answer.get("connection")) == (200, b"close")
        assert len(backend.requests) == 50


@asynccontextmanager
async def logging_to(folder: Path, out: int | None, error: int | None, url: str) -> AsyncIterator[str]:
    """A proxy process that logs every exchange to these descriptors, None for closed ones; the path it listens at."""
    where = str(folder / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.setblocking(False)
        told.bind(str(folder / "told"))
        arguments = ["run", "--listen", f"unix:{where}", "--admin", "127.0.0.1:0", "--upstream", url]
        arguments += ["--set", "log.access=all", "--set", "log.level=debug"]
        command = [sys.executable, "-m", "sidecar", *arguments]
        if out is None:
            command = [sys.executable, "-c", _CLOSED, *command]
        started = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "told")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL if out is None else out,
            stderr=asyncio.subprocess.DEVNULL if error is None else error,
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                while b"READY=1" not in await asyncio.get_running_loop().sock_recv(told, 4096):
                    pass
            yield where
        finally:
            started.terminate()
            async with asyncio.timeout(START_SECONDS):
                await started.wait()
    assert started.returncode == 0


_CLOSED = "import os, sys; os.close(1); os.close(2); os.execv(sys.argv[1], sys.argv[1:])"


@contextmanager
def full_disk() -> Iterator[int]:
    """A device that takes nothing."""
    with open("/dev/full", "wb", buffering=0) as device:
        yield device.fileno()


@contextmanager
def closed_pipe() -> Iterator[int]:
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def stuck_pipe() -> Iterator[int]:
    """A pipe that nobody reads, and that holds a page."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield writer
    os.close(reader)
    os.close(writer)


@contextmanager
def nothing() -> Iterator[None]:
    """Standard streams that are closed."""
    yield None


@pytest.mark.parametrize("target", [full_disk, closed_pipe, stuck_pipe, nothing])
async def test_logs_that_nobody_takes_cost_no_request(
    target: Callable[[], AbstractContextManager[int | None]], tmp_path: Path
) -> None:
    async with Backend() as backend:
        with target() as where:
            async with logging_to(tmp_path, where, where, backend.url) as listening:
                for _ in range(3):
                    async with await Peer.connect(listening) as peer:
                        for _ in range(20):
                            assert (await peer.get()).body == b"ok"
        assert len(backend.requests) == 60


# A bug in one place.


class BrokenRoute(RouteStats):
    """An observer with a bug in one of its methods."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method

    def started(self) -> None:
        super().started()
        self._fail("started")

    def finished(self, method: bytes, status: int, seconds: float, trace_id: bytes, sampled: bool) -> None:
        super().finished(method, status, seconds, trace_id, sampled)
        self._fail("finished")

    def _fail(self, method: str) -> None:
        if method == self.method:
            raise RuntimeError("a bug in an observer")


class BrokenLog(ExchangeLog):
    """An access log with a bug in one of its methods."""

    def __init__(self, method: str) -> None:
        self.method = method

    def wants(self, status: int, refused: bool, seconds: float) -> bool:
        if self.method == "wants":
            raise RuntimeError("a bug in the log")
        return True

    def exchange(self, record: ExchangeRecord) -> None:
        raise RuntimeError("a bug in the log")


async def ask_somehow(proxy: RunningProxy) -> None:
    """One request, whose answer may be a 500 or cut."""
    with suppress(GoneError):
        assert (await proxy.ask()).status in (200, 500)


@pytest.mark.parametrize("method", ["started", "finished"])
async def test_a_bug_in_an_observer_ends_at_most_its_exchange(method: str) -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        (route,) = proxy.proxy.current.runtime.routes
        observer, route.observer = route.observer, BrokenRoute(method)
        for _ in range(5):
            await ask_somehow(proxy)
        route.observer = observer
        assert (await proxy.ask()).status == 200
        await proxy.quiet()
        assert [endpoint.in_flight for endpoint in proxy.proxy.current.runtime.endpoints()] == [0]


@pytest.mark.parametrize("method", ["wants", "exchange"])
async def test_a_bug_in_the_access_log_ends_at_most_its_exchange(method: str) -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        log, proxy.proxy.environment.log = proxy.proxy.environment.log, BrokenLog(method)
        for _ in range(5):
            await ask_somehow(proxy)
        proxy.proxy.environment.log = log
        assert (await proxy.ask()).status == 200
        await proxy.quiet()
        assert [endpoint.in_flight for endpoint in proxy.proxy.current.runtime.endpoints()] == [0]


async def test_a_bug_in_an_event_listener_does_not_undo_what_happened() -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("a bug in a listener")

    async with Backend() as backend, running(backend.url) as proxy:
        proxy.stats.events.subscribe(broken)
        proxy.stats.events.subscribe(heard.append)
        assert (await proxy.admin("POST", "/breakers/upstream.app/open")).status == 200
        assert (await proxy.ask()).status == 503
        assert (await proxy.admin("POST", "/breakers/upstream.app/auto")).status == 200
        assert (await proxy.ask()).status == 200
        assert len(heard) >= 2


async def test_a_bug_where_health_is_told_is_not_the_end_of_looking() -> None:
    told: list[str] = []

    def broken(upstream: str, endpoint: str, up: bool, why: str) -> None:
        told.append(endpoint)
        raise RuntimeError("a bug in a callback")

    async with Backend() as backend:
        rules = rules_text(backend.url, upstream="health_check: {tcp: true, interval: 100ms}, hold: null")
        async with running(rules=rules) as proxy:
            await proxy.until(lambda: all(not one.down for one in proxy.proxy.current.runtime.endpoints()))
            proxy.prober._told = broken
            await backend.stop()
            await proxy.until(lambda: len(told) >= 1)
            before = proxy.stats.upstream("app").health_checks.copy()
            await proxy.until(lambda: proxy.stats.upstream("app").health_checks != before)
            assert (await proxy.ask()).status in (502, 503)
