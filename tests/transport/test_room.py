"""Where all places are taken, those that carry nothing give way: heads that do not come first, then idle ones."""

from __future__ import annotations

import socket

import pytest

from sidecar.model.reason import Reason
from sidecar.transport.registry import A_BODY, A_HEAD, NOTHING, NOTHING_MORE, READING, Closable, Registry
from sidecar.transport.room import Room
from sidecar.wire.message import CHUNKED, LENGTH
from tests.transport.clients import CHUNKS, GET, POST, UPGRADE, Client
from tests.transport.doubles import VirtualLoop, answer


class One:
    """Waits since `since`; has been answered or not."""

    def __init__(self, since: float | None, answered: bool = False, willing: bool = True) -> None:
        self.waiting = None if since is None else (answered, since)
        self.willing = willing
        self.asked = 0

    def waits(self) -> tuple[int, float] | None:
        return self.waiting

    def give_way(self) -> bool:
        self.asked += 1
        return self.willing

    def carries(self) -> int:
        return NOTHING

    def close_when_idle(self) -> None:
        raise AssertionError("not asked to")

    def leave_websocket(self) -> None:
        raise AssertionError("not asked to")

    def end_now(self) -> int:
        raise AssertionError("not asked to")

    def abort(self) -> None:
        raise AssertionError("not asked to")


class Hall:
    """A registry of such, and what was told."""

    def __init__(self, *ones: One) -> None:
        self.registry = Registry()
        for one in ones:
            self.registry.add(one)
        self.now = 100.0
        self.told: list[tuple[int, bool]] = []
        self.room = Room(self.registry, lambda: self.now, lambda count, news: self.told.append((count, news)))

    def left(self) -> set[Closable]:
        return set(self.registry)


def test_who_owes_a_head_goes_before_who_was_answered_and_each_the_longest_waiting_first() -> None:
    answered, late, later, busy = One(1.0, answered=True), One(50.0), One(60.0), One(None)
    hall = Hall(answered, later, late, busy)
    gone = []
    for one in (late, later, answered):
        assert hall.room.make(64)
        gone.append(one)
        assert hall.left() == {answered, later, late, busy} - set(gone)
    assert not hall.room.make(64)
    assert busy.asked == 0


def test_who_has_waited_for_less_than_a_second_stays() -> None:
    fresh = One(99.5)
    hall = Hall(fresh)
    assert not hall.room.make(1)
    hall.now = 100.5
    assert hall.room.make(1)


def test_one_look_makes_room_for_a_sixty_fourth_of_all() -> None:
    hall = Hall(*(One(float(since % 90)) for since in range(1000)))
    assert hall.room.make(1280)
    assert (len(hall.registry), hall.told) == (980, [(20, True)])


def test_who_has_just_spoken_is_passed_over() -> None:
    speaking, silent = One(1.0, willing=False), One(2.0)
    hall = Hall(speaking, silent)
    assert hall.room.make(1)
    assert hall.left() == {speaking}


def test_a_look_in_vain_is_not_made_again_at_once() -> None:
    asked: list[One] = []

    class Busy(One):
        def waits(self) -> tuple[int, float] | None:
            asked.append(self)
            return None

    hall = Hall(Busy(None))
    for _ in range(50):
        assert not hall.room.make(1)
    assert len(asked) == 1
    assert hall.told == []
    hall.now += 0.1
    hall.registry.add(One(1.0))
    assert hall.room.make(1)


def test_looks_that_find_few_take_a_fifth_of_the_time() -> None:
    looks: list[float] = []

    class Slow(One):
        def waits(self) -> tuple[int, float] | None:
            looks.append(hall.now)
            hall.now += 0.01
            return None

    hall = Hall(Slow(None), *(One(1.0) for _ in range(100)))
    room = hall.room
    assert room.make(64)
    assert room.make(64), "one found, one wanted: no reason to pause"
    assert len(looks) == 2
    many = 64 * 200
    assert room.make(many), "98 found where 200 are wanted"
    hall.registry.add(One(1.0))
    hall.now += 0.039
    assert not room.make(many)
    hall.now += 0.002
    assert room.make(many)
    assert len(looks) == 4


def test_it_is_news_after_a_minute_without() -> None:
    hall = Hall(*(One(float(since)) for since in range(4)))
    for now in (100.0, 101.0, 160.5, 221.0):
        hall.now = now
        assert hall.room.make(1)
    assert hall.told == [(1, True), (1, False), (1, False), (1, True)]


# What an HTTP connection says of itself.


@pytest.fixture
def client(virtual: VirtualLoop) -> Client:
    return Client(virtual)


def test_a_head_that_is_not_complete_is_refused_and_not_lingered_for(client: Client, virtual: VirtualLoop) -> None:
    virtual.advance(3)
    client.sends(b"GET / HT")
    assert client.connection.waits() == pytest.approx((A_HEAD, 3.0)), "since its first byte"
    client.acceptor.answers_refusals = True
    assert client.connection.give_way()
    assert client.calls == [("refuse", Reason.HEADER_TIMEOUT)]
    assert client.transport.sent.startswith(b"HTTP/1.1 408")
    assert client.transport.closed
    assert not client.transport.aborted
    client.gone()


def test_one_that_has_said_nothing_is_closed_silently(client: Client, virtual: VirtualLoop) -> None:
    virtual.advance(3)
    assert client.connection.waits() == (A_HEAD, 0.0)
    assert client.connection.give_way()
    assert (client.transport.sent, client.transport.closed) == (b"", True)
    client.gone()


