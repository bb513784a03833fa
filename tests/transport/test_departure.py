"""The three ways out of a connection, as calls on its transport."""
# mypy: no-warn-unreachable

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

import pytest

from sidecar.transport.departure import MAX_DISCARDED_BYTES, Departure
from sidecar.transport.flow import BY_RECEIVER, ReadGate, WriteWatch
from sidecar.transport.wheel import DeadlineWheel
from tests.transport.doubles import FakeTransport, VirtualLoop


class Socket:
    """A socket that writes its options down."""

    def __init__(self, family: int, fault: OSError | None = None) -> None:
        self.family = family
        self.options: list[Any] = []
        self.fault = fault

    def setsockopt(self, *option: Any) -> None:
        if self.fault is not None:
            raise self.fault
        self.options.append(option)


class Transport(FakeTransport):
    sock: Socket | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.sock


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def departure(virtual: VirtualLoop, transport: Transport) -> Departure:
    wheel = DeadlineWheel(virtual, virtual.time)
    made = Departure(ReadGate(), WriteWatch(wheel, 10.0, transport.abort, transport.abort))
    made.attach(transport)  # type: ignore[arg-type]
    return made


def test_lingering_ends_our_half_and_reads_on(departure: Departure, transport: Transport) -> None:
    departure._gate.stop(BY_RECEIVER)
    departure.linger()
    assert transport.eof_sent
    assert transport.reading
    assert not transport.closed


def test_lingering_after_an_rst_that_is_not_told_yet_raises_nothing(departure: Departure, transport: Transport) -> None:
    transport.eof_fault = OSError(errno.ENOTCONN, "not connected")
    departure.linger()
    assert not transport.eof_sent


def test_lingering_without_half_closes_only_reads(departure: Departure, transport: Transport) -> None:
    transport.half_close = False
    departure.linger()
    assert not transport.eof_sent


def test_what_is_thrown_away_is_counted(departure: Departure) -> None:
    assert not departure.discard(MAX_DISCARDED_BYTES)
    assert departure.discard(1)


def test_closing_gives_the_client_its_patience(
    departure: Departure, transport: Transport, virtual: VirtualLoop
) -> None:
    transport.unsent = 5
    departure.close()
    assert transport.closed
    assert not transport.aborted
    virtual.advance(10.1)
    assert transport.aborted


def test_cutting_sends_rst(departure: Departure, transport: Transport) -> None:
    transport.sock = Socket(socket.AF_INET)
    departure.cut()
    assert transport.sock.options == [(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))]
    assert transport.aborted


@pytest.mark.parametrize("sock", [None, Socket(socket.AF_UNIX), Socket(socket.AF_INET6, OSError("closed"))])
def test_cutting_works_without_rst(departure: Departure, transport: Transport, sock: Socket | None) -> None:
    transport.sock = sock
    departure.cut()
    assert transport.aborted
