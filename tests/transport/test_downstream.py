"""The accepted connection as a machine: requests and answers. No socket, virtual time."""
# mypy: no-warn-unreachable
# (after `assert not x.closed` mypy takes x to be open for good)

from __future__ import annotations

import pytest

from sidecar.model.reason import Reason
from sidecar.transport import downstream_state as states
from sidecar.transport.flow import FULL_READ
from sidecar.transport.settings import DownstreamSettings
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from tests.transport.clients import CHUNKS, GET, OK, POST, Client
from tests.transport.doubles import FakeTransport, VirtualLoop, answer


@pytest.fixture
def client(virtual: VirtualLoop) -> Client:
    return Client(virtual)


def test_a_request_is_told_with_its_end_and_answered_in_one_write(client: Client) -> None:
    client.sends(GET % 1)
    assert client.take() == [("request", b"GET /1"), ("request_end", b"")]
    assert (client.counts.active, client.counts.idle) == (1, 0)
    answer(client.stream)
    assert client.transport.writes == [OK]
    assert (client.counts.active, client.counts.idle) == (0, 1)
    assert client.state == states.IDLE


def test_an_answer_inside_request_lets_the_receiver_hear_nothing(virtual: VirtualLoop) -> None:
    client = Client(virtual, answer)
    client.sends(POST + b"0123456789")
    assert client.take() == [("request", b"POST /p")]
    assert client.transport.sent == OK
    assert client.state == states.IDLE


@pytest.mark.parametrize("at", range(1, len(GET % 1 + POST + b"0123456789" + GET % 2)))
def test_pipelined_requests_are_told_alike_at_every_split(virtual: VirtualLoop, at: int) -> None:
    client = Client(virtual)
    data = GET % 1 + POST + b"0123456789" + GET % 2
    client.acceptor.on = {"request_end": lambda _: answer(client.stream)}
    client.sends(data[:at])
    virtual.turn()
    client.sends(data[at:])
    virtual.turn()
    told = client.take()
    assert [call for call in told if call[0] in ("request", "request_end")] == [
        ("request", b"GET /1"),
        ("request_end", b""),
        ("request", b"POST /p"),
        ("request_end", b""),
        ("request", b"GET /2"),
        ("request_end", b""),
    ]
    assert b"".join(call[1] for call in told if call[0] == "request_data") == b"0123456789"
    assert client.transport.sent == OK * 3


def test_a_pipelined_request_waits_for_the_answer_before_it(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1 + GET % 2)
    assert client.take() == [("request", b"GET /1"), ("request_end", b"")]
    answer(client.stream)
    assert client.take() == [], "the next receiver is not called inside send_end"
    virtual.turn()
    assert client.take() == [("request", b"GET /2"), ("request_end", b"")]


def test_hundreds_of_pipelined_requests_take_a_turn_each_and_do_not_nest(virtual: VirtualLoop) -> None:
    client = Client(virtual, answer)
    client.sends(b"".join(GET % number for number in range(3000)))
    assert client.transport.sent == OK
    virtual.turn(3000)
    assert client.transport.sent == OK * 3000


def test_reading_stops_while_too_much_is_pipelined(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    client.sends(b"x" * 60000)
    assert client.transport.reading
    client.sends(b"x" * 10000)
    assert not client.transport.reading
    answer(client.stream)
    assert not client.transport.reading
    virtual.turn()
    assert client.take()[-1] == ("refuse", Reason.HEADERS_TOO_LARGE)
    assert client.transport.reading


def test_after_a_full_read_the_next_is_in_another_turn(client: Client, virtual: VirtualLoop) -> None:
    client.sends(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (2 * FULL_READ))
    client.sends(bytes(FULL_READ))
    assert not client.transport.reading
    virtual.turn(1)
    assert client.transport.reading
    client.sends(bytes(FULL_READ - 1))
    assert client.transport.reading


def test_what_is_answered_at_once_is_not_read_faster_than_it_is_answered(virtual: VirtualLoop) -> None:
    client = Client(virtual, answer)
    for _ in range(5):
        client.sends(GET % 1 * 1000)
    assert not client.transport.reading
    assert client.transport.sent == OK
    virtual.turn(5000)
    assert client.transport.sent == OK * 5000
    assert client.transport.reading


def test_a_body_is_told_in_pieces_with_its_trailers(client: Client) -> None:
    client.sends(CHUNKS + b"3\r\nabc\r\n")
    client.sends(b"2\r\nde\r\n0\r\nX-T: 1\r\n\r\n")
    assert client.take() == [
        ("request", b"POST /c"),
        ("request_data", b"abc"),
        ("request_data", b"de"),
        ("request_end", b"X-T: 1\r\n"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET /\r\n\r\n", Reason.BAD_REQUEST),
        (b"GET /" + b"x" * 600 + b" HTTP/1.1\r\nHost: h\r\n\r\n", Reason.URI_TOO_LONG),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 3000 + b"\r\n\r\n", Reason.HEADERS_TOO_LARGE),
    ],
)
def test_an_unacceptable_head_is_refused_and_the_rest_read_away(client: Client, data: bytes, reason: Reason) -> None:
    client.sends(data)
    assert client.take() == [("refuse", reason)]
    assert client.state == states.LINGER
    assert client.transport.eof_sent
    assert not client.transport.closed
    client.sends(b"more")
    client.connection.eof_received()
    assert client.transport.closed
    assert not client.transport.aborted


