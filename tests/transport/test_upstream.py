"""The connection to an endpoint as a machine: strict answers, safe reuse, honest causes. No socket, virtual time."""
# mypy: no-warn-unreachable
# (after `assert not x.closed` mypy takes x to be open for good)

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.outcome import Cause
from sidecar.transport import upstream_state as states
from sidecar.transport.upstream import Home, UpstreamConnection
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, HeadLimits
from tests.transport.doubles import Calls, FakeTransport, ResponseEar, VirtualLoop

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OPEN_END = b"HTTP/1.1 200 OK\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Y\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
WHOLE = [("response_head", 200, True), ("response_data", b"ok"), ("give_back",), ("response_end", b"")]


class Attempt(Home):
    """One connection, leased, with a home and an ear that write into one list."""

    def __init__(self, loop: VirtualLoop, reused: bool = False, **on: Any) -> None:
        self.loop = loop
        self.calls: Calls = []
        self.transport = FakeTransport()
        self.connection = UpstreamConnection(self, DeadlineWheel(loop, loop.time), HeadLimits(4096, 50, 512), 0.0)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]
        self.connection.reused = reused
        self.connection.state = states.LEASED
        self.on = on

    def give_back(self, _: UpstreamConnection) -> None:
        self.calls.append(("give_back",))

    def lost(self, _: UpstreamConnection, leased: bool) -> None:
        self.calls.append(("lost", leased))

    def aged(self, _: UpstreamConnection) -> None:
        self.calls.append(("aged",))

    def start(
        self, head: bytes = REQUEST, framing: int = NO_BODY, more: bool = False, method: bytes = b"GET"
    ) -> UpstreamConnection:
        self.connection.start(ResponseEar(self.calls, **self.on), method, head, framing, more)
        return self.connection

    def gets(self, data: bytes) -> None:
        self.connection.data_received(data)

    def take(self) -> Calls:
        taken = self.calls[:]
        self.calls.clear()
        return taken


@pytest.fixture
def attempt(virtual: VirtualLoop) -> Attempt:
    return Attempt(virtual)


def test_a_whole_answer_is_told_after_the_connection_is_given_back(attempt: Attempt) -> None:
    attempt.start()
    assert attempt.transport.sent == REQUEST
    attempt.gets(OK)
    assert attempt.take() == WHOLE
    assert attempt.connection.reused
    assert attempt.connection.state == states.IDLE


@pytest.mark.parametrize("at", range(1, len(OK)))
def test_an_answer_is_the_same_at_every_split(attempt: Attempt, at: int) -> None:
    attempt.start()
    attempt.gets(OK[:at])
    attempt.gets(OK[at:])
    told = attempt.take()
    assert b"".join(call[1] for call in told if call[0] == "response_data") == b"ok"
    assert told[0][:2] == ("response_head", 200)
    assert told[-2:] == [("give_back",), ("response_end", b"")]


def test_more_is_only_promised_when_it_comes(attempt: Attempt) -> None:
    attempt.start()
    attempt.gets(CHUNKS + b"2")
    assert attempt.take() == [("response_head", 200, False)]
    attempt.gets(b"\r\nok\r\n0\r\nT: 1\r\n\r\n")
    assert attempt.take() == [("response_data", b"ok"), ("give_back",), ("response_end", b"T: 1\r\n")]


@pytest.mark.parametrize(
    ("answer", "method"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"GET"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"GET"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"HEAD"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"GET"),
    ],
)
def test_an_answer_without_a_body_ends_with_its_head(attempt: Attempt, answer: bytes, method: bytes) -> None:
    attempt.start(method=method)
    attempt.gets(answer)
    told = attempt.take()
    assert told[0][2] is True
    assert told[1:] == [("give_back",), ("response_end", b"")]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\n",
        CHUNKS + b"2\r\nok\r\n0\r\n\r\nx",
    ],
)
def test_a_connection_that_may_not_be_used_again_is_closed_before_the_end_is_told(
    attempt: Attempt, answer: bytes
) -> None:
    attempt.start()
    attempt.gets(answer)
    assert attempt.take()[-2:] == [("lost", True), ("response_end", b"")]
    assert attempt.transport.closed


def test_bytes_after_an_answer_in_pieces_close_the_connection(attempt: Attempt) -> None:
    attempt.start()
    attempt.gets(OK[:-1])
    attempt.gets(b"kx")
    assert attempt.take()[-3:] == [("response_data", b"k"), ("lost", True), ("response_end", b"")]


def test_an_answer_until_close_ends_with_fin(attempt: Attempt) -> None:
    attempt.start()
    attempt.gets(OPEN_END + b"ab")
    attempt.gets(b"cd")
    attempt.connection.eof_received()
    assert attempt.take() == [
        ("response_head", 200, True),
        ("response_data", b"ab"),
        ("response_data", b"cd"),
        ("lost", True),
        ("response_end", b""),
    ]


