"""Messages, answers and descriptors between two processes' ends, here both in one."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sidecar.workers.link import MAX_DESCRIPTORS, Link, LinkEndedError, LinkRefusedError, Message

LIMIT = 30.0

pytestmark = pytest.mark.both_loops


class End:
    """One end, with everything it heard. `on_message` is called after a message is noted."""

    def __init__(self, sock: socket.socket) -> None:
        self.bodies: list[object] = []
        self.descriptors: list[int] = []
        self.on_message: Callable[[Message], None] = lambda _message: None
        self.ended = asyncio.Event()
        self._grew = asyncio.Condition()
        self._bell = asyncio.Event()
        self.link = Link(sock, asyncio.get_running_loop(), self._hear, self.ended.set)

    def _hear(self, message: Message) -> None:
        self.bodies.append(message.body)
        self._bell.set()
        self.on_message(message)

    async def heard(self, number: int) -> list[object]:
        """Waits until so many messages are here."""
        async with asyncio.timeout(LIMIT):
            while len(self.bodies) < number:
                self._bell.clear()
                await self._bell.wait()
        return self.bodies

    async def has_ended(self) -> None:
        async with asyncio.timeout(LIMIT):
            await self.ended.wait()


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    one, other = socket.socketpair()
    pair = End(one), End(other)
    yield pair
    for end in pair:
        end.link.close()


def take_all(end: End) -> None:
    end.on_message = lambda message: end.descriptors.extend(message.take_descriptors())


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def open_count() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_messages_arrive_whole_and_in_order_both_ways(ends: tuple[End, End]) -> None:
    left, right = ends
    for number in range(100):
        left.link.tell({"number": number})
    right.link.tell(("a", None, b"b"))
    assert await right.heard(100) == [{"number": number} for number in range(100)]
    assert await left.heard(1) == [("a", None, b"b")]


async def test_a_message_larger_than_any_socket_buffer_arrives(ends: tuple[End, End]) -> None:
    left, right = ends
    body = bytes(range(256)) * 32768
    left.link.tell(body)
    left.link.tell("after")
    assert await right.heard(2) == [body, "after"]
    async with asyncio.timeout(LIMIT):
        await left.link.flushed()


async def test_a_frame_may_come_in_any_pieces() -> None:
    raw, sock = socket.socketpair()
    end = End(sock)
    payload = pickle.dumps((0, 0, "in pieces"))
    frame = struct.pack("!IB", len(payload), 0) + payload
    with raw:
        for size in (1, 2, 7):
            for start in range(0, len(frame), size):
                raw.send(frame[start : start + size])
                await asyncio.sleep(0)
        raw.send(frame + frame + frame[:3])
        raw.send(frame[3:])
        assert await end.heard(6) == ["in pieces"] * 6
    await end.has_ended()


async def test_a_question_is_answered(ends: tuple[End, End]) -> None:
    left, right = ends
    right.on_message = lambda message: message.answer((message.body, message.asks))
    left.on_message = lambda message: message.answer(message.body)
    answers = await asyncio.gather(*(left.link.ask(number, LIMIT) for number in range(20)), right.link.ask("b", LIMIT))
    assert answers == [*((number, True) for number in range(20)), "b"]


async def test_an_answer_may_come_later_and_out_of_order(ends: tuple[End, End]) -> None:
    left, right = ends
    kept: list[Message] = []
    right.on_message = kept.append
    first = asyncio.ensure_future(left.link.ask("first", LIMIT))
    second = asyncio.ensure_future(left.link.ask("second", LIMIT))
    await right.heard(2)
    kept[1].answer(2)
    kept[1].answer("not again")
    assert await second == 2
    assert not kept[1].asks
    kept[0].answer(1)
    assert await first == 1


async def test_a_refusal_and_a_receiver_that_fails_are_told_to_who_asked(
    ends: tuple[End, End], caplog: pytest.LogCaptureFixture
) -> None:
    left, right = ends
    right.on_message = lambda message: message.refuse("not now")
    with pytest.raises(LinkRefusedError, match="not now"):
        await left.link.ask("a", LIMIT)

    def fails(_message: Message) -> None:
        raise RuntimeError("a bug")

    right.on_message = fails
    with pytest.raises(LinkRefusedError, match="RuntimeError: a bug"):
        await left.link.ask("b", LIMIT)
    assert "a bug" in caplog.text
    left.link.tell("c")
    assert await right.heard(3) == ["a", "b", "c"]


async def test_a_question_that_nobody_answers_ends_in_time_and_a_late_answer_is_dropped(ends: tuple[End, End]) -> None:
    left, right = ends
    kept: list[Message] = []
    right.on_message = kept.append
    with pytest.raises(TimeoutError):
        await left.link.ask("a", 0.01)
    await right.heard(1)
    kept[0].answer("late")
    right.on_message = lambda message: message.answer("in time")
    assert await left.link.ask("b", LIMIT) == "in time"


async def test_descriptors_arrive_with_their_own_message(ends: tuple[End, End]) -> None:
    left, right = ends
    found: list[tuple[object, list[int]]] = []
    right.on_message = lambda message: found.append((message.body, message.take_descriptors()))
    pipes = [os.pipe() for _ in range(3)]
    left.link.tell("none")
    left.link.tell("one", [pipes[0][1]])
    left.link.tell(b"large" * 200_000, [pipes[1][1], pipes[2][1]])
    left.link.tell("none either")
    for _, writer in pipes:
        os.close(writer)  # the link has its own
    await right.heard(4)
    assert [(len(descriptors)) for _, descriptors in found] == [0, 1, 2, 0]
    for (reader, _), writer in zip(pipes, [*found[1][1], *found[2][1]], strict=True):
        assert not os.get_inheritable(writer)
        os.write(writer, b"x")
        os.close(writer)
        assert os.read(reader, 2) == b"x"
        os.close(reader)


async def test_as_many_descriptors_go_with_a_message_as_the_kernel_takes(ends: tuple[End, End]) -> None:
    left, right = ends
    take_all(right)
    with Path("/dev/null").open("rb") as file:
        left.link.tell("many", [file.fileno()] * MAX_DESCRIPTORS)
        left.link.tell("more", [file.fileno()] * MAX_DESCRIPTORS)
        with pytest.raises(ValueError, match="at most 253"):
            left.link.tell("too many", [file.fileno()] * (MAX_DESCRIPTORS + 1))
    await right.heard(2)
    assert len(right.descriptors) == 2 * MAX_DESCRIPTORS
    for descriptor in right.descriptors:
        os.close(descriptor)


async def test_descriptors_that_nobody_takes_are_closed(ends: tuple[End, End]) -> None:
    left, right = ends
    reader, writer = os.pipe()
    before = open_count()
    left.link.tell("a", [writer])
    await right.heard(1)
    assert open_count() == before
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)


async def test_a_descriptor_that_is_none_fails_where_it_is_sent(ends: tuple[End, End]) -> None:
    left, right = ends
    with Path("/dev/null").open("rb") as file:
        before = open_count()
        with pytest.raises(OSError, match="Bad file descriptor"):
            left.link.tell("a", [file.fileno(), 1 << 20])
        assert open_count() == before
    left.link.tell("b")
    assert await right.heard(1) == ["b"]


async def test_the_end_of_the_other_process_is_told_once_after_all_it_said(ends: tuple[End, End]) -> None:
    left, right = ends
    waiting = asyncio.ensure_future(left.link.ask("never answered", LIMIT))
    await right.heard(1)
    right.link.tell("last words")
    right.link.close()
    await left.has_ended()
    assert left.bodies == ["last words"]
    with pytest.raises(LinkEndedError):
        await waiting
    with pytest.raises(LinkEndedError):
        left.link.tell("anybody?")
    with pytest.raises(LinkEndedError):
        await left.link.ask("anybody?", LIMIT)
    async with asyncio.timeout(LIMIT):
        await left.link.flushed()
    assert not right.ended.is_set()


async def test_what_it_said_is_heard_even_when_it_left_in_the_middle_of_ours(ends: tuple[End, End]) -> None:
    left, right = ends
    right.link.tell("last words")
    left.link.tell(bytes(8 << 20))
    right.link.close()
    await left.has_ended()
    assert left.bodies == ["last words"]


async def test_its_end_is_seen_though_it_left_without_reading_what_we_said(ends: tuple[End, End]) -> None:
    left, right = ends
    left.link.tell("unread")
    right.link.tell("last words")
    right.link.close()
    await left.has_ended()
    assert left.bodies == ["last words"]


async def test_closing_while_a_message_is_heard_hears_no_other(ends: tuple[End, End]) -> None:
    left, right = ends
    right.on_message = lambda _message: right.link.close()
    before = open_count()
    left.link.tell("a")
    left.link.tell("b", [0])
    await left.has_ended()
    assert right.bodies == ["a"]
    assert open_count() < before


async def test_an_answer_to_who_has_left_is_dropped(ends: tuple[End, End]) -> None:
    left, right = ends
    kept: list[Message] = []
    right.on_message = kept.append
    asked = asyncio.ensure_future(left.link.ask("a", LIMIT))
    await right.heard(1)
    left.link.close()
    await right.has_ended()
    kept[0].answer("b")
    with pytest.raises(LinkEndedError):
        await asked


async def test_bytes_that_are_no_message_end_the_link(caplog: pytest.LogCaptureFixture) -> None:
    raw, sock = socket.socketpair()
    end = End(sock)
    with raw:
        raw.send(struct.pack("!IB", 3, 0) + b"???")
        await end.has_ended()
    assert "nobody can read" in caplog.text


async def test_an_end_is_made_of_an_inherited_descriptor_and_is_not_inherited_on() -> None:
    one, other = socket.socketpair()
    other.set_inheritable(True)
    left = End(one)
    answering = Link.of_descriptor(
        other.detach(), asyncio.get_running_loop(), lambda message: message.answer("here"), lambda: None
    )
    assert await left.link.ask("who?", LIMIT) == "here"
    answering.close()
    await left.has_ended()
