"""One end of the private channel between the supervisor and a worker: messages, questions with answers, descriptors.

Owns the frames on a stream socketpair and who waits for an answer. Knows nothing of what is said. Bodies are pickled:
both ends are our own processes of one build, the pair has no name that anybody else could connect to, and what can
write into it can write into our memory as well.

A frame is its length, the number of descriptors that belong to it, and the pickle. Descriptors travel with the first
byte of their frame: the kernel hands them over with the read that takes that byte, and no read goes on past it into the
next frame's. So by the time a frame is whole its descriptors are here, in the order of the frames.
"""

from __future__ import annotations

import array
import asyncio
import logging
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Self

_LOG = logging.getLogger(__name__)

_HEAD = struct.Struct("!IB")
_READ_BYTES = 256 * 1024
_READS_IN_A_ROW = 16  # then the rest of the loop has its turn
# The kernel takes 253 in one message (SCM_MAX_FD).
MAX_DESCRIPTORS = 253
_ANCILLARY_BYTES = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
# Where the system lacks it, a process that is started between the read and the flag inherits what it should not.
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

_TELL, _ASK, _ANSWER, _REFUSAL = range(4)


class LinkEndedError(ConnectionError):
    """The other process is gone, or this end was closed: nothing can be said any more, and no answer will come."""


class LinkRefusedError(Exception):
    """The other process could not answer; the text is its reason."""


class Message:
    """What the other end said. Descriptors that nobody takes before the receiver returns are closed."""

    __slots__ = ("_descriptors", "_link", "_number", "body")

    def __init__(self, link: Link, body: object, descriptors: list[int], number: int | None) -> None:
        self.body = body
        self._link = link
        self._descriptors = descriptors
        self._number = number

    @property
    def asks(self) -> bool:
        """Whether the other end waits for an answer, and has none yet."""
        return self._number is not None

    def take_descriptors(self) -> list[int]:
        """The descriptors that came along, in their order; from now on the caller's to close."""
        taken, self._descriptors = self._descriptors, []
        return taken

    def answer(self, body: object) -> None:
        """Answer, now or later; does nothing when nobody asked, when it is answered, and when the other end is gone."""
        self._reply(_ANSWER, body)

    def refuse(self, why: str) -> None:
        """Answer with a LinkRefusedError; otherwise like `answer`."""
        self._reply(_REFUSAL, why)

    def _reply(self, kind: int, body: object) -> None:
        number, self._number = self._number, None
        if number is not None and not self._link.ended:
            self._link.send(kind, number, body, ())


