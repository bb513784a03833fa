"""Bytes relayed between real sockets, in bulk from the first large read on: all of them, in order, whatever happens."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.model.connections import Connections
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.transport.byte_connection import ByteConnection
from sidecar.transport.raw_upstream import RawUpstream
from sidecar.transport.registry import Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.stream import Acceptor, DownstreamStream, Receiver
from sidecar.transport.upstream import Home, UpstreamConnection
from sidecar.transport.upstream_state import LEASED
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import HeadLimits
from sidecar.wire.origin import Origin

pytestmark = pytest.mark.both_loops

MIB = 1 << 20
PATTERN = random.Random(5).randbytes(3 * MIB + 17)


class Pass(Receiver):
    """Hands on what one side says to the other, and counts how."""

    def __init__(self) -> None:
        self.downstream: ByteConnection
        self.upstream: RawUpstream
        self.pieces = 0
        self.bulk = 0
        self.paused = asyncio.Event()

    def request_data(self, data: bytes) -> None:
        self.pieces += len(data)
        self.upstream.send_data(data)

    def request_bulk(self, view: memoryview) -> None:
        self.bulk += len(view)
        self.upstream.send_bulk(view)

    def request_end(self, trailers: bytes) -> None:
        self.upstream.send_end()

    def request_broken(self, reason: Reason, detail: str) -> None:
        raise AssertionError("nobody drains")

    def response_data(self, data: bytes) -> None:
        self.pieces += len(data)
        self.downstream.send_data(data)

    def response_bulk(self, view: memoryview) -> None:
        self.bulk += len(view)
        self.downstream.send_bulk(view)

    def response_end(self, trailers: bytes) -> None:
        self.downstream.send_end()

    def downstream_paused(self) -> None:
        self.paused.set()
        self.upstream.pause()

    def downstream_resumed(self) -> None:
        self.upstream.resume()

    def upstream_paused(self) -> None:
        self.downstream.pause()

    def upstream_resumed(self) -> None:
        self.downstream.resume()

    def downstream_gone(self) -> None:
        self.upstream.cancel()

    def upstream_failed(self, cause: Cause, detail: str) -> None:
        self.downstream.reset()


class Bridge(Acceptor):
    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def connection(self, stream: DownstreamStream, refusal: tuple[Reason, str] | None) -> Receiver:
        return self.receiver


class Nowhere(Home):
    def lost(self, connection: UpstreamConnection, leased: bool) -> None:
        """Nobody counts."""


def connected() -> tuple[socket.socket, socket.socket]:
    """Both ends of one TCP connection, which can be reset as a socket pair cannot."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
    for sock in (near, far):
        sock.setblocking(False)
    return near, far


