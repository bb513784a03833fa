"""What the kernel knows of processes and their TCP connections, read from /proc: who holds which, and who waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.doubles.peer import Peer

_LISTEN = "0A"


def port_of(peer: Peer) -> int:
    """A client's own port."""
    return int(peer.writer.get_extra_info("sockname")[1])


def holder(pids: Sequence[int], local: int, remote: int) -> int | None:
    """Which of these processes has the connection between these ports; None while nobody has accepted it."""
    inodes = {inode for here, there, _, _, inode in _connections() if (here, there) == (local, remote)}
    return next((pid for pid in pids if inodes & _sockets(pid)), None)


def waiting(pid: int, port: int) -> int:
    """How many connections wait at this port for the process to accept them."""
    held = _sockets(pid)
    return sum(
        queued for here, _, state, queued, inode in _connections() if (here, state) == (port, _LISTEN) and inode in held
    )


def children(pid: int) -> list[int]:
    """The processes that it has started and that are still there."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def stopped(pid: int) -> None:
    """Waits until a process that was sent SIGSTOP stands still."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        await asyncio.sleep(0)


class Ends:
    """Watches processes, which need not be our children, for their ends. To be made while they live."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._ends = [asyncio.Event() for _ in pids]
        loop = asyncio.get_running_loop()
        for pid, end in zip(pids, self._ends, strict=True):
            descriptor = os.pidfd_open(pid)
            loop.add_reader(descriptor, self._ended, loop, descriptor, end)

    async def all(self) -> None:
        """Waits until all of them are gone."""
        for end in self._ends:
            await end.wait()

    @staticmethod
    def _ended(loop: asyncio.AbstractEventLoop, descriptor: int, end: asyncio.Event) -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        end.set()


def _connections() -> Iterator[tuple[int, int, str, int, str]]:
    """Local port, remote port, state, bytes or connections to be taken, inode."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *rest = line.split()
        yield _port(local), _port(remote), state, int(queues.partition(":")[2], 16), rest[4]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _sockets(pid: int) -> set[str]:
    found = set()
    with suppress(FileNotFoundError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                found.add(target.removeprefix("socket:[").removesuffix("]"))
    return found
