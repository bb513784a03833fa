"""A session says what its peer has said, however the bytes were cut, and each half ends by itself."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.tls.contexts import Identity, client_context, server_context
from sidecar.tls.session import Session
from tests.doubles.certificates import root, server_certificate
from tests.tls.hands import End

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
BIG = bytes(range(256)) * 200  # three records and a part


@dataclass(frozen=True)
class Contexts:
    server: ssl.SSLContext
    clients: dict[ssl.TLSVersion, ssl.SSLContext]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    folder: Path = tmp_path_factory.mktemp("tls")
    files = server_certificate().write(folder)
    now = time.time()
    server = server_context([Identity(files.certificate, files.private_key)], now=now).context
    clients = {version: client_context(ca=root().write(folder), now=now).context for version in VERSIONS}
    for version, context in clients.items():
        context.maximum_version = version
    return Contexts(server, clients)


def pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    while data:
        size = next(sizes)
        yield data[:size]
        data = data[size:]


def whole() -> Iterator[int]:
    while True:
        yield 1 << 30


def single() -> Iterator[int]:
    while True:
        yield 1


def shaken(
    contexts: Contexts, version: ssl.TLSVersion = VERSIONS[1], sizes: Iterator[int] | None = None
) -> tuple[Session, End]:
    """A server's session after its handshake, whose bytes came in pieces of these sizes, and its client."""
    sizes = sizes or whole()
    session, peer = Session(contexts.server, True), End(contexts.clients[version], False, "localhost")
    done = False
    while not (peer.step() and done):
        for piece in pieces(peer.outgoing.read(), sizes):
            done = session.handshake(piece)
        peer.incoming.write(session.take())
    return session, peer


def said(peer: End, data: bytes) -> bytes:
    """The records of what a peer says."""
    peer.object.write(data)
    return peer.outgoing.read()


def ended(peer: End) -> bytes:
    """A peer's close_notify."""
    with suppress(ssl.SSLWantReadError):
        peer.object.unwrap()
    return peer.outgoing.read()


def heard(session: Session, data: bytes, sizes: Iterator[int]) -> bytes:
    found = b""
    for piece in pieces(data, sizes):
        session.receive(piece)
        found += session.read()
    return found


def spoken(session: Session, peer: End) -> bytes:
    """What the peer reads."""
    peer.incoming.write(session.take())
    return peer.read()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sizes", [whole, single])
def test_each_side_reads_what_the_other_says(contexts: Contexts, version: ssl.TLSVersion, sizes: object) -> None:
    cut = whole if sizes is whole else single
    session, peer = shaken(contexts, version, cut())
    assert heard(session, said(peer, b"hello") + said(peer, BIG), cut()) == b"hello" + BIG
    session.write(b"welcome")
    session.write(BIG)
    assert spoken(session, peer) == b"welcome" + BIG
    assert not session.ended


@given(sizes=st.lists(st.integers(1, 700), min_size=1), lengths=st.lists(st.integers(0, 20000), max_size=4))
def test_however_the_bytes_are_cut_the_same_is_read(contexts: Contexts, sizes: list[int], lengths: list[int]) -> None:
    def cuts() -> Iterator[int]:
        while True:
            yield from sizes

    session, peer = shaken(contexts, sizes=cuts())
    texts = [bytes([at + 1]) * length for at, length in enumerate(lengths)]
    wire = b"".join(said(peer, text) for text in texts if text) + ended(peer)
    assert heard(session, wire, cuts()) == b"".join(texts)
    assert session.ended
    assert session.fault is None


def test_all_records_of_one_read_are_one_piece(contexts: Contexts) -> None:
    session, peer = shaken(contexts)
    session.receive(b"".join(said(peer, b"%d," % number) for number in range(5)))
    assert session.read() == b"0,1,2,3,4,"
    assert session.read() == b""