class Relay:
    """A client and an endpoint, spoken for by hand, and what stands between them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.between = Pass()
        self.wheel = DeadlineWheel(self.loop, time.monotonic)
        self.registry = Registry()
        self.client, self._accepted = connected()
        self.endpoint, self._dialled = connected()

    async def start(self) -> None:
        origin = Origin("127.0.0.1")
        service = Service(
            DownstreamSettings(idle_timeout=60),
            Bridge(self.between),
            lambda *_: origin,
            self.wheel,
            Connections(),
            self.registry,
        )
        _, self.downstream = await self.loop.create_connection(lambda: ByteConnection(service), sock=self._accepted)  # type: ignore[type-var]
        _, self.upstream = await self.loop.create_connection(  # type: ignore[type-var]
            lambda: RawUpstream(Nowhere(), self.wheel, HeadLimits(), self.wheel.now()), sock=self._dialled
        )
        self.between.downstream = self.downstream
        self.between.upstream = self.upstream
        self.upstream.state = LEASED
        self.upstream.open_tunnel(self.between)
        self.downstream.open_tunnel()

    async def close(self) -> None:
        """Waits until both connections of the relay are gone, and their descriptors with them."""
        self.client.close()
        self.endpoint.close()
        async with asyncio.timeout(20):
            while len(self.registry) or any(map(_open, (self._accepted, self._dialled))):
                await asyncio.sleep(0)
        self.wheel.close()


def _open(sock: socket.socket) -> bool:
    return sock.fileno() >= 0


@asynccontextmanager
async def relaying() -> AsyncIterator[Relay]:
    relay = Relay()
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()


async def send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def read(sock: socket.socket, size: int = -1, most: int = MIB) -> bytes:
    """`size` bytes, or all until the other half ends."""
    loop = asyncio.get_running_loop()
    got = bytearray()
    async with asyncio.timeout(30):
        while size < 0 or len(got) < size:
            piece = await loop.sock_recv(sock, most)
            if not piece:
                break
            got += piece
    return bytes(got)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def test_much_is_read_in_bulk_and_every_byte_of_it_counted_once() -> None:
    async with relaying() as relay:
        got, _ = await asyncio.gather(read(relay.client, len(PATTERN)), send(relay.endpoint, PATTERN))
        assert got == PATTERN
        assert relay.between.pieces + relay.between.bulk == len(PATTERN)
        assert relay.between.bulk > relay.between.pieces


async def test_both_directions_at_once_and_each_half_ends_by_itself() -> None:
    async with relaying() as relay:
        there, back = PATTERN, PATTERN[::-1]

        async def say(sock: socket.socket, data: bytes) -> None:
            await send(sock, data)
            sock.shutdown(socket.SHUT_WR)

        at_endpoint, at_client, *_ = await asyncio.gather(
            read(relay.endpoint), read(relay.client), say(relay.client, there), say(relay.endpoint, back)
        )
        assert at_endpoint == there
        assert at_client == back


async def test_small_words_pass_after_much_has_passed_in_bulk() -> None:
    async with relaying() as relay:
        await asyncio.gather(read(relay.client, len(PATTERN)), send(relay.endpoint, PATTERN))
        await asyncio.gather(read(relay.endpoint, len(PATTERN)), send(relay.client, PATTERN))
        for number in range(20):
            word = b"%d" % number
            await send(relay.client, word)
            assert await read(relay.endpoint, len(word)) == word
            await send(relay.endpoint, word * 2)
            assert await read(relay.client, 2 * len(word)) == word * 2


async def test_a_reader_that_stops_stops_the_sender_within_a_bound_and_gets_everything_later() -> None:
    async with relaying() as relay:
        relay.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        relay._accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        sending = asyncio.create_task(send(relay.endpoint, PATTERN))
        async with asyncio.timeout(20):
            await relay.between.paused.wait()
        held = relay.downstream.unsent()
        assert 0 < held <= 262144 + 2 * 524288
        assert await read(relay.client, len(PATTERN)) == PATTERN
        await sending


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    cut=st.one_of(st.none(), st.integers(0, 3 * MIB)),
    who=st.sampled_from(["client", "endpoint"]),
    how=st.sampled_from(["fin", "rst"]),
)
@example(seed=1, cut=None, who="client", how="fin")
@example(seed=2, cut=2 * MIB, who="client", how="rst")
@example(seed=3, cut=2 * MIB, who="endpoint", how="fin")
def test_whatever_the_sizes_and_wherever_one_leaves_what_arrives_is_what_was_sent(
    seed: int, cut: int | None, who: str, how: str
) -> None:
    # The runner makes its own loop; which one is part of the seed.
    factory = uvloop.new_event_loop if seed % 2 else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_without_a_leak(_exchange(random.Random(seed), cut, who, how)))


async def _without_a_leak(work: Coroutine[None, None, None]) -> None:
    await asyncio.sleep(0)  # the loop has opened its own
    before = _sockets()
    await work
    assert _sockets() == before


def _sockets() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    return {name for name in found if name.startswith("socket:")}


async def _exchange(dice: random.Random, cut: int | None, who: str, how: str) -> None:
    """The endpoint sends pieces of any size, the client reads them at any pace; one of them may leave half-way."""
    async with relaying() as relay:
        sent = 0
        total = len(PATTERN) if cut is None else cut

        async def say() -> None:
            nonlocal sent
            while sent < total:
                size = min(dice.choice((1, 1000, 70_000, 400_000, MIB)), total - sent)
                await send(relay.endpoint, PATTERN[sent : sent + size])
                sent += size
                if dice.random() < 0.2:
                    await asyncio.sleep(0)
            if cut is None or (who == "endpoint" and how == "fin"):
                relay.endpoint.shutdown(socket.SHUT_WR)
            elif who == "endpoint":
                reset(relay.endpoint)

        async def hear() -> bytes:
            if cut is None or who == "endpoint":
                try:
                    return await read(relay.client, most=dice.choice((5000, 65536, MIB)))
                except ConnectionResetError:
                    return PATTERN[:0]
            got = await read(relay.client, dice.randint(0, cut))
            if how == "rst":
                reset(relay.client)
            else:
                relay.client.close()
            return got

        got, failed = await asyncio.gather(hear(), say(), return_exceptions=True)
        assert isinstance(got, bytes), got
        assert got == PATTERN[: len(got)]
        if cut is None or (who == "endpoint" and how == "fin"):
            assert failed is None
            assert len(got) == total
        else:
            assert failed is None or isinstance(failed, ConnectionError)