def test_a_refusal_that_nobody_answers_cuts(client: Client) -> None:
    client.acceptor.answers_refusals = False
    client.sends(b"\0\0\0\0")
    assert client.transport.aborted


def test_a_body_above_the_cap_is_told_at_once_by_its_length(virtual: VirtualLoop) -> None:
    client = Client(virtual, settings=DownstreamSettings(max_body_bytes=9))
    client.sends(POST)
    assert client.take() == [("request", b"POST /p"), ("request_broken", Reason.BODY_TOO_LARGE)]
    answer(client.stream, b"big", 413, close=True)
    assert client.state == states.LINGER
    client.sends(b"0123456789")
    assert client.take() == []


def test_a_body_as_large_as_the_cap_passes(virtual: VirtualLoop) -> None:
    client = Client(virtual, settings=DownstreamSettings(max_body_bytes=10))
    client.sends(POST + b"0123456789")
    assert client.take()[-1] == ("request_end", b"")


def test_a_chunked_body_above_the_cap_is_told_when_it_gets_there(virtual: VirtualLoop) -> None:
    client = Client(virtual, settings=DownstreamSettings(max_body_bytes=5))
    client.sends(CHUNKS + b"3\r\nabc\r\n")
    client.sends(b"3\r\nabc\r\n")
    assert client.take()[-2:] == [("request_data", b"abc"), ("request_broken", Reason.BODY_TOO_LARGE)]


def test_a_bad_chunk_breaks_the_request_but_not_its_answer(client: Client) -> None:
    client.sends(CHUNKS)
    client.sends(b"zz\r\n")
    assert client.take()[-1] == ("request_broken", Reason.BAD_REQUEST)
    answer(client.stream, b"bad", 400)
    assert client.transport.sent.endswith(b"bad")
    assert client.state == states.LINGER


def test_an_answer_before_the_end_of_the_request_closes_gently(client: Client, virtual: VirtualLoop) -> None:
    client.sends(POST + b"01234")
    answer(client.stream)
    assert client.transport.sent == OK
    assert (client.transport.eof_sent, client.transport.closed) == (True, False)
    client.sends(b"56789")
    virtual.advance(1.9)
    assert not client.transport.closed
    virtual.advance(0.2)
    assert client.transport.closed
    assert not client.transport.aborted


def test_what_is_read_away_is_bounded(client: Client) -> None:
    client.sends(POST)
    answer(client.stream)
    for _ in range(4):
        client.sends(b"x" * 65536)
    assert not client.transport.closed
    client.sends(b"x")
    assert client.transport.closed


def test_a_flood_after_a_broken_body_stops_the_reading(client: Client) -> None:
    client.sends(CHUNKS + b"zz\r\n")
    client.sends(b"x" * 262145)
    assert not client.transport.reading


def test_the_last_answer_waits_for_unread_requests_to_be_read_away(client: Client) -> None:
    client.sends(GET % 1 + GET % 2)
    answer(client.stream, close=True)
    assert client.state == states.LINGER


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_connection_is_kept_only_if_the_request_lets_it(client: Client, version: bytes) -> None:
    client.sends(b"GET / HTTP/%b\r\nHost: h\r\n%b\r\n" % (version, b"Connection: close\r\n" * (version == b"1.1")))
    answer(client.stream)
    assert client.transport.closed
    assert not client.transport.eof_sent


