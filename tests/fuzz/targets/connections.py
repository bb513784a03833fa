"""Whole connections, in virtual time and without sockets: what comes in pieces is told and answered as what comes at
once, each exchange ends once, and nothing stays behind.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cache

from sidecar.transport import upstream_state as states
from sidecar.transport.stream import DownstreamStream
from sidecar.transport.upstream import Home, UpstreamConnection
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.body import reader_for
from sidecar.wire.errors import BadMessage
from sidecar.wire.head import HeadLimits, parse_request, parse_response
from sidecar.wire.message import NO_BODY, RequestHead
from tests.fuzz.claims import STATUS_LINE, sent_head
from tests.transport.clients import SETTINGS, Client
from tests.transport.doubles import Calls, FakeAcceptor, FakeTransport, RequestEar, ResponseEar, VirtualLoop, answer

METHODS = (b"GET", b"HEAD", b"POST", b"DELETE")
_STEPS = (1, 2, 5, 13)
_LIMITS = HeadLimits(2048, 50, 512)
_UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
# Ends a head that has none: what is wrong in one is said when it can be parsed, and of pieces that is its end.
_END = b"\r\n\r\n"
# Longer than every deadline of a connection.
_LONG = 400.0


@cache
def _loop() -> VirtualLoop:
    loop = VirtualLoop()
    atexit.register(loop.close)
    return loop


class _Bridge(FakeAcceptor):
    """Answers a request when it is complete, or can be complete no more, as the product's bridge does."""

    head = RequestHead()

    def request(self, stream: DownstreamStream, head: RequestHead) -> RequestEar:
        self.head = head
        ear = super().request(stream, head)
        ear.on = {"request_end": lambda _: self._answer(200), "request_broken": lambda why: self._answer(why.status)}
        return ear

    def _answer(self, status: int) -> None:
        stream = self.streams[-1]
        close = stream.leaving or not self.head.keep_alive or status != 200
        answer(stream, b"" if self.head.method == b"HEAD" else b"ok", status, close)


def client(data: bytes) -> object:
    """An accepted connection; the first byte chooses the pieces that its bytes come in."""
    step, data = _STEPS[data[0] & 3 if data else 0], data[1:] + _END
    at_once = _served(data, max(1, len(data)))
    assert _served(data, step) == at_once, "pieces are told and answered as the whole"
    return at_once


def _served(data: bytes, step: int) -> tuple[Calls, bytes]:
    loop = _loop()
    client = Client(loop, settings=SETTINGS)
    # The service is made with an acceptor; this one takes its place by taking its methods.
    bridge = _Bridge(client.calls)
    client.acceptor.request = bridge.request  # type: ignore[method-assign]
    client.acceptor.refuse = bridge.refuse  # type: ignore[method-assign]
    _feed(loop, client.transport, client.sends, data, step)
    heard = -1
    while heard != len(client.calls):
        # Of requests that came together one is told at a turn; a client that leaves is not waited for.
        heard = len(client.calls)
        loop.turn(2)
    if not client.transport.closed:
        client.connection.eof_received()
        loop.turn(2)
    loop.advance(_LONG)
    assert client.transport.closed, "a connection that is over is closed"
    client.gone()
    loop.turn(2)
    assert not loop.errors, loop.errors
    assert (client.counts.active, client.counts.idle) == (0, 0), "nothing stays behind"
    told = _joined(client.calls, "request_data")
    asked = sum(call[0] in ("request", "refuse") for call in told)
    heads = _heads(client.transport.sent)
    assert heads <= asked, "no answer that nobody asked for"
    assert heads == asked or told[-1][0] in ("downstream_gone", "request"), "each is answered, if its client waits"
    refusals = [index for index, call in enumerate(told) if call[0] == "refuse"]
    assert refusals in ([], [len(told) - 1]), "a refusal is the last that is told"
    return told, client.transport.sent


def _heads(sent: bytes) -> int:
    """How many final heads there are in what was sent: every byte of it belongs to one answer."""
    count = 0
    while sent:
        head, end, rest = sent.partition(b"\r\n\r\n")
        assert end, "a head is whole"
        sent_head(head + end, STATUS_LINE)
        interim = head.startswith(b"HTTP/1.1 1")
        length = 0 if interim else int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        count += not interim
        sent = rest[length:]
    return count


