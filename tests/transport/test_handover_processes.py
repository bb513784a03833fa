"""Between real processes: every connection made during a takeover is accepted by one of both."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.transport.handover import Handover
from sidecar.transport.inlets import Inlets

pytestmark = pytest.mark.both_loops

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 60
# Takes over, accepts, says so; each line it is sent is a step further.
SUCCESSOR = """
import asyncio, sys
from sidecar.model.address import Address
from sidecar.transport.handover import take_over
from sidecar.transport.inlets import Inlets

async def greet(reader, writer):
    writer.write(b"new")
    writer.close()

async def step(word):
    print(word, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

async def main(name, port):
    legacy = await take_over(name)
    inlets = Inlets(legacy.inlets)
    (sock,) = inlets.open(Address("127.0.0.1", port))
    await step("taken")
    server = await asyncio.start_server(greet, sock=sock)
    await step("accepting")
    await legacy.ready()
    await step("alone")
    server.close()

asyncio.run(main("\\0" + sys.argv[1], int(sys.argv[2])))
"""


class Child:
    """The successor, a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def said(self, word: str) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            assert (await self.process.stdout.readline()).decode().strip() == word

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")


@asynccontextmanager
async def child(name: str, port: int) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SUCCESSOR,
        name[1:],
        str(port),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Instance:
    """The predecessor, in this process: it greets as the old one until it is taken over."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken = asyncio.Event()
        self.inlets = Inlets()
        (self._sock,) = self.inlets.open(Address("127.0.0.1", 0))
        self.port = int(self._sock.getsockname()[1])
        self.handover = Handover(name, self.inlets.listening, self.leave, asyncio.get_running_loop())

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._greet, sock=self._sock.dup())
        assert self.handover.start()

    async def close(self) -> None:
        await self.handover.close()
        self._server.close()
        self.inlets.close()

    async def _greet(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"old")
        writer.close()

    def leave(self) -> None:
        self.inlets.is_doubled = True
        self._server.close()
        self.inlets.close()
        self.taken.set()

    async def greeted(self) -> str:
        """Who accepts a connection made now."""
        async with asyncio.timeout(LIMIT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                return (await reader.read()).decode()
            finally:
                writer.close()


@pytest.fixture
async def instance() -> AsyncIterator[Instance]:
    running = Instance(f"\0sidecar-test-processes/{os.getpid()}")
    await running.start()
    yield running
    await running.close()


async def test_every_connection_is_accepted_by_one_of_both(instance: Instance) -> None:
    greetings: list[str] = []
    over = asyncio.Event()

    async def visit() -> None:
        while not over.is_set():
            greetings.append(await instance.greeted())

    async with child(instance.name, instance.port) as successor, asyncio.TaskGroup() as group:
        assert await instance.greeted() == "old"
        visitors = [group.create_task(visit()) for _ in range(4)]
        await successor.said("taken")
        assert await instance.greeted() == "old", "nobody else accepts yet"
        successor.go_on()
        await successor.said("accepting")
        await asyncio.gather(*(instance.greeted() for _ in range(20)))
        successor.go_on()
        await successor.said("alone")
        assert instance.taken.is_set()
        assert instance.handover.taken_by == successor.process.pid
        assert await instance.greeted() == "new"
        over.set()
        await asyncio.gather(*visitors)
        assert set(greetings) <= {"old", "new"}, "a connection was refused, reset or not answered"
        successor.go_on()
        assert await successor.process.wait() == 0


async def test_a_connection_that_waits_in_the_queue_is_the_successors(instance: Instance) -> None:
    async with child(instance.name, instance.port) as successor:
        await successor.said("taken")
        successor.go_on()
        await successor.said("accepting")
        os.kill(successor.process.pid, signal.SIGSTOP)
        try:
            instance.leave()  # as when the successor is ready, but it accepts nothing yet
            with socket.create_connection(("127.0.0.1", instance.port), LIMIT_SECONDS) as queued:
                os.kill(successor.process.pid, signal.SIGCONT)
                assert queued.recv(10) == b"new"
        finally:
            os.kill(successor.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("dies", ["taken", "accepting"])
async def test_a_successor_that_dies_half_way_changes_nothing(instance: Instance, dies: str) -> None:
    async with child(instance.name, instance.port) as successor:
        await successor.said("taken")
        if dies == "accepting":
            successor.go_on()
            await successor.said("accepting")
        successor.process.kill()
        await successor.process.wait()
    assert [await instance.greeted() for _ in range(20)] == ["old"] * 20
    assert not instance.taken.is_set()
    async with child(instance.name, instance.port) as successor:
        await successor.said("taken")
