"""What a connection above TLS sees of it: a transport like any other, whose halves end by themselves."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from sidecar.transport.flow import FULL_READ
from sidecar.transport.registry import RAW_TUNNEL
from sidecar.transport.secure_state import CLOSED, CLOSING, OPEN
from tests.transport.doubles import VirtualLoop
from tests.transport.secure_ends import BIG, ServerWire


@pytest.fixture(params=[False, True], ids=["TLS 1.3", "TLS 1.2"])
def wire(virtual: VirtualLoop, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServerWire]:
    """An established connection."""
    made = ServerWire(virtual, tmp_path, old=request.param)
    made.accept()
    made.shake()
    made.inner.calls.clear()
    assert made.layer.state == OPEN
    yield made
    if made.layer.state != CLOSED:
        made.lose()


def test_it_is_read_byte_by_byte(wire: ServerWire) -> None:
    wire.say(b"hello", repeat(1))
    assert wire.inner.calls == [("data", b"hello")]


def test_much_comes_in_as_few_calls_as_reads(wire: ServerWire) -> None:
    wire.say(BIG)
    assert wire.inner.calls == [("data", BIG)]
    wire.say(BIG, repeat(1000))
    assert wire.inner.received == BIG + BIG


def test_a_write_is_one_write_below(wire: ServerWire) -> None:
    wire.inner.transport.write(BIG)
    assert len(wire.pipe.writes) <= 3  # two of the handshake
    before = len(wire.pipe.writes)
    wire.inner.transport.writelines([b"head", BIG, b"end"])
    assert len(wire.pipe.writes) == before + 1
    assert wire.hear() == BIG + b"head" + BIG + b"end"


def test_nothing_is_written_where_there_is_nothing_to_write(wire: ServerWire) -> None:
    wire.inner.transport.write(b"x")
    before = len(wire.pipe.writes)
    wire.inner.transport.write(b"")
    wire.inner.transport.writelines([])
    assert len(wire.pipe.writes) == before


def test_an_answer_may_be_written_while_the_question_is_read(wire: ServerWire) -> None:
    wire.inner.on["data"] = lambda data: wire.inner.transport.write(data.upper())
    wire.say(b"hello")
    assert wire.hear() == b"HELLO"


# The end of one half, and of both.


def test_the_peers_end_is_told_after_what_came_before_it(wire: ServerWire) -> None:
    wire.inner.stays_open = True
    wire.peer.object.write(b"last")
    wire.give(wire.peer.outgoing.read() + wire.end())
    assert wire.inner.calls == [("data", b"last"), ("eof",)]
    wire.inner.transport.write(b"still")
    wire.peer.incoming.write(wire.pipe.fresh())
    assert wire.peer.object.read(100) == b"still"
    assert not wire.pipe.closed


def test_the_end_of_tcp_after_that_of_tls_is_nothing_new(wire: ServerWire) -> None:
    wire.inner.stays_open = True
    wire.give(wire.end())
    assert wire.layer.eof_received() is True
    assert wire.inner.names == ["eof"]
    wire.inner.transport.write_eof()
    assert wire.pipe.eof_sent


def test_bytes_after_the_peers_end_are_not_read(wire: ServerWire) -> None:
    wire.inner.stays_open = True
    wire.give(wire.end())
    wire.give(b"\x17\x03\x03\x00\x05hello")
    assert wire.inner.names == ["eof"]


def test_where_nobody_wants_to_go_on_after_the_peers_end_the_connection_closes(wire: ServerWire) -> None:
    wire.give(wire.end())
    assert wire.inner.names == ["eof"]
    assert wire.pipe.closed
    assert not wire.pipe.aborted
    wire.peer.incoming.write(wire.pipe.fresh())
    wire.peer.object.unwrap()  # both have ended
    wire.lose()
    assert wire.inner.names == ["eof", "lost"]


def test_our_half_ends_alone(wire: ServerWire) -> None:
    assert wire.inner.transport.can_write_eof()
    wire.inner.transport.write(b"last")
    wire.inner.transport.write_eof()
    wire.inner.transport.write_eof()
    wire.inner.transport.write(b"never")
    wire.inner.transport.writelines([b"never"])
    assert wire.pipe.eof_sent
    wire.peer.incoming.write(wire.pipe.fresh())
    assert wire.peer.object.read(100) == b"last"
    assert wire.peer.object.read(100) == b""
    assert not wire.inner.transport.is_closing()
    wire.say(b"still")
    assert wire.inner.received == b"still"
    wire.give(wire.end())
    assert wire.inner.names == ["data", "eof"]
    assert wire.pipe.closed


def test_a_close_says_so_and_is_heard_no_more(wire: ServerWire) -> None:
    wire.inner.transport.write(b"last")
    wire.inner.transport.close()
    assert wire.inner.transport.is_closing()
    assert wire.pipe.closed
    assert not wire.pipe.aborted
    wire.say(b"late")
    wire.inner.transport.write(b"late")
    wire.inner.transport.close()
    wire.peer.incoming.write(wire.pipe.fresh())
    assert wire.peer.object.read(100) == b"last"
    assert wire.peer.object.read(100) == b""
    wire.lose()
    assert wire.inner.calls == [("lost", None)]


def test_a_last_answer_and_the_end_are_one_write_below(wire: ServerWire) -> None:
    before = len(wire.pipe.writes)
    wire.inner.transport.cork()
    wire.inner.transport.write(b"head")
    wire.inner.transport.write(b"body")
    assert len(wire.pipe.writes) == before
    wire.inner.transport.close()
    assert len(wire.pipe.writes) == before + 1
    wire.peer.incoming.write(wire.pipe.fresh())
    assert wire.peer.object.read(4) + wire.peer.object.read(4) == b"headbody"
    assert wire.peer.object.read(100) == b""


def test_what_waits_for_a_close_that_does_not_come_goes_out_in_the_next_turn(wire: ServerWire) -> None:
    before = len(wire.pipe.writes)
    wire.inner.transport.cork()
    wire.inner.transport.write(b"still")
    assert len(wire.pipe.writes) == before
    wire.virtual.turn()
    assert wire.hear() == b"still"
    wire.inner.transport.write(b"here")
    assert wire.hear() == b"here"


def test_what_is_cut_does_not_look_ended(wire: ServerWire) -> None:
    wire.inner.transport.write(b"part")
    wire.inner.transport.abort()
    assert wire.pipe.aborted
    assert wire.hear() == b"part"
    with pytest.raises(ssl.SSLWantReadError):
        wire.peer.object.read(1)
    wire.inner.transport.abort()
    wire.lose()
    assert wire.inner.names == ["lost"]


def test_an_end_of_tcp_alone_ends_a_tunnel_as_cut(wire: ServerWire) -> None:
    wire.inner.carried = RAW_TUNNEL
    assert wire.layer.eof_received() is False
    assert wire.inner.calls == [("lost", "TlsFailure")]
    assert wire.pipe.aborted
    wire.lose()
    assert wire.inner.names == ["lost"]


def test_an_end_of_tcp_alone_is_an_end_where_every_message_has_its_length(wire: ServerWire) -> None:
    assert wire.layer.eof_received() is False
    assert wire.inner.names == ["eof"]


def test_an_end_of_tcp_cuts_nothing_off_that_is_closing(wire: ServerWire) -> None:
    wire.inner.carried = RAW_TUNNEL
    wire.inner.transport.write(b"last")
    wire.inner.transport.close()
    assert wire.layer.eof_received() is False
    assert not wire.pipe.aborted


def test_a_reset_is_told_as_it_came(wire: ServerWire) -> None:
    wire.lose(ConnectionResetError())
    assert wire.inner.calls == [("lost", "ConnectionResetError")]
    wire.inner.transport.write(b"late")
    wire.inner.transport.abort()
    assert wire.layer.state == CLOSED


def test_a_record_that_cannot_be_read_ends_the_connection_after_what_came_before_it(wire: ServerWire) -> None:
    wire.peer.object.write(b"good")
    wire.give(wire.peer.outgoing.read() + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert wire.inner.calls == [("data", b"good"), ("lost", "TlsFailure")]
    assert wire.pipe.aborted
    with pytest.raises(ssl.SSLError, match="ALERT_BAD_RECORD_MAC"):
        wire.hear()


# What happens inside a call.


@pytest.mark.parametrize("way", ["close", "abort"])
def test_whoever_ends_it_while_reading_hears_no_more_of_the_same_read(wire: ServerWire, way: str) -> None:
    wire.inner.on["data"] = lambda data: getattr(wire.inner.transport, way)()
    wire.peer.object.write(b"hello")
    wire.give(wire.peer.outgoing.read() + wire.end())
    assert wire.inner.names == ["data"]
    assert wire.layer.state == CLOSING


def test_what_fails_above_is_the_transports_to_end(wire: ServerWire) -> None:
    def fail(data: bytes) -> None:
        raise RuntimeError(data)

    wire.inner.on["data"] = fail
    with pytest.raises(RuntimeError):
        wire.say(b"hello")


# Keeping pace.


def test_a_pause_stops_the_reading_below_and_a_resume_starts_it(wire: ServerWire) -> None:
    wire.inner.transport.pause_reading()
    wire.inner.transport.pause_reading()
    paused = wire.pipe.reading, wire.inner.transport.is_reading()
    assert paused == (False, False)
    wire.inner.transport.resume_reading()
    wire.inner.transport.resume_reading()
    assert wire.pipe.reading
    assert wire.inner.transport.is_reading()


def test_after_a_full_read_the_next_is_in_another_turn(wire: ServerWire) -> None:
    wire.say(bytes(FULL_READ))
    assert not wire.pipe.reading
    wire.virtual.turn(1)
    assert wire.pipe.reading


def test_what_comes_while_paused_is_given_in_a_later_turn_after_the_resume(wire: ServerWire) -> None:
    wire.inner.transport.pause_reading()
    wire.say(b"one")
    wire.say(b"two")
    assert wire.inner.calls == []
    wire.inner.transport.resume_reading()
    assert wire.inner.calls == []
    wire.virtual.turn()
    assert wire.inner.calls == [("data", b"onetwo")]


def test_what_came_while_paused_goes_before_what_comes_after_the_resume(wire: ServerWire) -> None:
    wire.inner.transport.pause_reading()
    wire.say(b"one")
    wire.inner.transport.resume_reading()
    wire.say(b"two")
    assert wire.inner.calls == [("data", b"onetwo")]
    wire.virtual.turn()
    assert wire.inner.names == ["data"]


def test_a_resume_that_is_taken_back_gives_nothing(wire: ServerWire) -> None:
    wire.inner.transport.pause_reading()
    wire.say(b"one")
    wire.inner.transport.resume_reading()
    wire.inner.transport.pause_reading()
    wire.virtual.turn()
    assert wire.inner.calls == []


def test_the_peers_end_waits_for_the_resume_too(wire: ServerWire) -> None:
    wire.inner.on["data"] = lambda data: wire.inner.transport.pause_reading()
    wire.peer.object.write(b"last")
    wire.give(wire.peer.outgoing.read() + wire.end())
    assert wire.inner.names == ["data"]
    wire.inner.transport.resume_reading()
    wire.virtual.turn()
    assert wire.inner.names == ["data", "eof"]


def test_an_end_of_tcp_does_not_overtake_what_came_while_paused(wire: ServerWire) -> None:
    wire.inner.transport.pause_reading()
    wire.peer.object.write(b"last")
    wire.give(wire.peer.outgoing.read() + wire.end())
    wire.inner.transport.resume_reading()
    wire.layer.eof_received()
    assert wire.inner.names == ["data", "eof"]
    wire.virtual.turn()
    assert wire.inner.names == ["data", "eof"]


def test_a_connection_that_is_lost_while_paused_gives_nothing_more(wire: ServerWire) -> None:
    wire.inner.transport.pause_reading()
    wire.say(b"one")
    wire.inner.transport.resume_reading()
    wire.lose()
    wire.virtual.turn()
    assert wire.inner.names == ["lost"]


def test_what_fails_above_in_a_later_turn_ends_the_connection(wire: ServerWire) -> None:
    def fail(data: bytes) -> None:
        raise RuntimeError(data)

    wire.inner.on["data"] = fail
    wire.inner.transport.pause_reading()
    wire.say(b"one")
    wire.inner.transport.resume_reading()
    wire.virtual.turn()
    assert [type(error["exception"]) for error in wire.virtual.errors] == [RuntimeError]
    wire.virtual.errors.clear()
    assert wire.pipe.aborted


def test_nothing_is_written_or_told_after_a_fault_that_came_while_paused(wire: ServerWire) -> None:
    wire.inner.transport.pause_reading()
    wire.give(b"\x17\x03\x03\x00\x20" + bytes(32))
    wire.inner.transport.resume_reading()
    wire.virtual.turn()
    wire.inner.transport.write(b"late")
    assert wire.inner.names == ["lost"]


def test_a_full_buffer_below_is_told_above(wire: ServerWire) -> None:
    wire.layer.pause_writing()
    wire.layer.resume_writing()
    assert wire.inner.names == ["full", "flows"]
    wire.inner.transport.close()
    wire.layer.resume_writing()
    assert wire.inner.names == ["full", "flows", "flows"]


# What the connection asks.


def test_the_transport_below_answers_what_is_asked_of_it(wire: ServerWire) -> None:
    wire.pipe.unsent = 7
    wire.inner.transport.set_write_buffer_limits(high=5)
    assert wire.pipe.high == 5
    assert wire.inner.transport.get_write_buffer_size() == 7
    assert wire.inner.transport.get_extra_info("socket", "none") == "none"


def test_the_session_answers_what_was_agreed(wire: ServerWire) -> None:
    asked = wire.inner.transport.get_extra_info
    assert asked("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
    assert asked("sslcontext") is wire.terms.context
    assert asked("cipher") == asked("ssl_object").cipher()
    assert asked("peercert") is None
    assert asked("server_name") is None