class _Place(Home):
    """Where a connection belongs; writes down what becomes of it."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def give_back(self, connection: UpstreamConnection) -> None:
        self.calls.append(("give_back",))

    def lost(self, connection: UpstreamConnection, leased: bool) -> None:
        self.calls.append(("lost",))

    def aged(self, connection: UpstreamConnection) -> None:
        """Too old to be lent again."""


def endpoint(data: bytes) -> object:
    """A connection to an endpoint, which answers a request; the first byte chooses its method and the pieces."""
    choice, data = (data[0] if data else 0), data[1:] + _END
    method = METHODS[choice & 3]
    upgrade = bool(choice & 16)
    at_once = _answered(data, max(1, len(data)), method, upgrade)
    told = _answered(data, _STEPS[choice >> 2 & 3], method, upgrade)
    used_again = ("give_back",)
    if at_once and at_once[-1][0] == "upstream_failed":
        # How much is told before a fault depends on how it comes; that it is one does not.
        assert told[-1:] == at_once[-1:], "pieces fail as the whole does"
    else:
        # Whether more follows than was asked for is known too late in pieces: the pool then hears of it as a loss.
        assert [call for call in told if call != used_again] == [call for call in at_once if call != used_again], (
            "pieces are told as the whole"
        )
    ends = [call for call in told if call[0] in ("response_end", "upstream_failed")]
    heads = [call[1] for call in told if call[0] == "response_head"]
    # Of a tunnel each direction ends by itself.
    assert len(ends) == 1 or (101 in heads and len(ends) == 2), "an attempt ends, and once"
    assert all(status < 200 for status in heads[:-1]), "one final head"
    if 101 in heads:
        assert upgrade, "no tunnel that nobody asked for"
        return told
    answer = _answer(data, method)
    assert (ends[0][0] == "response_end") == (answer is not None), "an answer is told as whole where it is"
    assert used_again in told or used_again not in at_once, "what is good at once is good in pieces"
    if answer is not None:
        body = b"".join(call[1] for call in told if call[0] == "response_data")
        assert body == answer[0], "with the bytes that are its body"
        assert ends[0][1] == answer[1], "and its trailers"
        assert used_again not in told or answer[2], "and its connection is used again only where it said so"
    else:
        assert used_again not in told, "nothing is used again after half an answer"
    return told


def _answer(data: bytes, method: bytes) -> tuple[bytes, bytes, bool] | None:
    """Body, trailers and whether the connection may be used again, of what the final head says; None for no answer."""
    try:
        at = 0
        while (head := parse_response(data[at:], _LIMITS, method)) is not None:
            at += head.size
            if head.status == 101:
                return None
            if head.status >= 200:
                body = reader_for(head.framing, head.content_length, _LIMITS)
                payload = b"" if body.done else body.feed(data, at)
                return (payload, body.trailers, head.keep_alive) if body.finish_at_close() else None
    except BadMessage:
        pass
    return None


def _answered(data: bytes, step: int, method: bytes, upgrade: bool) -> Calls:
    loop = _loop()
    calls: Calls = []
    transport = FakeTransport()
    connection = UpstreamConnection(_Place(calls), DeadlineWheel(loop, loop.time), _LIMITS, 0.0)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.state = states.LEASED
    head = _UPGRADE if upgrade else method + b" / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert parse_request(head, _LIMITS) is not None, "a request"
    connection.start(ResponseEar(calls), method, head, NO_BODY, False)
    _feed(loop, transport, connection.data_received, data, step)
    if not transport.closed:
        connection.eof_received()
        loop.turn(2)
    connection.connection_lost(None)
    loop.advance(_LONG)
    assert transport.closed or connection.state != states.LEASED, "a connection that is over is closed"
    assert not loop.errors, loop.errors
    told = [call[:2] if call[0] == "response_head" else call for call in _joined(calls, "response_data")]
    over = [index for index, call in enumerate(told) if call[0] in ("response_end", "upstream_failed")]
    assert not over or not {"response_head", "response_data"} & {call[0] for call in told[over[0] + 1 :]}, (
        "over is over"
    )
    return [call for call in told if call[0] != "lost"]


def _feed(loop: VirtualLoop, transport: FakeTransport, hear: Callable[[bytes], None], data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        if not transport.reading:
            loop.turn(2)
        if transport.closed or not transport.reading:
            return
        hear(data[at : at + step])
        loop.turn(2)


def _joined(calls: Calls, name: str) -> Calls:
    """The calls, with pieces of one body made one, and without a body that is broken: how much of it is told, before
    its fault is, depends on how it comes."""
    told: Calls = []
    for call in calls:
        if told and told[-1][0] == name and call[0] in ("request_broken", "upstream_failed"):
            told[-1] = call
        elif told and call[0] == name == told[-1][0]:
            told[-1] = (name, told[-1][1] + call[1])
        elif not call[0].endswith(("paused", "resumed")):
            told.append(call)
    return told
