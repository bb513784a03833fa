"""Listeners without HTTP, with real sockets: bytes and both their ends pass, and policies hold for connections."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from sidecar.app.wiring import Proxy
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.transport.byte_connection import ByteConnection
from tests.doubles.backend import LIMIT_SECONDS, GoneError, linger_zero, refusing
from tests.doubles.clock import Clock
from tests.doubles.peer import Peer
from tests.doubles.process import process
from tests.doubles.running import EXAMPLES, RunningProxy, rules_text, running

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that talks as it is told. `connected` counts, `gone` tells how the last connection ended."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"tcp://127.0.0.1:{port}"
        self.connected = 0
        self.gone: asyncio.Queue[BaseException | None] = asyncio.Queue()

    async def ended(self) -> BaseException | None:
        """How the next connection to end has ended."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.gone.get()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def serving(talk: Talk = echo, port: int = 0) -> AsyncIterator[Server]:
    """A server on a port of loopback; each connection is closed after its talk."""
    server: Server

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connected += 1
        fault: BaseException | None = None
        try:
            await talk(reader, writer)
        except OSError as error:
            fault = error
        writer.close()
        server.gone.put_nowait(fault)

    listening = await asyncio.start_server(connected, "127.0.0.1", port)
    server = Server(listening.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


def rules(*urls: str, listener: str = "", upstream: str = "", route: str = "", more: str = "") -> str:
    text = rules_text(
        *urls, listener=f"protocol: tcp, {listener}", upstream=upstream, route=f"match: {{listener: public}}, {route}"
    )
    return text + more


async def talked(peer: Peer, word: bytes = b"word") -> None:
    """The connection stands: what is said comes back."""
    await peer.send(word)
    assert await peer.exactly(len(word)) == word


# Bytes and ends.


async def test_a_server_may_speak_first_and_each_side_may_end_first() -> None:
    async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        asked = await reader.read()  # until the client has said everything
        writer.write(b"250 " + asked)

    async with serving(greeting) as server, running(rules=rules(server.url)) as proxy:
        async with proxy.peer() as peer:
            assert await peer.exactly(11) == b"220 ready\r\n"
            await peer.send(b"MAIL")
            peer.half_close()
            assert await peer.rest() == b"250 MAIL"
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 1}
        assert proxy.stats.upstreams["app"].attempts == {"success": 1}


async def test_a_server_that_ends_first_still_hears_the_client() -> None:
    heard = asyncio.Queue[bytes]()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all")
        writer.write_eof()
        heard.put_nowait(await reader.read())

    async with serving(early) as server, running(rules=rules(server.url)) as proxy, proxy.peer() as peer:
        assert await peer.rest() == b"all"
        await peer.send(b"more of mine")
        peer.half_close()
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await heard.get() == b"more of mine"
        await proxy.quiet()


async def test_what_a_client_says_at_once_and_ends_is_passed_on_whole() -> None:
    async with serving() as server, running(rules=rules(server.url)) as proxy, proxy.peer() as peer:
        await peer.send(b"x" * 200_000)  # more than is read before an endpoint is there
        peer.half_close()
        assert await peer.rest() == b"x" * 200_000


async def test_much_passes_at_the_pace_of_whoever_is_slower() -> None:
    size = 32 << 20
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while sent < size:
            writer.write(bytes(65536))
            sent += 65536
            await writer.drain()

    async with (
        serving(flood) as server,
        running(rules=rules(server.url)) as proxy,
        proxy.peer(receive_buffer=65536) as peer,
    ):
        assert len(await peer.exactly(1000)) == 1000
        settled = -1
        while settled != sent:  # the client reads no more, so the server is held up
            settled = sent
            await proxy.turns(200)
        assert sent < size
        (connection,) = proxy.proxy.front.listeners[0].registry
        assert isinstance(connection, ByteConnection)
        assert connection.unsent() < 4 << 20, "held up, and not kept here"
        assert len(await peer.rest()) == size - 1000


async def test_a_reset_of_the_client_is_a_reset_at_the_server() -> None:
    async with serving() as server, running(rules=rules(server.url)) as proxy:
        async with proxy.peer() as peer:
            await talked(peer)
            peer.reset()
        assert isinstance(await server.ended(), ConnectionResetError)
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 1}
        assert proxy.failures() == 0