# Framing of the answer.


def test_chunk_framing_is_added(client: Client) -> None:
    client.sends(GET % 1)
    client.stream.send_head(b"H\r\n\r\n", CHUNKED, False, True)
    client.stream.send_data(b"abc")
    client.stream.send_data(b"")
    client.stream.send_data(b"x" * 20000)
    client.stream.send_end(b"T: 1\r\n")
    assert client.transport.sent == b"H\r\n\r\n3\r\nabc\r\n4e20\r\n" + b"x" * 20000 + b"\r\n0\r\nT: 1\r\n\r\n"
    assert client.state == states.IDLE


def test_a_body_until_close_closes(client: Client) -> None:
    client.sends(GET % 1)
    client.stream.send_head(b"H\r\n\r\n", UNTIL_CLOSE, False)
    client.stream.send_data(b"abc")
    client.stream.send_end()
    assert client.transport.sent == b"H\r\n\r\nabc"
    assert client.transport.closed


@pytest.mark.parametrize("length", [-1, 3])
def test_an_answer_shorter_than_its_length_is_cut(client: Client, length: int) -> None:
    client.sends(GET % 1)
    client.take()
    client.stream.send_head(b"H\r\nContent-Length: 3\r\n\r\n", LENGTH, False, length=length)
    client.stream.send_data(b"ab")
    client.stream.send_end()
    assert client.transport.aborted
    client.gone()
    assert client.take() == []


@pytest.mark.parametrize("framing", [LENGTH, NO_BODY])
def test_an_answer_longer_than_announced_is_cut_and_told_later(client: Client, framing: int) -> None:
    client.sends(GET % 1)
    client.take()
    client.stream.send_head(b"H\r\nContent-Length: 3\r\n\r\n", framing, False)
    client.stream.send_data(b"abcd")
    assert client.transport.aborted
    assert b"abcd" not in client.transport.sent
    assert client.take() == []
    client.gone()
    assert client.take() == [("downstream_gone",)]


def test_an_end_without_a_head_is_cut(client: Client) -> None:
    client.sends(GET % 1)
    client.stream.send_end()
    assert client.transport.aborted
    assert client.transport.sent == b""


def test_interim_heads_go_out_at_once(client: Client) -> None:
    client.sends(GET % 1)
    client.stream.send_informational(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    answer(client.stream)
    assert client.transport.writes == [b"HTTP/1.1 103 Early Hints\r\n\r\n", OK]


def test_reset_cuts_and_tells_nothing(client: Client) -> None:
    client.sends(GET % 1)
    client.take()
    client.stream.reset()
    client.gone()
    assert client.transport.aborted
    assert client.take() == []
    client.stream.send_data(b"late")
    client.stream.send_end()
    client.stream.pause()
    client.stream.resume()
    assert client.transport.sent == b""


@pytest.mark.parametrize(("came", "follows"), [(b"", False), (b"body", True), (b"bo", True)])
def test_a_stream_says_whether_body_follows_at_once(virtual: VirtualLoop, came: bytes, follows: bool) -> None:
    seen: list[bool] = []
    client = Client(virtual, on_request=lambda stream: seen.append(stream.more))
    client.sends(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n" + came)
    assert seen == [follows]
    assert client.connection.more is False


class Corking(FakeTransport):
    """A transport that can wait for the end of an answer, as TLS can."""

    def cork(self) -> None:
        self.calls.append(("cork", self.sent))


@pytest.mark.parametrize("close", [True, False])
def test_only_the_last_piece_of_a_last_answer_waits_for_the_end_of_tls(virtual: VirtualLoop, close: bool) -> None:
    client = Client(virtual, transport=Corking())
    client.sends(GET % 1)
    client.stream.send_head(OK[:-2], LENGTH, close, hold=True, length=2)
    client.stream.send_data(b"o")
    assert client.transport.calls == []
    client.stream.send_data(b"k")
    assert client.transport.calls == ([("cork", OK[:-1])] if close else [])
    client.stream.send_end()
    assert client.transport.closed is close
    assert client.transport.sent == OK
    client.transport.abort()
    client.gone()