def test_an_answer_until_close_does_not_end_with_rst(attempt: Attempt) -> None:
    attempt.start()
    attempt.gets(OPEN_END + b"ab")
    attempt.connection.connection_lost(ConnectionResetError())
    assert attempt.take()[-2:] == [("lost", True), ("upstream_failed", Cause.RESET)]


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize(
    ("reused", "answer", "cause"),
    [
        (False, b"", Cause.RESET),
        (True, b"", Cause.STALE),
        (True, b"H", Cause.RESET),
        (True, b"HTTP/1.1 100 Continue\r\n\r\n", Cause.RESET),
        (True, OK[:-1], Cause.RESET),
        (True, CHUNKS + b"2\r\nok\r\n", Cause.RESET),
    ],
)
def test_an_answer_cut_short_fails_with_its_cause(
    virtual: VirtualLoop, end: str, reused: bool, answer: bytes, cause: Cause
) -> None:
    attempt = Attempt(virtual, reused)
    attempt.start()
    if answer:
        attempt.gets(answer)
    if end == "fin":
        assert attempt.connection.eof_received() is False
    attempt.connection.connection_lost(ConnectionResetError() if end == "rst" else None)
    assert attempt.take()[-2:] == [("lost", True), ("upstream_failed", cause)]


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", CHUNKS + b"zz\r\n", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n"])
def test_a_bad_answer_fails_before_its_head_is_told(attempt: Attempt, answer: bytes) -> None:
    attempt.start()
    attempt.gets(answer)
    assert attempt.take() == [("lost", True), ("upstream_failed", Cause.PROTOCOL_ERROR)]
    assert attempt.transport.closed


def test_a_bad_chunk_later_fails_the_attempt(attempt: Attempt) -> None:
    attempt.start()
    attempt.gets(CHUNKS)
    attempt.gets(b"zz\r\n")
    assert attempt.take()[-1] == ("upstream_failed", Cause.PROTOCOL_ERROR)


