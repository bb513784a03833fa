"""Reading in bulk: as much as is taken, one turn at a time, and everything else as it was."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from sidecar.transport.bulk import BulkReader, read_in_bulk
from sidecar.transport.flow import BY_RECEIVER, ReadGate
from tests.transport.doubles import FakeTransport, VirtualLoop

KIB = 1024


class Transport(FakeTransport):
    """One with a socket, or with TLS, that knows its protocol."""

    def __init__(self, sock: socket.socket | None = None, tls: str = "") -> None:
        super().__init__()
        self.protocol: Any = None
        self._known: dict[str, Any] = {"socket": sock, tls: ssl.create_default_context() if tls else None}

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._known.get(name, default)


class Connection:
    """Writes down what it is told; `full` is whether its receiver then stops the reading, in the next turn."""

    def __init__(self, loop: VirtualLoop, gate: ReadGate) -> None:
        self.loop = loop
        self.gate = gate
        self.told: list[Any] = []
        self.full = False

    def bulk_received(self, view: memoryview) -> None:
        self.told.append(bytes(view))
        if self.full:
            self.loop.call_soon(self.gate.stop, BY_RECEIVER)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


class Source:
    """A connection that is to be read in bulk, and its transport."""

    def __init__(self, loop: VirtualLoop, transport: Transport) -> None:
        self.loop = loop
        self.transport = transport
        self.gate = ReadGate()
        self.gate.transport = transport  # type: ignore[assignment]
        self.connection = Connection(loop, self.gate)
        read_in_bulk(self.connection, transport, self.gate, loop)  # type: ignore[arg-type]

    @property
    def reader(self) -> BulkReader:
        assert isinstance(self.transport.protocol, BulkReader)
        return self.transport.protocol

    def room(self) -> int:
        return len(self.reader.get_buffer(-1))

    def arrives(self, data: bytes) -> None:
        """The kernel has `data`, as much as there is room for."""
        assert self.transport.reading
        self.reader.get_buffer(-1)[: len(data)] = data
        self.reader.buffer_updated(len(data))

    def fills(self) -> None:
        self.arrives(bytes(self.room()))


@pytest.fixture
def source(virtual: VirtualLoop) -> Any:
    with socket.socket() as sock:
        made = Source(virtual, Transport(sock))
        virtual.turn()
        yield made


def test_it_takes_over_in_the_next_turn_while_the_reading_is_stopped(virtual: VirtualLoop) -> None:
    with socket.socket() as sock:
        source = Source(virtual, Transport(sock))
        assert (source.transport.protocol, source.transport.reading) == (None, False)
        virtual.turn()
        assert isinstance(source.transport.protocol, BulkReader)
        assert source.transport.reading


def test_it_does_not_take_over_a_connection_that_has_ended_in_between(virtual: VirtualLoop) -> None:
    with socket.socket() as sock:
        source = Source(virtual, Transport(sock))
        source.transport.close()
        virtual.turn()
        assert source.transport.protocol is None


@pytest.mark.parametrize("tls", ["sslcontext", "ssl_object"])
def test_under_tls_everything_stays_as_it_is(virtual: VirtualLoop, tls: str) -> None:
    with socket.socket() as sock:
        source = Source(virtual, Transport(sock, tls))
        virtual.turn()
        assert (source.transport.protocol, source.transport.reading) == (None, True)


def test_without_a_socket_everything_stays_as_it_is(virtual: VirtualLoop) -> None:
    source = Source(virtual, Transport())
    virtual.turn()
    assert (source.transport.protocol, source.transport.reading) == (None, True)


def test_what_comes_is_told_with_all_that_a_transport_says_besides(source: Source) -> None:
    source.arrives(b"some bytes")
    assert source.transport.reading
    source.reader.pause_writing()
    source.reader.resume_writing()
    assert source.reader.eof_received() is True
    source.reader.connection_lost(None)
    assert source.connection.told == [b"some bytes", "pause", "resume", "eof", None]


def test_a_full_buffer_ends_the_turn_and_the_next_is_larger_up_to_a_bound(virtual: VirtualLoop, source: Source) -> None:
    rooms = []
    for _ in range(4):
        rooms.append(source.room())
        source.fills()
        assert not source.transport.reading
        virtual.turn()
        assert source.transport.reading
    assert rooms == [128 * KIB, 256 * KIB, 512 * KIB, 512 * KIB]


def test_for_a_receiver_that_does_not_keep_up_less_is_read(virtual: VirtualLoop, source: Source) -> None:
    for _ in range(2):
        source.fills()
        virtual.turn()
    source.connection.full = True
    rooms = []
    for _ in range(4):
        rooms.append(source.room())
        source.fills()
        virtual.turn()
        assert not source.transport.reading, "the receiver has stopped it"
        source.gate.start(BY_RECEIVER)
    assert rooms == [512 * KIB, 256 * KIB, 128 * KIB, 128 * KIB]
