"""An answer that nobody wants: its connection is kept where the rest of it is short, and closed otherwise."""
# mypy: no-warn-unreachable
# (after `assert x.reading` mypy takes it to be so for good)

from __future__ import annotations

from typing import Any

import pytest

from sidecar.transport import upstream_state as states
from sidecar.transport.settings import PoolSettings
from sidecar.transport.upstream import Home, UpstreamConnection
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, HeadLimits
from tests.transport.doubles import Calls, FakeTransport, ResponseEar, VirtualLoop
from tests.transport.pools import Endpoint

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
SORRY = b"HTTP/1.1 503 X\r\nContent-Length: 5\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKS = b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGEST = 65536


class Discarding(Home):
    """A connection whose receiver discards the answer inside `response_head`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.calls: Calls = []
        self.transport = FakeTransport()
        self.wheel = DeadlineWheel(loop, loop.time)
        self.connection = UpstreamConnection(self, self.wheel, HeadLimits(4096, 50, 512), 0.0)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]
        self.connection.state = states.LEASED

    def give_back(self, connection: UpstreamConnection) -> None:
        self.wheel.clear(connection.timer)  # as a pool does, by setting its own deadline
        self.calls.append(("give_back",))

    def lost(self, connection: UpstreamConnection, leased: bool) -> None:
        self.wheel.drop(connection.timer)
        self.calls.append(("lost", leased))

    def aged(self, _: UpstreamConnection) -> None:
        self.calls.append(("aged",))

    def ask(self, framing: int = NO_BODY, head: bytes = REQUEST, method: bytes = b"GET") -> UpstreamConnection:
        ear = ResponseEar(self.calls, response_head=self._head)
        self.connection.start(ear, method, head, framing, False)
        return self.connection

    def _head(self, status: int, more: bool) -> None:
        if status >= 500:
            self.connection.discard()

    def gets(self, data: bytes) -> None:
        self.connection.data_received(data)

    def take(self) -> Calls:
        taken = self.calls[:]
        self.calls.clear()
        return taken

    def serves_another(self) -> bool:
        """Whether the connection carries another exchange as if nothing had been."""
        assert self.connection.state == states.IDLE
        self.connection.state = states.LEASED
        self.connection.start(ResponseEar(self.calls), b"GET", REQUEST, NO_BODY, False)
        self.gets(OK)
        whole = [("response_head", 200, True), ("response_data", b"ok"), ("give_back",), ("response_end", b"")]
        return self.take() == whole


@pytest.fixture
def discarding(virtual: VirtualLoop) -> Discarding:
    return Discarding(virtual)


def heard(calls: Calls) -> list[Any]:
    return [call[0] for call in calls]


@pytest.mark.parametrize("at", range(1, len(SORRY) + 5))
def test_a_short_answer_is_read_away_at_every_split_and_its_connection_serves_the_next(
    discarding: Discarding, at: int
) -> None:
    answer = SORRY + b"sorry"
    discarding.ask()
    discarding.gets(answer[:at])
    discarding.gets(answer[at:])
    assert heard(discarding.take()) == ["response_head", "give_back"]
    assert discarding.connection.reused
    assert not discarding.transport.closed
    assert discarding.serves_another()


def test_an_answer_that_came_whole_is_over_at_once(discarding: Discarding) -> None:
    discarding.ask()
    discarding.gets(SORRY + b"sorry")
    assert heard(discarding.take()) == ["response_head", "give_back"]
    assert discarding.serves_another()


@pytest.mark.parametrize(
    ("answer", "method"),
    [
        (b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", b"GET"),
        (b"HTTP/1.1 503 X\r\nContent-Length: 999999\r\n\r\n", b"HEAD"),
        (CHUNKS + b"5\r\nsorry\r\n0\r\nT: 1\r\n\r\n", b"GET"),
    ],
)
def test_an_answer_that_is_complete_needs_no_length(discarding: Discarding, answer: bytes, method: bytes) -> None:
    discarding.ask(method=method)
    discarding.gets(answer)
    assert heard(discarding.take()) == ["response_head", "give_back"]
    assert discarding.serves_another()


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKS,
        CHUNKS + b"5\r\nsorry\r\n0\r\n",
        b"HTTP/1.1 503 X\r\n\r\n",
        b"HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 5\r\n\r\nso",
        b"HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsorry",
        b"HTTP/1.0 503 X\r\nContent-Length: 5\r\n\r\nsorry",
        SORRY + b"sorry, and more",
        b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1),
    ],
)
def test_an_answer_whose_end_is_far_or_unknown_costs_its_connection(discarding: Discarding, answer: bytes) -> None:
    discarding.ask()
    discarding.gets(answer)
    assert discarding.take() == [("response_head", 503, discarding_more(answer)), ("lost", True)]
    assert discarding.transport.aborted
    assert discarding.connection.state == states.CLOSED


def discarding_more(answer: bytes) -> bool:
    return not answer.endswith(b"\r\n\r\n")


def test_the_largest_rest_is_read_away_and_what_has_come_already_does_not_count(discarding: Discarding) -> None:
    discarding.ask()
    discarding.gets(b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 10) + b"x" * 10)
    for _ in range(64):
        discarding.gets(b"x" * 1024)
    assert heard(discarding.take()) == ["response_head", "give_back"]
    assert discarding.serves_another()


def test_a_request_that_is_still_being_sent_costs_the_connection(discarding: Discarding) -> None:
    stream = discarding.ask(CHUNKED, b"PUT / HTTP/1.1\r\n\r\n", b"PUT")
    stream.send_data(b"half")
    discarding.gets(SORRY)
    assert heard(discarding.take()) == ["response_head", "lost"]
    stream.send_data(b"late")
    stream.send_end()
    assert b"late" not in discarding.transport.sent


def test_a_request_that_was_sent_whole_does_not(discarding: Discarding) -> None:
    stream = discarding.ask(LENGTH, b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", b"PUT")
    stream.send_data(b"hi")
    stream.send_end()
    discarding.gets(SORRY + b"so")
    discarding.gets(b"rry")
    assert heard(discarding.take()) == ["response_head", "give_back"]


def test_an_endpoint_that_does_not_keep_up_with_the_request_costs_the_connection(
    discarding: Discarding, virtual: VirtualLoop
) -> None:
    stream = discarding.ask(CHUNKED, b"PUT / HTTP/1.1\r\n\r\n", b"PUT")
    stream.send_end()
    discarding.connection.pause_writing()
    discarding.gets(SORRY)
    virtual.turn()
    discarding.gets(b"sorry")
    assert heard(discarding.take()) == ["response_head", "lost"]


def test_a_rest_that_does_not_come_in_a_second_costs_the_connection(
    discarding: Discarding, virtual: VirtualLoop
) -> None:
    discarding.ask()
    discarding.gets(SORRY + b"so")
    virtual.advance(0.9)
    assert heard(discarding.take()) == ["response_head"]
    virtual.advance(0.2)
    assert discarding.take() == [("lost", True)]
    assert discarding.transport.aborted


def test_the_second_is_not_held_against_the_next_exchange(discarding: Discarding, virtual: VirtualLoop) -> None:
    discarding.ask()
    discarding.gets(SORRY + b"so")
    discarding.gets(b"rry")
    discarding.take()
    discarding.connection.state = states.LEASED
    discarding.connection.start(ResponseEar(discarding.calls), b"GET", REQUEST, NO_BODY, False)
    discarding.gets(OK[:-1])
    virtual.advance(5.0)
    discarding.gets(b"k")
    assert ("give_back",) in discarding.take()


def test_more_than_was_announced_costs_the_connection(discarding: Discarding) -> None:
    discarding.ask()
    discarding.gets(SORRY + b"so")
    discarding.gets(b"rry!")
    assert heard(discarding.take()) == ["response_head", "lost"]
    assert discarding.transport.aborted


@pytest.mark.parametrize("end", ["fin", "rst", "abort", "cancel"])
def test_a_connection_that_ends_meanwhile_is_lost_without_a_word(discarding: Discarding, end: str) -> None:
    discarding.ask()
    discarding.gets(SORRY + b"so")
    if end == "fin":
        assert discarding.connection.eof_received() is False
    elif end == "rst":
        discarding.connection.connection_lost(ConnectionResetError())
    elif end == "abort":
        discarding.connection.abort()
    else:
        discarding.connection.cancel()
    assert discarding.take() == [("response_head", 503, True), ("lost", True)]
    discarding.connection.connection_lost(None)
    assert discarding.take() == []


def test_a_rest_that_a_slow_client_had_held_up_is_read_away(discarding: Discarding) -> None:
    stream = discarding.ask()
    stream.pause()
    assert not discarding.transport.reading
    discarding.gets(SORRY + b"so")
    assert discarding.transport.reading
    discarding.gets(b"rry")
    assert heard(discarding.take()) == ["response_head", "give_back"]


def test_an_interim_answer_before_it_changes_nothing(discarding: Discarding) -> None:
    discarding.ask()
    discarding.gets(b"HTTP/1.1 103 Early\r\n\r\n" + SORRY + b"so")
    discarding.gets(b"rry")
    assert heard(discarding.take()) == ["response_head", "response_head", "give_back"]


@pytest.mark.parametrize("state", ["before", "waiting", "head", "after"])
def test_where_there_is_no_answer_it_is_a_cancel(discarding: Discarding, state: str) -> None:
    stream = discarding.connection if state == "before" else discarding.ask()
    if state == "head":
        discarding.gets(SORRY[:20])
    elif state == "after":
        discarding.gets(OK)
        discarding.take()
    stream.discard()
    assert discarding.take() == ([] if state == "after" else [("lost", True)])
    assert discarding.transport.aborted is (state != "after")


def test_later_than_its_head_an_answer_is_discarded_too(discarding: Discarding) -> None:
    stream = discarding.ask()
    discarding.gets(OK[:-1])
    stream.discard()
    discarding.gets(b"k")
    assert heard(discarding.take()) == ["response_head", "response_data", "give_back"]
    assert discarding.serves_another()


def test_twice_is_once(discarding: Discarding) -> None:
    stream = discarding.ask()
    discarding.gets(SORRY)
    stream.discard()
    discarding.gets(b"sorry")
    assert heard(discarding.take()) == ["response_head", "give_back"]


def test_in_a_pool_the_next_in_line_has_the_connection_once_the_rest_is_read(virtual: VirtualLoop) -> None:
    endpoint = Endpoint(virtual, PoolSettings(max_connections=1, max_lifetime=None))
    first = endpoint.ask("first")
    stream = first.streams[-1]
    assert isinstance(stream, UpstreamConnection)
    first.on["response_head"] = lambda *_: stream.discard()
    stream.start(first, b"GET", REQUEST, NO_BODY, False)
    second = endpoint.ask("second")
    stream.data_received(SORRY + b"so")
    virtual.turn()
    assert second.streams == []
    stream.data_received(b"rry")
    virtual.turn()
    assert second.streams == [stream]
    virtual.advance(2.0)
    endpoint.serve(second)
    assert endpoint.heard("response_end") == ["second"]
    assert endpoint.pool.snapshot().in_use == 0
    endpoint.pool.abort()
    virtual.turn()
