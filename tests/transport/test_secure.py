"""Two sides of a handshake: what comes of it, how long it may take, and what of those that fail."""

from __future__ import annotations

from pathlib import Path

from tests.transport.doubles import VirtualLoop
from tests.transport.secure_ends import ClientWire, ServerWire


def test_whoever_is_above_stands_when_the_handshake_is_complete(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path)
    wire.accept()
    assert wire.inner.calls == []
    wire.shake()
    assert wire.inner.names == ["made"]
    assert wire.observed.results == ["ok"]
    wire.say(b"hello")
    assert wire.inner.received == b"hello"
    wire.inner.transport.write(b"welcome")
    assert wire.hear() == b"welcome"


def test_an_endpoint_is_connected_to_when_the_handshake_is_complete(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ClientWire(virtual, tmp_path)
    waiting = wire.connect()
    wire.shake()
    virtual.run(waiting)
    assert wire.inner.names == ["made"]
    wire.say(b"hello")
    wire.inner.transport.write(b"welcome")
    assert (wire.inner.received, wire.hear()) == (b"hello", b"welcome")
