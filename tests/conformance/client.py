"""Runs one case through a proxy: its bytes on a connection of their own, then a canary there, then one on another.

Owns what the client of a case does. What must come is waited for with patience; nothing is ever waited for that must
not come: the canaries follow it, and would meet it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from tests.conformance import reader
from tests.conformance.backend import Backend, Running
from tests.conformance.case import Case, Do, Seen, with_key
from tests.conformance.reader import EndedError, Flow, MalformedError, Message

_AFTERTHOUGHT_SECONDS = 0.3
"""How long a proxy that has not answered may still take once it has our FIN."""


class Connection:
    """A client's connection; answers are read as they come, into `seen`."""

    def __init__(self, source: asyncio.StreamReader, writer: asyncio.StreamWriter, running: Running) -> None:
        self._running = running
        self._flow = Flow(source, running.changed)
        self.writer = writer
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def to(cls, port: int, running: Running) -> Connection:
        """Connects."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), running)

    async def end(self) -> None:
        """Closes it; what came is kept."""
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        self.writer.close()
        self._running.seen.received = self._running.seen.received or bytes(self._flow.raw)

    async def _read(self) -> None:
        seen, case = self._running.seen, self._running.case
        try:
            while True:
                done = len(seen.answers)
                method = case.methods[done] if done < len(case.methods) else b"GET"
                message = await reader.answer_head(self._flow, method)
                if 100 <= message.status < 200 and message.status != 101:
                    seen.interim.append(message)
                    self._running.changed()
                    continue
                seen.answers.append(message)
                await reader.body(self._flow, message)
                self._running.changed()
                if message.status == 101:
                    await self._tunnel()
                    return
        except EndedError:
            pass
        except MalformedError as error:
            seen.faults.append(f"the client {error}")
        finally:
            self._running.ended = True
            self._running.changed()

    async def _tunnel(self) -> None:
        with contextlib.suppress(EndedError):
            while True:
                self._running.seen.tunnel += await self._flow.some(65536)
                self._running.changed()


async def run(case: Case, key: bytes, port: int, backend: Backend, patience: float) -> Seen:
    """Everything that was seen when `case` went through the proxy at `port`."""
    running = Running(case, key, patience)
    seen = running.seen
    backend.begin(running)
    if case.warm:
        await _ask(port, key + b"/warm", patience)
        if case.left:
            await running.until(lambda: bool(running.gone))
    connection = await Connection.to(port, running)
    try:
        await _steps(case, running, connection)
        if Do.LEAVE not in case.send:
            await _finish(case, running, connection)
    finally:
        await connection.end()
    seen.new = await _ask(port, key + b"/new", patience)
    if seen.new is None or seen.new.status != 200 or bytes(seen.new.body) != b"saw " + seen.new.target:
        # The next case starts with a clean pool, whatever this one did.
        backend.cut()
        for _ in range(5):
            answer = await _ask(port, key + b"/flush", patience)
            if answer is not None and answer.status == 200:
                break
    return seen


async def _steps(case: Case, running: Running, connection: Connection) -> None:
    seen = running.seen
    for step in case.send:
        if isinstance(step, bytes):
            with contextlib.suppress(OSError):
                connection.writer.write(with_key(step, seen.key))
                await connection.writer.drain()
            await asyncio.sleep(0)
            continue
        if step is Do.GO:
            running.went = True
            running.changed()
        elif step is Do.HALF_CLOSE:
            with contextlib.suppress(OSError):
                connection.writer.write_eof()
        elif step is Do.LEAVE:
            connection.writer.close()
        elif step is Do.AWAIT_GONE:
            await running.until(lambda: all(request.connection in running.gone for request in seen.requests))
        elif not await _awaited(step, running):
            seen.missed.append(step.value)


async def _awaited(step: Do, running: Running) -> bool:
    seen = running.seen
    events: dict[Do, Callable[[], bool]] = {
        Do.AWAIT_REQUEST: lambda: bool(seen.requests or seen.answers),
        Do.AWAIT_ANSWER: lambda: any(answer.complete for answer in seen.answers),
        Do.AWAIT_INTERIM: lambda: bool(seen.interim or seen.answers),
        Do.AWAIT_BODY: lambda: any(answer.body for answer in seen.answers),
        Do.AWAIT_BYTES: lambda: bool(seen.tunnel),
    }
    reached = events[step]
    await running.until(lambda: reached() or running.ended)
    return reached()


async def _finish(case: Case, running: Running, connection: Connection) -> None:
    """Waits for the answers, and finds out whether the connection serves another request."""
    seen = running.seen

    def through() -> bool:
        return running.ended or sum(answer.complete for answer in seen.answers) >= case.answers

    seen.silent = not await running.until(through)
    if seen.silent:
        with contextlib.suppress(OSError):
            connection.writer.write_eof()
        await running.until(lambda: running.ended, _AFTERTHOUGHT_SECONDS)
    elif not running.ended and b"close" in seen.answers[-1].members("connection"):
        if not await running.until(lambda: running.ended):
            seen.missed.append("wait for the end of a connection that was announced to end")
    elif not running.ended and case.canary and Do.HALF_CLOSE not in case.send and seen.answers[-1].status != 101:
        before = len(seen.answers)
        with contextlib.suppress(OSError):
            connection.writer.write(_canary(seen.path(b"/same")))
        await running.until(lambda: running.ended or sum(one.complete for one in seen.answers) > before)
        if len(seen.answers) > before:
            seen.same = seen.answers.pop()
            seen.same.target = seen.path(b"/same")
    seen.closed = running.ended


def _canary(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"


async def _ask(port: int, path: bytes, patience: float) -> Message | None:
    """GET on a connection of its own; None when no whole answer came."""
    source, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(patience):
            flow = Flow(source)
            writer.write(_canary(b"/" + path))
            answer = await reader.answer_head(flow, b"GET")
            await reader.body(flow, answer)
            answer.target = b"/" + path
            return answer
    except (TimeoutError, OSError, EndedError, MalformedError):
        return None
    finally:
        writer.close()