async def test_a_reset_of_the_server_is_a_reset_at_the_client_and_no_failure() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        linger_zero(writer)

    async with serving(cut) as server, running(rules=rules(server.url)) as proxy, proxy.peer() as peer:
        await peer.send(b"x")
        with pytest.raises(GoneError):
            await peer.rest()
        await proxy.quiet()
        assert proxy.stats.upstreams["app"].attempts == {"reset": 1}
        assert (await proxy.breaker())["failures"] == 0


# Policies.


async def test_a_connection_over_the_rate_is_closed_and_says_why_in_metrics() -> None:
    limit = "rate_limits: [{name: per-client, key: client_ip, rate: 1/h, burst: 1}]"
    async with serving() as server, running(rules=rules(server.url, route=limit)) as proxy:
        async with proxy.peer() as peer, proxy.peer() as other:
            await talked(peer)
            assert await other.rest() == b""
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 1, ("TCP", 429): 1}
        metrics = (await proxy.admin("GET", "/metrics")).body.decode()
        assert '{reason="rate_limited",route="everything",rule="everything/per-client"} 1' in metrics
        assert 'sidecar_requests_total{method="TCP",route="everything",status="429"} 1' in metrics


async def test_connections_beyond_the_bound_wait_in_line_for_the_end_of_one() -> None:
    bound = "concurrency: {max: 1, max_queue: 1, max_wait: 10s}"
    async with serving() as server, running(rules=rules(server.url, route=bound)) as proxy, proxy.peer() as first:
        await talked(first)
        async with proxy.peer() as second:
            await second.send(b"early")
            await proxy.until(lambda: proxy.in_flight() == 2)
            async with proxy.peer() as third:
                assert await third.rest() == b""
            assert server.connected == 1
            await first.close()
            assert await second.exactly(5) == b"early"
            assert server.connected == 2


async def test_an_endpoint_that_refuses_is_left_for_another_and_the_client_sees_nothing() -> None:
    with refusing() as port:
        dead, off = f"tcp://127.0.0.1:{port}", "circuit_breaker: null"
        async with serving() as server, running(rules=rules(dead, server.url, upstream=off)) as proxy:
            for _ in range(6):
                async with proxy.peer() as peer:
                    await talked(peer)
            await proxy.quiet()
            assert proxy.requests() == {("TCP", 200): 6}


async def test_a_breaker_opens_on_connects_and_then_closes_connections_at_once() -> None:
    breaker = "circuit_breaker: {consecutive_failures: 2, open_for: 30s}, hold: null"
    with refusing() as port:
        text = rules(f"tcp://127.0.0.1:{port}", upstream=breaker, route="retry: null")
        async with running(rules=text) as proxy:
            for _ in range(3):
                async with proxy.peer() as peer:
                    assert await peer.rest() == b""
            await proxy.quiet()
            assert proxy.requests() == {("TCP", 502): 2, ("TCP", 503): 1}
            assert (await proxy.breaker())["state"] == "open"


async def test_one_too_many_connections_are_closed() -> None:
    async with (
        serving() as server,
        running(rules=rules(server.url, listener="max_connections: 1")) as proxy,
        proxy.peer() as peer,
    ):
        await talked(peer)
        async with proxy.peer() as other:
            assert await other.rest() == b""
        assert proxy.stats.unrouted.requests == {(b"TCP", 503): 1}
        await talked(peer)


async def test_a_connection_without_a_word_for_its_idle_time_is_cut() -> None:
    clock = Clock()
    text = rules("tcp://127.0.0.1:%d", route="timeout: {idle: 5m}")
    async with serving() as server, running(rules=text % server.port, clock=clock) as proxy, proxy.peer() as peer:
        await talked(peer)
        await proxy.pass_time(299)
        await talked(peer)
        await proxy.pass_time(299)
        assert proxy.in_flight() == 1
        await proxy.pass_time(2)
        with pytest.raises(GoneError):
            await peer.rest()
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 1}


async def test_a_fault_made_on_purpose_closes_connections_too() -> None:
    text = rules("tcp://127.0.0.1:1", route="fault: {abort: {ratio: 1, status: 503}}")
    loaded = load_text(text, "rules.yaml", Given(allow_faults=True))
    async with running(given=loaded) as proxy, proxy.peer() as peer:
        assert await peer.rest() == b""
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 503): 1}


# Life.


async def test_a_reload_leaves_connections_alone_and_sends_new_ones_elsewhere() -> None:
    async with serving() as old, serving() as new, running(rules=rules(old.url)) as proxy, proxy.peer() as peer:
        await talked(peer)
        await proxy.adopt(rules(new.url))
        await talked(peer, b"still here")
        async with proxy.peer() as other:
            await talked(other)
        assert (old.connected, new.connected) == (1, 1)