def test_interim_answers_come_before_the_final_one(attempt: Attempt) -> None:
    attempt.start()
    attempt.gets(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert attempt.take() == [("response_head", 103, False), ("response_head", 100, False), *WHOLE]


def test_interim_answers_are_bounded(attempt: Attempt) -> None:
    attempt.start()
    for _ in range(32):
        attempt.gets(b"HTTP/1.1 103 Early\r\n\r\n")
    attempt.take()
    attempt.gets(b"HTTP/1.1 103 Early\r\n\r\n")
    assert attempt.take() == [("lost", True), ("upstream_failed", Cause.PROTOCOL_ERROR)]


# The request.


def test_the_head_waits_for_the_data_that_was_promised(attempt: Attempt) -> None:
    stream = attempt.start(b"H\r\nContent-Length: 2\r\n\r\n", LENGTH, more=True)
    assert attempt.transport.writes == []
    stream.send_data(b"ab")
    stream.send_end()
    assert attempt.transport.writes == [b"H\r\nContent-Length: 2\r\n\r\nab"]
    attempt.gets(OK)
    assert attempt.take() == WHOLE


def test_an_early_answer_is_told_at_once_and_ends_the_connection(attempt: Attempt) -> None:
    stream = attempt.start(b"H\r\n\r\n", CHUNKED)
    stream.send_data(b"ab")
    attempt.gets(OK[:-2])
    assert attempt.take() == [("response_head", 200, False)]
    stream.send_data(b"cd")
    attempt.gets(b"ok")
    assert attempt.take() == [("response_data", b"ok"), ("lost", True), ("response_end", b"")]
    stream.send_data(b"late")
    stream.send_end()
    assert not attempt.transport.sent.endswith(b"late\r\n")


def test_a_request_ended_while_it_is_answered_leaves_the_connection_usable(attempt: Attempt) -> None:
    stream = attempt.start(b"H\r\n\r\n", CHUNKED)
    attempt.gets(OK[:-2])
    stream.send_end()
    attempt.gets(b"ok")
    assert ("give_back",) in attempt.take()


@pytest.mark.parametrize("body", [b"abc", b"a"])
def test_a_request_that_belies_its_length_never_looks_complete(virtual: VirtualLoop, body: bytes) -> None:
    attempt = Attempt(virtual, reused=True)
    stream = attempt.start(b"H\r\nContent-Length: 2\r\n\r\n", LENGTH)
    stream.send_data(body)
    stream.send_end()
    assert attempt.transport.aborted
    assert attempt.take() == []
    attempt.connection.connection_lost(None)
    assert attempt.take() == [("lost", True), ("upstream_failed", Cause.RESET)]


def test_cancel_closes_and_tells_nothing(attempt: Attempt) -> None:
    stream = attempt.start()
    stream.cancel()
    stream.cancel()
    attempt.gets(OK)
    attempt.connection.connection_lost(None)
    assert attempt.take() == [("lost", True)]
    assert attempt.transport.aborted


@pytest.mark.parametrize("when", ["response_head", "response_data"])
@pytest.mark.parametrize("answer", [OK, CHUNKS + b"2\r\nok\r\n0\r\n\r\n"])
def test_cancel_inside_a_call_is_the_last_that_is_heard(attempt: Attempt, when: str, answer: bytes) -> None:
    attempt.on[when] = lambda *_: attempt.connection.cancel()
    attempt.start()
    attempt.gets(answer)
    told = attempt.take()
    assert told[-2][0] == when
    assert told[-1] == ("lost", True)


def test_a_connection_that_died_before_start_says_so_later(virtual: VirtualLoop) -> None:
    attempt = Attempt(virtual, reused=True)
    attempt.connection.eof_received()
    assert attempt.take() == [("lost", True)]
    attempt.start()
    assert attempt.take() == []
    virtual.turn()
    assert attempt.take() == [("upstream_failed", Cause.STALE)]


def test_a_dead_connection_cancelled_before_it_says_so_is_silent(virtual: VirtualLoop) -> None:
    attempt = Attempt(virtual, reused=True)
    attempt.connection.eof_received()
    attempt.start().cancel()
    virtual.turn()
    assert attempt.take() == [("lost", True)]


@pytest.mark.parametrize("event", ["bytes", "fin", "rst"])
def test_anything_on_an_idle_connection_closes_it(attempt: Attempt, event: str) -> None:
    attempt.start()
    attempt.gets(OK)
    attempt.take()
    if event == "bytes":
        attempt.gets(b"HTTP/1.1 408 Slow\r\n\r\n")
    elif event == "fin":
        attempt.connection.eof_received()
    else:
        attempt.connection.connection_lost(ConnectionResetError())
    assert attempt.take() == [("lost", False)]
    assert attempt.transport.closed


def test_anything_on_a_leased_connection_closes_it_too(attempt: Attempt) -> None:
    attempt.connection.state = states.LEASED
    attempt.gets(OK)
    assert attempt.take() == [("lost", True)]


# Pace.


def test_pause_and_resume_are_idempotent_and_end_with_the_attempt(attempt: Attempt) -> None:
    stream = attempt.start()
    attempt.gets(OK[:-1])
    stream.pause()
    stream.pause()
    assert not attempt.transport.reading
    attempt.gets(b"k")
    assert attempt.transport.reading, "an idle connection must notice its end"
    stream.pause()
    assert attempt.transport.reading


def test_an_endpoint_that_does_not_keep_up_is_told_in_the_next_turn(attempt: Attempt, virtual: VirtualLoop) -> None:
    attempt.start(b"H\r\n\r\n", CHUNKED)
    attempt.connection.pause_writing()
    assert attempt.take() == []
    virtual.turn()
    assert attempt.take() == [("upstream_paused",)]
    attempt.connection.resume_writing()
    assert attempt.take() == [("upstream_resumed",)]
    attempt.connection.pause_writing()
    attempt.connection.resume_writing()
    virtual.turn()
    assert attempt.take() == []


# Tunnels.


def test_101_makes_a_tunnel_with_its_early_bytes(attempt: Attempt) -> None:
    stream = attempt.start(UPGRADE)
    attempt.gets(SWITCH + b"early")
    assert attempt.take() == [("response_head", 101, True), ("response_data", b"early")]
    stream.send_data(b"up")
    assert attempt.transport.sent == UPGRADE + b"up"


@pytest.mark.parametrize("head", [REQUEST, b"H\r\nUpgrade: x\r\n\r\n"])
def test_101_that_was_not_asked_for_is_an_error(attempt: Attempt, head: bytes) -> None:
    attempt.start(head, NO_BODY if head is REQUEST else CHUNKED)
    attempt.gets(SWITCH)
    assert attempt.take() == [("lost", True), ("upstream_failed", Cause.PROTOCOL_ERROR)]


def test_a_tunnel_passes_half_closes_on_in_either_order(virtual: VirtualLoop) -> None:
    attempt = Attempt(virtual)
    stream = attempt.start(UPGRADE)
    attempt.gets(SWITCH)
    attempt.take()
    assert attempt.connection.eof_received() is True
    assert attempt.take() == [("response_end", b"")]
    stream.send_data(b"still")
    stream.send_end()
    assert attempt.take() == [("lost", True)]
    assert attempt.transport.closed

    attempt = Attempt(virtual)
    stream = attempt.start(UPGRADE)
    attempt.gets(SWITCH)
    attempt.take()
    stream.send_end()
    assert attempt.transport.eof_sent
    attempt.gets(b"still")
    assert attempt.connection.eof_received() is False
    assert attempt.take() == [("response_data", b"still"), ("lost", True), ("response_end", b"")]


def test_a_tunnel_that_breaks_fails(attempt: Attempt) -> None:
    attempt.start(UPGRADE)
    attempt.gets(SWITCH)
    attempt.take()
    attempt.connection.connection_lost(ConnectionResetError())
    assert attempt.take() == [("lost", True), ("upstream_failed", Cause.RESET)]
