"""The backend behind every proxy: it reads strictly, notes all it was sent, and answers each case by its script.

Owns one server of a lane. A lane runs one case at a time, and what comes late still carries the key of its case.
May not judge, nor know which proxy is in front.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable

from tests.conformance import reader
from tests.conformance.case import Case, Do, Seen, Step, with_key
from tests.conformance.reader import EndedError, Flow, MalformedError, Message

_KEY = re.compile(rb"k\d{3}")
_CANARY = re.compile(rb"/(?:same|new|warm|flush)$|^/small$")


class Running:
    """A case under way: what was seen so far, and the events that its steps wait for."""

    def __init__(self, case: Case, key: bytes, patience: float) -> None:
        self.case = case
        self.seen = Seen(key, expected=case.answers)
        self.patience = patience
        self.went = False
        self.gone: set[int] = set()
        self.ended = False
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Something happened: whoever waits looks again."""
        self._changed.set()

    async def until(self, holds: Callable[[], bool], seconds: float | None = None) -> bool:
        """Waits until it holds; False when that took longer than our patience."""
        try:
            async with asyncio.timeout(self.patience if seconds is None else seconds):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


class Backend:
    """Serves the cases of one lane. `current` is the one that runs."""

    def __init__(self) -> None:
        self.port = 0
        self.current: Running | None = None
        self._by_key: dict[bytes, Running] = {}
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listens on a port of the kernel's choice."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Ends every connection and stops listening."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Ends every connection, so that no later case meets what this one left in a pool."""
        for writer in self._writers.values():
            writer.close()

    def begin(self, running: Running) -> None:
        """From now on unmarked bytes belong to this case."""
        self.current = running
        self._by_key[running.seen.key] = running

    def _accepted(self, source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._connected(source, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        number = self._count
        self._writers[number] = writer
        flow = Flow(source)
        try:
            while await self._one(flow, writer, number):
                pass
        except OSError:
            pass
        finally:
            del self._writers[number]
            writer.close()
            if self.current is not None:
                self.current.gone.add(number)
                self.current.changed()

    async def _one(self, flow: Flow, writer: asyncio.StreamWriter, number: int) -> bool:
        """Reads and answers one request; whether another may follow."""
        begin = flow.at
        running = None
        try:
            message = await reader.request_head(flow)
            running = self._owner(message.target)
            message.connection = number
            if _CANARY.search(message.target) or running is None:
                await reader.body(flow, message)
                writer.write(_echo(message))
                await writer.drain()
                again = running is None or not (running.case.left and message.target.endswith(b"/warm"))
                running = None
                return again
            running.seen.requests.append(message)
            running.changed()
            return await self._answer(running, message, flow, writer)
        except EndedError:
            return False
        except MalformedError as error:
            running = running or self.current
            if running is not None:
                running.seen.faults.append(f"the backend {error}")
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        finally:
            end = flow.at if flow.at > begin else len(flow.raw)
            if running is not None and end > begin:
                running.seen.connections.append(bytes(flow.raw[begin:end]))
                running.changed()

    def _owner(self, target: bytes) -> Running | None:
        found = _KEY.search(target)
        return self._by_key.get(found[0]) if found else self.current

    async def _answer(self, running: Running, message: Message, flow: Flow, writer: asyncio.StreamWriter) -> bool:
        script = running.case.answer
        if script is None or message.target.partition(b"?")[0] != running.seen.path():
            if message.minor_version and b"100-continue" in message.members("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await reader.body(flow, message)
            running.changed()
            writer.write(_echo(message))
            await writer.drain()
            return True
        if not running.case.early:
            await reader.body(flow, message)
            running.changed()
        for step in script:
            if not await self._step(step, running, message, flow, writer):
                return False
        if not message.complete:
            await reader.body(flow, message)
            running.changed()
        return True

    async def _step(
        self, step: Step, running: Running, message: Message, flow: Flow, writer: asyncio.StreamWriter
    ) -> bool:
        if isinstance(step, bytes):
            writer.write(with_key(step, running.seen.key))
            await writer.drain()
        elif step is Do.READ:
            await reader.body(flow, message)
            running.changed()
        elif step is Do.AWAIT_GO:
            await running.until(lambda: running.went)
        elif step is Do.ECHO:
            while flow.at < len(flow.raw) or await flow.more():
                writer.write(await flow.some(65536))
                await writer.drain()
            return False
        elif step is Do.RESET:
            _reset(writer)
            return False
        elif step is Do.CLOSE:
            return False
        return True


def _echo(message: Message) -> bytes:
    body = b"saw " + message.target
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head if message.method == b"HEAD" else head + body


def _reset(writer: asyncio.StreamWriter) -> None:
    opened: socket.socket = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