def test_one_that_is_kept_after_its_answer_waits_since_then(client: Client, virtual: VirtualLoop) -> None:
    client.sends(GET % 1)
    assert client.connection.waits() is None
    virtual.advance(3)
    client.wheel.now()
    answer(client.stream)
    virtual.advance(5)
    assert client.connection.waits() == pytest.approx((NOTHING_MORE, 3.0))
    client.sends(b"GET")
    assert client.connection.waits() == pytest.approx((A_HEAD, 8.0)), "now it owes one, since its first byte"
    assert client.connection.give_way()
    client.gone()


@pytest.mark.parametrize("close", [False, True])
def test_the_end_of_an_answer_that_nobody_takes_keeps_its_connection_for_some_seconds(
    client: Client, virtual: VirtualLoop, close: bool
) -> None:
    client.sends(GET % 1)
    virtual.advance(2)
    client.wheel.now()
    client.transport.unsent = 5
    answer(client.stream, close=close)
    assert client.connection.waits() == pytest.approx((READING, 6.0))
    assert client.connection.give_way()
    assert client.transport.aborted
    client.gone()


def test_a_closing_connection_whose_client_takes_the_rest_waits_since_it_did_last(
    client: Client, virtual: VirtualLoop
) -> None:
    client.sends(GET % 1)
    client.transport.unsent = 300_000
    answer(client.stream, close=True)
    client.connection.pause_writing()
    virtual.advance(8)
    client.transport.unsent = 60_000
    client.connection.resume_writing()
    assert client.connection.waits() == pytest.approx((READING, 12.0))
    client.transport.unsent = 0
    assert client.connection.waits() is None, "it is as good as gone"


def test_who_owes_a_head_and_takes_no_answer_is_cut_and_not_closed_once_it_has(client: Client) -> None:
    client.sends(GET % 1)
    answer(client.stream)
    client.transport.unsent = 5
    client.sends(b"GET / HT")
    assert client.connection.give_way()
    assert client.transport.aborted
    client.gone()


@pytest.mark.parametrize("said", [b"", b"GET / HT", CHUNKS + b"1\r\nx\r\n"])
def test_one_whose_next_words_lie_unread_stays(client: Client, said: bytes) -> None:
    if said:
        client.sends(said)
    client.take()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client.transport.get_extra_info = lambda name, default=None: (  # type: ignore[method-assign]
            ours if name == "socket" else default
        )
        theirs.send(b"TP/1.1\r\n")
        assert not client.connection.give_way()
    assert client.take() == []
    assert not client.transport.closed


def test_a_body_that_hardly_comes_is_waited_for_after_some_seconds_and_refused(
    client: Client, virtual: VirtualLoop
) -> None:
    broken: list[Reason] = []

    def refuse(reason: Reason) -> None:
        broken.append(reason)
        answer(client.stream, status=408, close=True)

    client.acceptor.on["request_broken"] = refuse
    client.sends(CHUNKS + b"1\r\nx\r\n")
    virtual.advance(2)
    client.wheel.now()
    assert client.connection.waits() == pytest.approx((A_BODY, 4.0))
    assert client.connection.give_way()
    assert broken == [Reason.BODY_TIMEOUT]
    assert client.transport.sent.startswith(b"HTTP/1.1 408")
    assert client.transport.closed
    client.gone()


def test_a_body_that_comes_or_is_not_read_or_has_its_answer_already_is_not_waited_for(virtual: VirtualLoop) -> None:
    quick, held_up, answered = Client(virtual), Client(virtual), Client(virtual)
    for client in (quick, held_up, answered):
        client.sends(CHUNKS + b"1\r\nx\r\n")
    virtual.advance(2)
    quick.sends(b"1000\r\n" + b"x" * 4096 + b"\r\n")
    held_up.stream.pause()
    answered.stream.send_head(b"HTTP/1.1 200 X\r\n\r\n", CHUNKED, False)
    assert [client.connection.waits() for client in (quick, held_up, answered)] == [None] * 3


@pytest.mark.parametrize("complete", [False, True])
def test_an_answer_that_is_not_taken_is_cut_after_some_seconds(
    client: Client, virtual: VirtualLoop, complete: bool
) -> None:
    client.sends(GET % 1)
    virtual.advance(2)
    client.wheel.now()
    client.stream.send_head(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n", LENGTH, False)
    client.stream.send_data(b"ok" if complete else b"o")
    if complete:
        client.stream.send_end()
    client.transport.unsent = 300_000
    client.connection.pause_writing()
    virtual.advance(1)
    assert client.connection.waits() == pytest.approx((READING, 6.0))
    client.take()
    assert client.connection.give_way()
    told = [] if complete else [("request_broken", Reason.OVERLOADED), ("downstream_gone",)]
    assert client.take() == told
    assert client.transport.aborted
    client.gone()


def test_a_body_and_a_tunnel_are_carried(virtual: VirtualLoop) -> None:
    posting, tunnelled = Client(virtual), Client(virtual)
    posting.sends(POST + b"half")
    assert posting.connection.waits() is None
    tunnelled.sends(UPGRADE)
    tunnelled.stream.open_tunnel()
    assert tunnelled.connection.waits() is None


def test_one_that_lingers_after_a_refusal_waits_since_then(client: Client, virtual: VirtualLoop) -> None:
    virtual.advance(3)
    client.sends(b"GET / HTTP/9\r\n\r\n")
    answered, since = client.connection.waits() or (True, 0.0)
    assert not answered
    assert since == pytest.approx(virtual.time())
    assert client.connection.give_way()
    assert client.transport.closed
    client.gone()
