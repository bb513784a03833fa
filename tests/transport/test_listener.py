"""A listener accepts until it is told to stop, and bounds what it accepts."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from sidecar.model.address import Address
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry
from sidecar.transport.sockets import bind

pytestmark = pytest.mark.both_loops


class Accepted:
    """A connection that is registered and says whether it is one too many."""

    def __init__(self, registry: Registry, full: bool) -> None:
        self.registry = registry
        self.full = full

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.registry.add(self)
        transport.write(b"full" if self.full else b"welcome")

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.registry.discard(self)

    def pause_writing(self) -> None:
        raise AssertionError("nothing large is sent")

    def resume_writing(self) -> None:
        raise AssertionError("nothing large is sent")

    def close_when_idle(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()


def listening(address: Address, max_connections: int = 10) -> Listener:
    registry = Registry()
    return Listener(
        "l",
        bind(address),
        lambda full: Accepted(registry, full),
        registry,
        asyncio.get_running_loop(),
        max_connections,
    )


async def greeted(writer_of: list[asyncio.StreamWriter], address: Address | str, port: int = 0) -> bytes:
    if isinstance(address, str):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer_of.append(writer)
    async with asyncio.timeout(10):
        try:
            return await reader.read(7)
        except ConnectionError:
            return b""


async def finish(listener: Listener, writers: list[asyncio.StreamWriter]) -> None:
    listener.stop_accepting()
    listener.abort()
    gone = asyncio.Event()
    listener.registry.when_empty(gone.set)
    async with asyncio.timeout(10):
        await gone.wait()
    for writer in writers:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            continue


def port_of(listener: Listener) -> int:
    return int(listener.addresses[0].rpartition(":")[2])


async def test_it_says_where_it_listens() -> None:
    listener = listening(Address("127.0.0.1", 0))
    await listener.start()
    assert listener.address == f"127.0.0.1:{port_of(listener)}"
    assert port_of(listener) > 0
    await finish(listener, [])


async def test_stopped_it_refuses_new_connections_and_keeps_the_others() -> None:
    listener = listening(Address("127.0.0.1", 0))
    await listener.start()
    port = port_of(listener)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.readexactly(7) == b"welcome"
    listener.stop_accepting()
    await asyncio.sleep(0)  # a turn: uvloop closes its handles in the next one
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"still")
    assert await reader.readexactly(5) == b"still"
    await finish(listener, [writer])


async def test_a_stopped_address_can_be_bound_again() -> None:
    first = listening(Address("127.0.0.1", 0))
    await first.start()
    port = port_of(first)
    first.stop_accepting()
    await asyncio.sleep(0)
    second = listening(Address("127.0.0.1", port))
    await second.start()
    writers: list[asyncio.StreamWriter] = []
    assert await greeted(writers, Address(), port) == b"welcome"
    await finish(second, writers)
    await finish(first, [])


async def test_sockets_that_never_started_are_closed_too() -> None:
    listener = listening(Address("127.0.0.1", 0))
    port = port_of(listener)
    listener.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_unix_socket_accepts(tmp_path: Path) -> None:
    listener = listening(Address(path=str(tmp_path / "s")))
    await listener.start()
    assert listener.address == f"unix:{tmp_path / 's'}"
    writers: list[asyncio.StreamWriter] = []
    assert await greeted(writers, str(tmp_path / "s")) == b"welcome"
    await finish(listener, writers)


async def test_above_the_limit_connections_are_marked_and_far_above_it_cut() -> None:
    listener = listening(Address("127.0.0.1", 0), max_connections=2)
    await listener.start()
    writers: list[asyncio.StreamWriter] = []
    greetings = [await greeted(writers, Address(), port_of(listener)) for _ in range(2 + 64 + 3)]
    assert greetings == [b"welcome"] * 2 + [b"full"] * 64 + [b""] * 3
    assert listener.abort() == 66
    await finish(listener, writers)


async def test_idle_connections_are_asked_to_close() -> None:
    listener = listening(Address("127.0.0.1", 0))
    await listener.start()
    writers: list[Any] = []
    await greeted(writers, Address(), port_of(listener))
    listener.stop_accepting()
    listener.close_idle()
    gone = asyncio.Event()
    listener.registry.when_empty(gone.set)
    async with asyncio.timeout(10):
        await gone.wait()
    await finish(listener, writers)


async def test_many_clients_fit_into_the_queue_before_they_are_accepted() -> None:
    listener = listening(Address("127.0.0.1", 0), max_connections=1000)
    await listener.start()
    waiting = []
    for _ in range(200):  # in one turn, so none is accepted meanwhile
        client = socket.create_connection(("127.0.0.1", port_of(listener)), timeout=5)
        waiting.append(client)
    writers: list[asyncio.StreamWriter] = []
    assert await greeted(writers, Address(), port_of(listener)) == b"welcome"
    for client in waiting:
        client.close()
    await finish(listener, writers)