def test_nothing_is_read_of_a_record_that_is_not_whole(contexts: Contexts) -> None:
    session, peer = shaken(contexts)
    record = said(peer, b"hello")
    for at in range(len(record) - 1):
        session.receive(record[at : at + 1])
        assert session.read() == b""
    session.receive(record[-1:])
    assert session.read() == b"hello"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_comes_before_the_end_is_read_with_it_and_what_follows_is_nothing(
    contexts: Contexts, version: ssl.TLSVersion
) -> None:
    session, peer = shaken(contexts, version)
    session.receive(said(peer, b"last") + ended(peer) + b"\x17\x03\x03\x00\x05hello")
    assert session.read() == b"last"
    assert session.ended
    session.receive(b"more")
    assert session.read() == b""
    assert session.fault is None


@pytest.mark.parametrize("version", VERSIONS)
def test_after_the_peers_end_we_may_go_on(contexts: Contexts, version: ssl.TLSVersion) -> None:
    session, peer = shaken(contexts, version)
    session.receive(ended(peer))
    assert session.read() == b""
    assert session.ended
    session.write(b"still")
    session.end()
    peer.incoming.write(session.take())
    assert peer.object.read(100) == b"still"
    with pytest.raises(ssl.SSLZeroReturnError):  # how the standard library tells it after its own end
        peer.object.read(100)


@pytest.mark.parametrize("version", VERSIONS)
def test_after_our_end_the_peer_may_go_on(contexts: Contexts, version: ssl.TLSVersion) -> None:
    session, peer = shaken(contexts, version)
    session.write(b"last")
    session.end()
    assert spoken(session, peer) == b"last"
    assert peer.read() == b""
    assert heard(session, said(peer, b"still") + said(peer, BIG), single()) == b"still" + BIG
    session.receive(ended(peer))
    assert session.read() == b""
    assert session.ended


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cut", [1, 4, 5, 6, 30, 31, 32, 60, -1])
def test_our_end_throws_nothing_unread_away(contexts: Contexts, version: ssl.TLSVersion, cut: int) -> None:
    session, peer = shaken(contexts, version)
    wire = said(peer, b"one") + said(peer, b"two")
    session.receive(wire[:cut])
    found = session.read() if cut % 2 else b""
    session.end()
    assert spoken(session, peer) == b""
    session.receive(wire[cut:])
    assert found + session.read() == b"onetwo"


def test_to_end_twice_says_it_once(contexts: Contexts) -> None:
    session, _ = shaken(contexts)
    session.take()
    session.end()
    assert session.take()
    session.end()
    assert session.take() == b""


def test_an_end_of_a_session_that_never_was_says_nothing(contexts: Contexts) -> None:
    session = Session(contexts.server, True)
    session.end()
    assert session.take() == b""


def test_to_write_nothing_sends_nothing(contexts: Contexts) -> None:
    session, _ = shaken(contexts)
    session.take()
    session.write(b"")
    assert session.unsent() == 0


def test_a_record_that_cannot_be_read_is_a_fault_after_what_came_before_it(contexts: Contexts) -> None:
    session, peer = shaken(contexts)
    session.take()
    bad = bytearray(said(peer, b"bad"))
    good = b"good"
    other, peer = shaken(contexts)
    other.take()
    other.receive(said(peer, good) + bytes(bad))
    assert other.read() == good
    assert other.fault is not None
    assert other.unsent()  # the alert
    other.receive(b"more")
    assert other.pending() == 0
    assert other.read() == b""
    with pytest.raises(ssl.SSLError):
        other.write(b"more")


def test_what_is_received_and_not_read_is_pending(contexts: Contexts) -> None:
    session, peer = shaken(contexts)
    record = said(peer, b"hello")
    session.receive(record)
    assert session.pending() == len(record)
    session.read()
    assert session.pending() == 0


def test_a_handshake_that_fails_leaves_its_alert_to_take(contexts: Contexts) -> None:
    session = Session(contexts.server, True)
    with pytest.raises(ssl.SSLError):
        session.handshake(b"\x16\x03\x01\x00\x05hello")
    assert session.take()[:1] == b"\x15"


def test_a_client_begins_by_itself_and_says_whom_it_looks_for(contexts: Contexts) -> None:
    session = Session(contexts.clients[VERSIONS[1]], False, "app.test")
    assert not session.handshake(b"")
    assert b"app.test" in session.take()
