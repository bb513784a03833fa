"""The network in memory does what the kernel's does: the same talk is had over both, and seen alike."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sidecar.drill.network import Network, Socket
from sidecar.drill.virtual_time import VirtualLoop

LINGER = struct.pack("ii", 1, 0)
LIMIT = 10.0


class Talker(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self, keep_open: bool = False) -> None:
        self.told: list[str] = []
        self.data = bytearray()
        self.transport: Any = None
        self._keep_open = keep_open
        self._changed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._changed.set()

    def eof_received(self) -> bool:
        self._note("eof")
        return self._keep_open

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost" if exc is None else type(exc).__name__)

    def pause_writing(self) -> None:
        self._note("full")

    def resume_writing(self) -> None:
        self._note("flows")

    def _note(self, what: str) -> None:
        self.told.append(what)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def has(self, what: str) -> None:
        await self.until(lambda: what in self.told)

    async def received(self, size: int) -> None:
        await self.until(lambda: len(self.data) >= size)

    def reset(self) -> None:
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self.transport.abort()


Talk = Callable[[Talker, Talker], Awaitable[None]]


async def _both_ways(client: Talker, server: Talker) -> None:
    client.transport.write(b"hello")
    await server.received(5)
    server.transport.writelines([b"good", b"bye"])
    await client.received(7)
    client.transport.close()
    await client.has("lost")
    await server.has("lost")


async def _last_words(client: Talker, server: Talker) -> None:
    server.transport.write(b"the end")
    server.transport.close()
    await client.has("lost")


async def _reset(client: Talker, server: Talker) -> None:
    server.reset()
    await server.has("lost")
    await client.until(lambda: len(client.told) > 1)


async def _aborted(client: Talker, server: Talker) -> None:
    client.transport.abort()
    await client.has("lost")
    await server.has("lost")


async def _half_closed(client: Talker, server: Talker) -> None:
    client.transport.write_eof()
    await server.has("eof")
    server.transport.write(b"still here")
    await client.received(10)
    server.transport.close()
    await client.has("lost")


async def _not_read(client: Talker, server: Talker) -> None:
    server.transport.pause_reading()
    client.transport.set_write_buffer_limits(high=1 << 16, low=1 << 14)
    client.transport.write(b"x" * (16 << 20))
    await client.has("full")
    assert client.transport.get_write_buffer_size() > 1 << 16
    server.transport.resume_reading()
    await client.has("flows")
    await server.received(16 << 20)
    assert client.transport.get_write_buffer_size() == 0
    client.transport.close()
    await server.has("lost")


TALKS: dict[str, Talk] = {
    talk.__name__: talk for talk in (_both_ways, _last_words, _reset, _aborted, _half_closed, _not_read)
}


async def _had(talk: Talk, *, virtual: bool) -> tuple[list[str], list[str], int, int]:
    loop: Any = asyncio.get_running_loop()
    server = Talker(keep_open=talk is _half_closed)
    if virtual:
        made: Any = Socket(("10.0.0.1", 80))
        post = await loop.create_server(lambda: server, sock=made)
        host, port = "10.0.0.1", 80
    else:
        made = socket.create_server(("127.0.0.1", 0))
        host, port = made.getsockname()
        post = await loop.create_server(lambda: server, sock=made)
    _, client = await loop.create_connection(Talker, host, port)
    await server.has("made")
    await talk(client, server)
    for one in (client, server):
        one.transport.abort()
        await one.until(lambda: "made" not in one.told[-1:])  # noqa: B023 - waited for at once
    post.close()
    return client.told, server.told, len(client.data), len(server.data)


@pytest.mark.parametrize("name", TALKS)
def test_a_talk_in_memory_goes_as_it_goes_over_loopback(name: str) -> None:
    talk = TALKS[name]
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        in_memory = runner.run(_had(talk, virtual=True))
    with asyncio.Runner() as runner:
        assert in_memory == runner.run(_had(talk, virtual=False))


def lived(life: Callable[[Any, Network], Awaitable[None]]) -> None:
    async def on_a_loop() -> None:
        loop: Any = asyncio.get_running_loop()
        await life(loop, loop.network)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(on_a_loop())


PLACE = ("10.0.0.1", 80)


def test_where_nobody_listens_is_refused_and_counted() -> None:
    async def life(loop: Any, network: Network) -> None:
        post = network.listen(PLACE, Talker)
        post.close()
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await loop.create_connection(Talker, *PLACE)
        assert network.refused == {PLACE: 2}

    lived(life)


def test_a_post_that_was_followed_closes_nobody_elses() -> None:
    async def life(loop: Any, network: Network) -> None:
        before = network.listen(PLACE, Talker)
        network.listen(PLACE, Talker)
        before.close()
        _, client = await loop.create_connection(Talker, *PLACE)
        assert client.told == ["made"]

    lived(life)


def test_the_unreachable_answers_nothing_until_a_later_syn_reaches_it() -> None:
    async def life(loop: Any, network: Network) -> None:
        network.listen(PLACE, Talker)
        network.unreachable.add(PLACE)
        begun = loop.time()
        loop.call_later(2.0, network.unreachable.discard, PLACE)
        await loop.create_connection(Talker, *PLACE)
        assert 3.0 < loop.time() - begun < 4.0  # those of 1 and 3 seconds: the second got through

    lived(life)


def test_both_ends_know_where_they_are() -> None:
    async def life(loop: Any, network: Network) -> None:
        servers: list[Talker] = []

        def accepted() -> Talker:
            servers.append(Talker())
            return servers[-1]

        network.listen(PLACE, accepted)
        transport, _ = await loop.create_connection(Talker, *PLACE, local_addr=("127.1.0.7", 0))
        (server,) = servers
        there = server.transport.get_extra_info("peername")
        assert there[0] == "127.1.0.7"
        assert transport.get_extra_info("sockname") == there
        assert transport.get_extra_info("peername") == server.transport.get_extra_info("sockname") == PLACE
        assert transport.get_extra_info("socket").fileno() == -1

    lived(life)


def test_writing_to_who_is_gone_ends_in_a_reset() -> None:
    async def life(loop: Any, network: Network) -> None:
        server = Talker()
        network.listen(PLACE, lambda: server)
        _, client = await loop.create_connection(lambda: Talker(keep_open=True), *PLACE)
        server.transport.close()
        await client.has("eof")
        client.transport.write(b"are you there?")
        await client.has("ConnectionResetError")

    lived(life)


def test_closing_with_something_unread_resets() -> None:
    async def life(loop: Any, network: Network) -> None:
        server = Talker()
        network.listen(PLACE, lambda: server)
        _, client = await loop.create_connection(Talker, *PLACE)
        server.transport.pause_reading()
        client.transport.write(b"never read")
        await asyncio.sleep(0)
        server.transport.close()
        await client.has("ConnectionResetError")

    lived(life)
