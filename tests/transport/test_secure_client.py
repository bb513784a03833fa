"""A connection to an endpoint stands when its handshake is complete, or says why there is none."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from sidecar.model.outcome import Cause
from sidecar.tls.failures import TlsFailure
from tests.doubles.certificates import EXPIRED_DAYS, client_certificate, root, server_certificate, stranger
from tests.transport.doubles import VirtualLoop
from tests.transport.secure_ends import ClientWire


def test_an_endpoint_is_connected_to_when_the_handshake_is_complete(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ClientWire(virtual, tmp_path)
    waiting = wire.connect()
    assert wire.inner.calls == []
    wire.shake()
    virtual.turn()
    assert waiting.done()
    waiting.result()
    assert wire.inner.names == ["made"]
    wire.say(b"hello")
    wire.inner.transport.write(b"welcome")
    assert (wire.inner.received, wire.hear()) == (b"hello", b"welcome")


def test_whoever_asks_late_learns_at_once(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ClientWire(virtual, tmp_path)
    wire.connect()
    wire.shake()
    virtual.run(wire.layer.established())


def failure(virtual: VirtualLoop, waiting: asyncio.Task[None]) -> TlsFailure:
    virtual.turn()
    assert waiting.done()
    fault = waiting.exception()
    assert isinstance(fault, TlsFailure)
    return fault


@pytest.mark.parametrize(
    ("made", "name", "cause"),
    [
        (server_certificate(days=EXPIRED_DAYS), "localhost", Cause.CERTIFICATE_EXPIRED),
        (None, "other.test", Cause.CERTIFICATE_WRONG_NAME),
        (server_certificate(authority=stranger()), "localhost", Cause.CERTIFICATE_UNTRUSTED),
    ],
)
def test_an_endpoint_with_a_bad_certificate_is_told_so_and_left(
    virtual: VirtualLoop, tmp_path: Path, made: Any, name: str, cause: Cause
) -> None:
    wire = ClientWire(virtual, tmp_path, name)
    if made is not None:
        files = made.write(tmp_path, "bad")
        wire.peer.object.context.load_cert_chain(files.certificate, files.private_key)
        wire.peer.object = wire.peer.object.context.wrap_bio(wire.peer.incoming, wire.peer.outgoing, server_side=True)
    waiting = wire.connect()
    wire.peer.step()
    wire.give(wire.peer.outgoing.read())
    assert failure(virtual, waiting).cause is cause
    assert wire.pipe.closed
    wire.peer.incoming.write(wire.pipe.fresh())
    with pytest.raises(ssl.SSLError, match="ALERT"):
        wire.peer.step()
    wire.lose()
    assert wire.inner.calls == []


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_an_endpoint_that_leaves_instead_is_a_failure(virtual: VirtualLoop, tmp_path: Path, end: str) -> None:
    wire = ClientWire(virtual, tmp_path)
    waiting = wire.connect()
    if end == "eof":
        wire.layer.eof_received()
    wire.lose(ConnectionResetError() if end == "reset" else None)
    assert failure(virtual, waiting).cause is Cause.TLS_HANDSHAKE_FAILED
    assert wire.inner.calls == []


def test_an_endpoint_without_tls_is_told_so(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ClientWire(virtual, tmp_path)
    waiting = wire.connect()
    wire.give(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert str(failure(virtual, waiting)) == "the endpoint does not speak TLS"


def test_whoever_gives_up_waiting_wants_no_connection(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ClientWire(virtual, tmp_path)
    waiting = wire.connect()
    waiting.cancel()
    virtual.turn()
    assert waiting.cancelled()
    assert wire.pipe.aborted
    wire.lose()
    assert wire.inner.calls == []


def test_an_endpoint_that_refuses_our_certificate_ends_the_connection_that_stands(
    virtual: VirtualLoop, tmp_path: Path
) -> None:
    wire = ClientWire(virtual, tmp_path, client_ca=root().write(tmp_path, "client-ca"))
    files = client_certificate(authority=stranger()).write(tmp_path, "client")
    wire.context.load_cert_chain(files.certificate, files.private_key)
    waiting = wire.connect()
    with pytest.raises(ssl.SSLCertVerificationError):
        wire.shake()
    virtual.turn()
    waiting.result()  # in TLS 1.3 a client has done its part before it is judged
    wire.give(wire.peer.outgoing.read())
    assert wire.inner.calls == [("made",), ("lost", "TlsFailure")]


def test_an_answer_until_the_end_needs_the_end_of_tls(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ClientWire(virtual, tmp_path)
    waiting = wire.connect()
    wire.shake()
    virtual.turn()
    waiting.result()
    wire.say(b"part")
    assert wire.layer.eof_received() is False
    assert wire.inner.calls == [("made",), ("data", b"part"), ("lost", "TlsFailure")]
    assert wire.pipe.aborted