class Link:
    """See the module. `on_message` is called for each message, `on_end` once when the other end is gone, both on the
    loop's thread; neither is called after `close`."""

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
    ) -> None:
        """Takes over `sock`, a connected stream socket of the unix family."""
        sock.setblocking(False)
        self.ended = False
        self._sock = sock
        self._loop = loop
        self._on_message = on_message
        self._on_end = on_end
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[object]] = {}
        self._received = bytearray()
        self._descriptors: deque[int] = deque()
        self._out: deque[tuple[memoryview, list[int]]] = deque()
        self._flushed = asyncio.Event()
        self._flushed.set()
        loop.add_reader(sock, self._readable)

    @classmethod
    def of_descriptor(
        cls,
        descriptor: int,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
    ) -> Self:
        """The end that this process inherited under this number. What it starts itself does not inherit it in turn: an
        end that somebody still holds is never seen to end."""
        sock = socket.socket(fileno=descriptor)
        sock.set_inheritable(False)
        return cls(sock, loop, on_message, on_end)

    def tell(self, body: object, descriptors: Sequence[int] = ()) -> None:
        """Say something. `descriptors` are duplicated: the caller keeps its own, and may close them at once.

        Raises LinkEndedError; ValueError for more than 253 descriptors; OSError when they cannot be duplicated."""
        self.send(_TELL, 0, body, descriptors)

    async def ask(self, body: object, seconds: float, descriptors: Sequence[int] = ()) -> object:
        """Say something and wait at most so long for the answer.

        Raises TimeoutError, LinkEndedError, LinkRefusedError, and what `tell` raises."""
        number = next(self._numbers)
        answer = self._asked[number] = self._loop.create_future()
        try:
            self.send(_ASK, number, body, descriptors)
            async with asyncio.timeout(seconds):
                return await answer
        finally:
            del self._asked[number]

    async def flushed(self) -> None:
        """Wait until everything said has left this process, or nobody is there to hear it."""
        await self._flushed.wait()

    def close(self) -> None:
        """End the link from this side; everyone who waits for an answer gets LinkEndedError."""
        if self.ended:
            return
        self.ended = True
        self._loop.remove_reader(self._sock)
        self._stop_writing()
        self._sock.close()
        _close_all(self._descriptors)
        self._descriptors.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(LinkEndedError("the other process is gone"))

    def send(self, kind: int, number: int, body: object, descriptors: Sequence[int]) -> None:
        """For messages: put a frame on its way."""
        if self.ended:
            raise LinkEndedError("the other process is gone")
        if len(descriptors) > MAX_DESCRIPTORS:
            raise ValueError(f"at most {MAX_DESCRIPTORS} descriptors go with one message")
        payload = pickle.dumps((kind, number, body), pickle.HIGHEST_PROTOCOL)
        frame = _HEAD.pack(len(payload), len(descriptors)) + payload
        self._out.append((memoryview(frame), _duplicates(descriptors)))
        if len(self._out) == 1:
            self._flushed.clear()
            self._writable()
            if self._out:
                self._loop.add_writer(self._sock, self._writable)

    def _writable(self) -> None:
        try:
            while self._out:
                data, descriptors = self._out[0]
                if descriptors:
                    sent = socket.send_fds(self._sock, [data], descriptors)
                    _close_all(descriptors)
                else:
                    sent = self._sock.send(data)
                if sent == len(data):
                    self._out.popleft()
                else:
                    self._out[0] = (data[sent:], [])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            # What the other end said before may still be unread, so that it is the reader who finds out. Should it live
            # after all (too many descriptors on their way), half a frame must be the last that it gets.
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
            self._loop.call_soon(self._readable)
        self._stop_writing()

    def _stop_writing(self) -> None:
        self._loop.remove_writer(self._sock)
        for _, descriptors in self._out:
            _close_all(descriptors)
        self._out.clear()
        self._flushed.set()

    def _readable(self) -> None:
        """Read until there is nothing more, and not just once: where the other end left with something unread, uvloop
        calls for the first piece of what it said and then never again."""
        for _ in range(_READS_IN_A_ROW):
            if self.ended:
                return
            try:
                data, descriptors, truncated = _receive(self._sock)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data, descriptors, truncated = b"", [], False
            self._descriptors.extend(descriptors)
            if not data or truncated:
                self._lost("descriptors were lost on the way" if truncated else "")
                return
            self._received += data
            try:
                self._deliver()
            except Exception as error:  # noqa: BLE001 - a pickle can fail in any way, and after it nothing is in step
                self._lost(f"a message that nobody can read: {error}")
        self._loop.call_soon(self._readable)

    def _deliver(self) -> None:
        """Hand on every frame that is whole."""
        while not self.ended and len(self._received) >= _HEAD.size:
            length, attached = _HEAD.unpack_from(self._received)
            end = _HEAD.size + length
            if len(self._received) < end:
                return
            with memoryview(self._received) as view:
                kind, number, body = pickle.loads(view[_HEAD.size : end])  # noqa: S301 - see the module  # nosec B301
            del self._received[:end]
            descriptors = [self._descriptors.popleft() for _ in range(attached)]
            if kind in (_TELL, _ASK):
                self._hand_on(Message(self, body, descriptors, number if kind == _ASK else None))
            else:
                _close_all(descriptors)
                self._answered(kind, number, body)

    def _hand_on(self, message: Message) -> None:
        try:
            self._on_message(message)
        except Exception as error:  # noqa: BLE001 - what cannot be acted on must not cost the link
            _LOG.exception("a message of the other process failed")
            message.refuse(f"{type(error).__name__}: {error}")
        finally:
            _close_all(message.take_descriptors())

    def _answered(self, kind: int, number: int, body: object) -> None:
        waiting = self._asked.get(number)
        if waiting is None or waiting.done():
            return
        if kind == _ANSWER:
            waiting.set_result(body)
        else:
            waiting.set_exception(LinkRefusedError(str(body)))

    def _lost(self, why: str) -> None:
        if why:
            _LOG.error("the link to the other process is given up: %s", why)
        self.close()
        self._on_end()


def _duplicates(descriptors: Sequence[int]) -> list[int]:
    made: list[int] = []
    try:
        made.extend(os.dup(descriptor) for descriptor in descriptors)
    except OSError:
        _close_all(made)
        raise
    return made


def _receive(sock: socket.socket) -> tuple[bytes, list[int], bool]:
    """Bytes, the descriptors that came with them, and whether some of those were lost."""
    data, ancillary, flags, _ = sock.recvmsg(_READ_BYTES, _ANCILLARY_BYTES, _CLOEXEC)
    received = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(content[: len(content) - len(content) % received.itemsize])
    descriptors = received.tolist()
    if not _CLOEXEC:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
    return data, descriptors, bool(flags & socket.MSG_CTRUNC)


def _close_all(descriptors: Sequence[int] | deque[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
