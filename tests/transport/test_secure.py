"""An accepted connection's handshake: what comes of it, how long it may take, and what becomes of those that fail."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from itertools import cycle, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.transport.arrival import Announced
from sidecar.transport.registry import NOTHING
from sidecar.transport.secure_state import HANDSHAKE
from tests.doubles.certificates import root
from tests.transport.doubles import VirtualLoop
from tests.transport.secure_ends import BIG, ServerWire

OLD = pytest.mark.parametrize("old", [False, True], ids=["TLS 1.3", "TLS 1.2"])


@pytest.fixture
def wire(virtual: VirtualLoop, tmp_path: Path) -> ServerWire:
    """A connection that is accepted, and has not begun."""
    made = ServerWire(virtual, tmp_path)
    made.accept()
    return made


def hello(wire: ServerWire) -> bytes:
    wire.peer.step()
    return wire.peer.outgoing.read()


# An accepted connection.


@OLD
def test_whoever_is_above_stands_when_the_handshake_is_complete(
    virtual: VirtualLoop, tmp_path: Path, old: bool
) -> None:
    wire = ServerWire(virtual, tmp_path, old=old)
    wire.accept()
    assert wire.inner.calls == []
    wire.shake()
    assert wire.inner.names == ["made"]
    assert wire.observed.results == ["ok"]
    wire.say(b"hello")
    assert wire.inner.received == b"hello"
    wire.inner.transport.write(b"welcome")
    assert wire.hear() == b"welcome"


@OLD
def test_a_handshake_may_come_byte_by_byte(virtual: VirtualLoop, tmp_path: Path, old: bool) -> None:
    wire = ServerWire(virtual, tmp_path, old=old)
    wire.accept()
    wire.shake(repeat(1))
    wire.say(BIG, cycle([1, 7, 1000]))
    assert wire.inner.received == BIG


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as path:
        yield Path(path)


@given(sizes=st.lists(st.integers(1, 600), min_size=1), old=st.booleans(), early=st.binary(min_size=1, max_size=40))
def test_however_the_bytes_are_cut_the_request_arrives_after_the_handshake(
    folder: Path, sizes: list[int], old: bool, early: bytes
) -> None:
    loop = VirtualLoop()
    try:
        wire = ServerWire(loop, folder, old=old)
        wire.accept()
        cuts = cycle(sizes)
        wire.give(hello(wire), cuts)
        while not wire.peer.step():
            wire.give(wire.peer.outgoing.read(), cuts)
            wire.peer.incoming.write(wire.pipe.fresh())
        # The end of the handshake and the first request come together, as clients send them.
        wire.peer.object.write(early)
        wire.give(wire.peer.outgoing.read() + wire.end(), cuts)
        assert wire.inner.received == early
        assert wire.inner.names[0] == "made"
        assert wire.inner.names[-1] == "eof"
        wire.lose()
        wire.wheel.close()
    finally:
        loop.close()


def test_a_client_that_comes_back_resumes(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path)
    wire.accept()
    wire.shake()
    wire.inner.transport.write(b"x")
    assert wire.hear() == b"x"
    again = ServerWire(virtual, tmp_path)
    again.peer.object = wire.peer.object.context.wrap_bio(
        again.peer.incoming, again.peer.outgoing, server_hostname="localhost", session=wire.peer.object.session
    )
    again.terms.context = wire.terms.context
    again.accept()
    again.shake()
    assert again.observed.results == ["resumed"]


def test_the_ticket_goes_with_the_answer(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path)
    wire.accept()
    wire.shake()
    assert len(wire.pipe.writes) == 1
    wire.inner.transport.write(b"x")
    assert len(wire.pipe.writes) == 2
    assert wire.hear() == b"x"
    assert wire.peer.object.session is not None


def test_an_answer_may_be_given_as_soon_as_it_stands(wire: ServerWire) -> None:
    def refuse() -> None:
        wire.inner.transport.write(b"no")
        wire.inner.transport.close()

    wire.inner.on["made"] = refuse
    wire.shake()
    assert wire.hear() == b"no"
    assert wire.pipe.closed
    assert wire.inner.names == ["made"]


def test_what_came_with_the_handshake_waits_where_reading_is_paused_at_once(wire: ServerWire) -> None:
    def pause() -> None:
        wire.inner.transport.pause_reading()

    wire.inner.on["made"] = pause
    wire.give(hello(wire))
    wire.peer.incoming.write(wire.pipe.fresh())
    assert wire.peer.step()
    wire.say(b"early")
    assert wire.inner.names == ["made"]
    wire.inner.transport.resume_reading()
    wire.virtual.turn()
    assert wire.inner.received == b"early"


def test_a_name_that_is_asked_for_is_told_where_it_chooses(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path, credentials={"strict_sni": True})
    wire.accept()
    wire.shake()
    assert wire.inner.transport.get_extra_info("server_name") == "localhost"


# It counts from the accept on.


def test_a_connection_is_counted_from_its_accept_and_replaced_without_a_gap(wire: ServerWire) -> None:
    sizes = []
    wire.inner.on["made"] = lambda: sizes.append(wire.counted())
    assert wire.counted() == (1, 1, 1)
    wire.shake()
    assert sizes == [(1, 1, 1)]  # the layer, while whoever is above registers
    assert wire.counted() == (0, 0, 0)


def test_one_handshake_too_many_is_cut_and_counted(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path, max_handshakes=1)
    wire.terms.handshakes = 1
    wire.accept()
    assert wire.pipe.aborted
    assert wire.observed.results == ["too_many"]
    wire.lose()
    assert wire.counted() == (0, 0, 1)
    assert wire.inner.calls == []


def test_a_handshake_that_takes_too_long_is_cut(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path, handshake_timeout=3.0)
    wire.accept()
    wire.give(hello(wire)[:20])
    virtual.advance(2.9)
    assert wire.pipe.reading
    assert wire.observed.results == []
    virtual.advance(0.2)
    assert wire.pipe.aborted
    assert wire.observed.results == ["timeout"]
    assert wire.counted() == (0, 0, 0)


def test_time_does_not_run_after_the_handshake(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path, handshake_timeout=3.0)
    wire.accept()
    wire.shake()
    virtual.advance(10.0)
    assert not wire.pipe.closed
    assert wire.wheel.timers() == 0


# It can be ended.


def test_one_that_is_to_close_when_idle_has_a_moment_to_begin(wire: ServerWire) -> None:
    wire.service.registry.close_idle()
    wire.virtual.advance(0.9)
    assert wire.counted() == (1, 1, 1)
    wire.virtual.advance(0.2)
    assert wire.pipe.aborted
    assert wire.counted() == (0, 0, 0)
    assert wire.observed.results == []


def test_one_that_has_waited_long_closes_at_once(wire: ServerWire) -> None:
    wire.virtual.advance(2.0)
    wire.service.registry.close_idle()
    assert wire.pipe.aborted


def test_one_in_the_middle_of_its_handshake_has_a_moment_to_end_it(wire: ServerWire) -> None:
    wire.virtual.advance(2.0)
    first = hello(wire)
    wire.give(first[:20])
    wire.service.registry.close_idle()
    assert not wire.pipe.closed
    wire.give(first[20:])
    wire.peer.incoming.write(wire.pipe.fresh())
    wire.shake()
    assert wire.inner.names == ["made"]
    assert wire.service.registry.leaving  # which whoever is above has seen


def test_one_that_is_accepted_while_leaving_has_its_moment_too(virtual: VirtualLoop, tmp_path: Path) -> None:
    wire = ServerWire(virtual, tmp_path)
    wire.service.registry.leaving = True
    wire.accept()
    virtual.advance(0.5)
    wire.give(hello(wire)[:20])
    virtual.advance(0.6)
    assert wire.pipe.aborted
    assert wire.observed.results == ["timeout"]


@pytest.mark.parametrize("way", ["end_now", "abort"])
def test_a_handshake_can_be_cut(wire: ServerWire, way: str) -> None:
    assert wire.layer.carries() == NOTHING
    wire.layer.leave_websocket()
    wire.give(hello(wire)[:20])
    assert not getattr(wire.layer, way)()
    assert wire.pipe.aborted
    assert wire.counted() == (0, 0, 0)
    wire.give(b"late")
    wire.lose()
    assert wire.inner.calls == []
    assert wire.observed.results == []


def test_a_handshake_that_does_not_end_gives_way(wire: ServerWire, virtual: VirtualLoop) -> None:
    wire.give(hello(wire)[:20])
    virtual.advance(2)
    assert wire.layer.waits() == (False, 0.0)
    assert wire.layer.give_way()
    assert wire.pipe.aborted
    assert wire.counted() == (0, 0, 0)
    assert wire.observed.results == ["timeout"]


def test_a_handshake_whose_next_bytes_lie_unread_gives_no_way(wire: ServerWire) -> None:
    wire.give(hello(wire)[:20])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.pipe.get_extra_info = lambda name, default=None: ours if name == "socket" else default  # type: ignore[method-assign]
        theirs.send(b"more")
        assert not wire.layer.give_way()
    assert (wire.observed.results, wire.pipe.aborted) == ([], False)


# Handshakes that fail.


@pytest.mark.parametrize("end", ["eof_received", "connection_lost"])
def test_a_client_that_leaves_in_the_middle_is_counted_and_told(
    wire: ServerWire, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire.give(hello(wire)[:20])
    if end == "eof_received":
        assert wire.layer.eof_received() is False
    wire.lose(ConnectionResetError() if end == "connection_lost" else None)
    assert wire.observed.results == ["left"]
    assert wire.inner.calls == []
    assert wire.counted() == (0, 0, 0)
    assert "listener public: no TLS with a unix socket: the client left before" in caplog.text


def test_a_client_that_says_nothing_and_leaves_is_not_worth_a_line(
    wire: ServerWire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.layer.eof_received()
    assert wire.observed.results == ["left"]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"old": True, "credentials": {"min_version": "1.3"}}, "protocol_version"),
        ({"name": "other.test", "credentials": {"strict_sni": True}}, "unknown_name"),
        ({"credentials": {"client_ca": "ca"}}, "client_certificate_missing"),
    ],
)
def test_a_handshake_that_fails_is_told_to_the_client_counted_and_logged(
    virtual: VirtualLoop, tmp_path: Path, options: dict[str, Any], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    if "client_ca" in options["credentials"]:
        options["credentials"]["client_ca"] = root().write(tmp_path, "client-ca")
    wire = ServerWire(virtual, tmp_path, **options)
    wire.inner.announced = Announced("192.0.2.7", 1, "192.0.2.1", 2)  # type: ignore[assignment]
    wire.accept()
    with pytest.raises(ssl.SSLError, match=r"ALERT|UNRECOGNIZED_NAME"):
        wire.shake_and_hear()
    assert wire.observed.results == [word]
    assert wire.pipe.closed
    assert not wire.pipe.aborted  # the client is to read why
    assert wire.inner.calls == []
    assert wire.counted() == (0, 0, 0)
    assert "no TLS with 192.0.2.7: the client " in caplog.text
    assert caplog.records[0].name == "sidecar.tls"
    assert caplog.records[0].levelno == logging.WARNING


def test_a_client_that_does_not_read_its_alert_is_not_waited_for(wire: ServerWire) -> None:
    wire.pipe.unsent = 7
    wire.give(b"\x16\x03\x01\x00\x05hello")
    assert wire.pipe.aborted
    assert wire.observed.results == ["failed"]


def test_ten_failures_are_logged_in_a_second(
    virtual: VirtualLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = ServerWire(virtual, tmp_path)
    for _ in range(12):
        wire = ServerWire(virtual, tmp_path)
        wire.service.tls = wire.terms = first.terms
        wire.accept()
        wire.give(b"\x16\x03\x01\x00\x05hello")
    assert len(first.observed.results) == 12
    assert 10 <= len(caplog.records) <= 12


def test_nothing_is_heard_above_while_the_handshake_lasts(wire: ServerWire) -> None:
    wire.layer.pause_writing()
    wire.layer.resume_writing()
    wire.layer.pause_reading()
    wire.layer.resume_reading()
    wire.layer.write(b"early")
    assert wire.layer.state == HANDSHAKE
    assert wire.pipe.sent == b""
    assert wire.inner.calls == []
    wire.layer.close()
    assert wire.pipe.closed