async def test_a_listener_changes_what_it_speaks_and_its_connections_stay_what_they_are() -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    async with serving() as server, serving(hello) as web, running(rules=rules(server.url)) as proxy:
        async with proxy.peer() as peer:
            await talked(peer)
            await proxy.adopt(rules_text(web.url.replace("tcp:", "http:")))
            assert (await proxy.ask()).body == b"ok"
            await talked(peer)
            await proxy.adopt(rules(web.url))  # the same place, spoken to in another way
            assert (await proxy.ask()).body == b"ok"
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 2, ("GET", 200): 1}


async def test_a_drain_waits_for_connections_and_cuts_them_at_its_end() -> None:
    async with serving() as server, running(rules=rules(server.url)) as proxy, proxy.peer() as peer:
        await talked(peer)
        front = proxy.proxy.front
        front.announce(0)
        await talked(peer)
        front.stop_accepting()
        front.close_idle()
        await talked(peer)
        assert dict(front.in_flight()) == {"requests": 0, "tunnels": 1, "websockets": 0}
        assert front.cut() == 1
        with pytest.raises(GoneError):
            await peer.rest()


async def test_one_url_is_enough_and_a_session_at_the_end_of_a_drain_makes_the_exit_code_4() -> None:
    sets = ["drain.announce=0s", "drain.deadline=300ms", "log.access=all"]
    async with serving() as server, process(server.url, sets=sets) as proxy, proxy.peer() as peer:
        await talked(peer)
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 4


# What is told.


async def test_the_access_log_has_a_line_for_each_connection() -> None:
    lines: list[bytes] = []

    def keep(line: bytes) -> bool:
        lines.append(line)
        return True

    async with serving() as server:
        loaded = load_text(rules(server.url).replace("access: 'off'", "access: all"), "rules.yaml", Given())
        proxy = Proxy(loaded, keep)
        await proxy.start()
        serving_proxy = RunningProxy(proxy)
        async with serving_proxy.peer() as peer:
            await talked(peer, b"12345")
        await serving_proxy.quiet()
        await proxy.close()
    (told,) = [json.loads(line) for line in lines]
    wanted = {"method": "TCP", "path": "", "status": 200, "reason": None, "route": "everything", "upstream": "app"}
    assert wanted.items() <= told.items()
    assert (told["bytes_in"], told["bytes_out"], told["attempts"], told["client"]) == (5, 5, 1, "127.0.0.1")


# The examples.


def shipped(name: str, *urls: str, sets: tuple[str, ...] = ()) -> Loaded:
    file = EXAMPLES / f"tcp-{name}.yaml"
    endpoints = ", ".join(f"'{url}'" for url in urls)
    given = Given(
        listen="127.0.0.1:0",
        admin="127.0.0.1:0",
        sets=("log.access=off", f"upstreams.{name}.endpoints=[{endpoints}]", *sets),
    )
    return load_text(file.read_text(), file.name, given).to_run()


async def test_the_example_of_postgres_holds_whoever_connects_while_it_restarts() -> None:
    with refusing() as port:
        async with running(given=shipped("postgres", f"tcp://127.0.0.1:{port}")) as proxy, proxy.peer() as peer:
            await peer.send(b"startup")
            (upstream,) = proxy.proxy.current.runtime.upstreams.values()
            await proxy.until(lambda: upstream.hold is not None and upstream.hold.snapshot(0.0)["held"] == 1)
            assert proxy.requests() == {}


async def test_the_example_of_redis_bounds_connections_by_client_and_leaves_the_dead() -> None:
    async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(b"+PONG\r\n")

    with refusing() as port:
        async with serving(pong) as server:
            sets = ("routes.redis.rate_limits=[{name: per-client, key: client_ip, rate: 1/h, burst: 3}]",)
            given = shipped("redis", f"tcp://127.0.0.1:{port}", server.url, sets=sets)
            async with running(given=given) as proxy:
                for _ in range(3):
                    async with proxy.peer() as peer:
                        await peer.send(b"PING\r\n")
                        assert await peer.exactly(7) == b"+PONG\r\n"
                async with proxy.peer() as peer:
                    assert await peer.rest() == b""
                await proxy.quiet()
                assert proxy.requests() == {("TCP", 200): 3, ("TCP", 429): 1}
