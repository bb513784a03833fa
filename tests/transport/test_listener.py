"""A listener accepts until it is told to stop, and bounds what it accepts."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from sidecar.model.address import Address
from sidecar.transport.listener import Listener
from sidecar.transport.registry import NOTHING, Registry
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

    def carries(self) -> int:
        return NOTHING

    def close_when_idle(self) -> None:
        self.transport.close()

    def leave_websocket(self) -> None:
        raise AssertionError("there is none")

    def end_now(self) -> int:
        self.transport.abort()
        return 0

    def abort(self) -> None:
        self.transport.abort()

    def waits(self) -> tuple[int, float] | None:
        return None

    def give_way(self) -> bool:
        return False


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


def connected(address: str | tuple[str, int]) -> socket.socket:
    """A client whose connection stands, before a loop can turn."""
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    client.settimeout(10)
    client.connect(address)
    client.setblocking(False)
    return client


async def heard(client: socket.socket) -> bytes:
    async with asyncio.timeout(10):
        return await asyncio.get_running_loop().sock_recv(client, 7)


async def test_while_paused_clients_wait_and_are_served_afterwards() -> None:
    listener = listening(Address("127.0.0.1", 0), max_connections=1000)
    await listener.start()
    listener.pause()
    listener.pause()
    clients = [connected(("127.0.0.1", port_of(listener))) for _ in range(100)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(listener.registry) == 0
    assert listener.is_paused
    listener.resume()
    assert [await heard(client) for client in clients] == [b"welcome"] * 100
    listener.pause()
    listener.resume()
    listener.resume()
    late = connected(("127.0.0.1", port_of(listener)))
    assert await heard(late) == b"welcome"
    for client in (*clients, late):
        client.close()
    await finish(listener, [])


async def test_one_that_is_paused_before_it_could_resume_stays_paused() -> None:
    listener = listening(Address("127.0.0.1", 0))
    await listener.start()
    listener.pause()
    listener.resume()
    listener.pause()
    client = connected(("127.0.0.1", port_of(listener)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (listener.is_paused, len(listener.registry)) == (True, 0)
    client.close()
    await finish(listener, [])


async def test_a_pause_leaves_a_unix_socket_where_it_is(tmp_path: Path) -> None:
    listener = listening(Address(path=str(tmp_path / "s")))
    await listener.start()
    listener.pause()
    client = connected(str(tmp_path / "s"))
    await asyncio.sleep(0)
    listener.resume()
    assert await heard(client) == b"welcome"
    client.close()
    await finish(listener, [])


async def test_each_accepted_connection_is_told_before_it_is_made() -> None:
    listener = listening(Address("127.0.0.1", 0))
    told: list[int] = []
    listener.on_accept = lambda: told.append(len(listener.registry))
    await listener.start()
    writers: list[asyncio.StreamWriter] = []
    await greeted(writers, Address(), port_of(listener))
    await greeted(writers, Address(), port_of(listener))
    assert told == [0, 1]
    await finish(listener, writers)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("paused", [False, True])
async def test_whoever_is_in_the_queue_when_it_stops_is_answered(tmp_path: Path, kind: str, paused: bool) -> None:
    address = Address("127.0.0.1", 0) if kind == "tcp" else Address(path=str(tmp_path / "s"))
    listener = listening(address, max_connections=1000)
    await listener.start()
    if paused:
        listener.pause()
    where = str(tmp_path / "s") if kind == "unix" else ("127.0.0.1", port_of(listener))
    clients = [connected(where) for _ in range(100)]  # in one turn, so none is accepted meanwhile
    for client in clients:
        client.send(b"request")
    listener.stop_accepting()
    assert len(listener.registry) == 100, "they count from this instant, or a drain would not wait for them"
    for client in clients:
        async with asyncio.timeout(10):
            answered = b""
            while len(answered) < 14:
                answered += await asyncio.get_running_loop().sock_recv(client, 14)
        assert answered == b"welcomerequest"
        client.close()
    await finish(listener, [])


async def test_those_in_the_queue_are_cut_with_the_others() -> None:
    listener = listening(Address("127.0.0.1", 0))
    await listener.start()
    client = connected(("127.0.0.1", port_of(listener)))
    listener.stop_accepting()
    assert listener.abort() == 1
    gone = asyncio.Event()
    listener.registry.when_empty(gone.set)
    async with asyncio.timeout(10):
        await gone.wait()
    client.close()


async def test_one_that_left_the_queue_is_missed_by_nobody() -> None:
    listener = listening(Address("127.0.0.1", 0))
    await listener.start()
    client = connected(("127.0.0.1", port_of(listener)))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    listener.stop_accepting()
    await finish(listener, [])


async def test_a_shared_socket_is_left_to_the_others_with_its_queue_and_its_file(tmp_path: Path) -> None:
    (sock,) = bind(Address("127.0.0.1", 0))
    other = sock.dup()
    first, second = (Registry(), Registry())
    loop = asyncio.get_running_loop()
    one = Listener("one", [sock], lambda full: Accepted(first, full), first, loop, is_shared=lambda: True)
    await one.start()
    port = port_of(one)
    client = connected(("127.0.0.1", port))
    one.stop_accepting()
    two = Listener("two", [other], lambda full: Accepted(second, full), second, loop)
    await two.start()
    late = connected(("127.0.0.1", port))
    assert [await heard(client), await heard(late)] == [b"welcome", b"welcome"]
    assert (len(first), len(second)) == (0, 2)
    client.close()
    late.close()
    await finish(two, [])
    path = tmp_path / "s"
    held = [sock]
    unix = Listener(
        "u", bind(Address(path=str(path))), lambda full: Accepted(first, full), first, loop, is_shared=lambda: any(held)
    )
    await unix.start()
    unix.stop_accepting()
    held.clear()  # told again at the very end, when whoever knew of the others has closed its own
    unix.stop_accepting()
    assert path.exists()


async def test_a_unix_sockets_file_goes_with_it_unless_it_is_anothers_by_now(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = listening(Address(path=str(path)))
    await first.start()
    path.unlink()
    second = listening(Address(path=str(path)))
    await second.start()
    first.stop_accepting()
    assert path.exists()
    second.stop_accepting()
    assert not path.exists()
    await finish(first, [])
    await finish(second, [])


async def test_no_descriptor_for_resuming_leaves_it_paused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listener = listening(Address("127.0.0.1", 0))
    await listener.start()
    listener.pause()

    async def none(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Listener, "_server", none)
        listener.resume()
        for _ in range(5):
            await asyncio.sleep(0)
    assert listener.is_paused
    assert "cannot accept yet: Too many open files" in caplog.text
    listener.resume()
    client = connected(("127.0.0.1", port_of(listener)))
    assert await heard(client) == b"welcome"
    client.close()
    await finish(listener, [])
