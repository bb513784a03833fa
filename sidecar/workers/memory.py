"""Memory that several worker processes share: one memfd, mapped once by each, with a directory of named pieces.

The supervisor makes it and each worker attaches to the descriptors that it inherits. A lock is a byte range of
`fcntl.lockf`, which the kernel lets go when its process dies: whatever a worker is killed in, nobody waits for it.
(A lock word in the memory itself costs less, and stays taken.) Such locks belong to the process, and go when any copy
of the descriptor is closed (fcntl_locking(2)): so one thread works here, and none is kept from one call to the next.

The file is sparse: what nobody has written to takes no memory. Pieces are never taken back; one that no rule names any
more costs what was written to it. May not know what the pieces are for.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import mmap
import os
import struct
from collections.abc import Callable, Iterator, Sequence

from sidecar.policies.sharing import Memory, Piece, Shape
from sidecar.workers.key_hash import key_hash

_LOG = logging.getLogger(__name__)

_SIZE = 4 << 30  # bytes of address space; of memory, what is written to
_DIRECTORY = 16 << 20  # bytes for the names
_CELL = 8
_LINE = 64  # a piece begins on a cache line of its own

# The directory: its length in bytes, then for each piece where it is (a cell), its shape, its name's length and name.
_LENGTH = struct.Struct("=q")
_ENTRY = struct.Struct("=qqqqqq")


class SharedPiece(Piece):
    """A piece of the memfd. The lock is on its first byte, or on the directory's for the directory itself."""

    __slots__ = ("_at", "_fd", "_wake")

    def __init__(
        self,
        name: str,
        shape: Shape,
        cells: memoryview[float],
        memory: SharedMemory,
        at: int,
    ) -> None:
        """`at` is the piece's first byte in the file."""
        super().__init__(name, shape, cells, memory.worker, memory.workers)
        self._fd = memory.fd
        self._at = at
        self._wake = memory.wake

    def enter(self) -> None:
        """See Piece."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, self._at)

    def leave(self) -> None:
        """See Piece."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, self._at)

    def wake(self, worker: int) -> None:
        """See Piece."""
        self._wake(worker)


class SharedMemory(Memory):
    """One process's view of the memory."""

    __slots__ = ("_cells", "_events", "_free", "_map", "_pieces", "_places", "_read", "fd")

    def __init__(self, fd: int, events: Sequence[int], worker: int) -> None:
        """See `create` and `attach`."""
        super().__init__(worker, len(events))
        self.fd = fd
        self._events = tuple(events)
        self._map = mmap.mmap(fd, _SIZE)
        self._cells = memoryview(self._map).cast("d")
        self._pieces: dict[tuple[str, Shape], SharedPiece] = {}
        self._places: dict[tuple[str, Shape], int] = {}  # the directory as far as it has been read
        self._read = _LENGTH.size
        self._free = _DIRECTORY  # where nothing has been given out yet

    @classmethod
    def create(cls, workers: int) -> SharedMemory:
        """New memory for so many workers, for the supervisor. Raises OSError where the system has none to give."""
        if not (hasattr(os, "memfd_create") and hasattr(os, "eventfd")):
            raise OSError("this system has no memory files, which several workers need; run one")
        made = [os.memfd_create("sidecar", os.MFD_CLOEXEC)]
        try:
            os.ftruncate(made[0], _SIZE)
            for _ in range(workers):
                made.append(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))  # noqa: PERF401 - half of them are closed
            return cls(made[0], made[1:], -1)
        except BaseException:
            for fd in made:
                os.close(fd)
            raise

    @classmethod
    def attach(
        cls,
        fd: int,
        events: Sequence[int],
        worker: int,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] | None = None,
    ) -> SharedMemory:
        """The memory behind inherited descriptors, for the worker of this number (from 0). `clock` is what machines are
        told at a call, the loop's own time without one."""
        memory = cls(fd, events, worker)
        memory.hash = key_hash()
        loop.add_reader(events[worker], memory._answer, clock or loop.time)
        return memory

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a worker has to inherit: the memory's, then one for each worker."""
        return (self.fd, *self._events)

    def detach(self, loop: asyncio.AbstractEventLoop) -> None:
        """This worker hears no more calls."""
        loop.remove_reader(self._events[self.worker])

    def close(self) -> None:
        """Let the descriptors go. The memory itself goes with the last process that has it."""
        for fd in self.descriptors:
            os.close(fd)

    def piece(self, name: str, *, header: int = 0, held: int = 0, kept: int = 0, table: int = 0) -> Piece:
        """See Memory."""
        key = (name, Shape(header, held, kept, table))
        piece = self._pieces.get(key)
        if piece is None:
            piece = self._pieces[key] = self._piece(key, self._place(key))
        return piece

    def bury(self, worker: int) -> None:
        """A worker's process has ended, and has been waited for: free what it held, and let all others look. For the
        supervisor, before the next one gets this number."""
        self._lock_directory()
        try:
            self._read_on()
        finally:
            self._unlock_directory()
        for key, at in self._places.items():
            if key[1].held:
                piece = self._piece(key, at)
                piece.enter()
                try:
                    piece.bury(worker)
                finally:
                    piece.leave()
        for other in range(self.workers):
            self.wake(other)

    def wake(self, worker: int) -> None:
        """Make a worker's loop look at who is called."""
        os.eventfd_write(self._events[worker], 1)

    def _answer(self, clock: Callable[[], float]) -> None:
        try:
            os.eventfd_read(self._events[self.worker])
        except BlockingIOError:
            return
        now = clock()
        for piece in list(self._pieces.values()):
            try:
                piece.answer(now)
            except Exception:  # noqa: BLE001 - the call is gone, and the others were called as well
                _LOG.exception("a call of another worker for %s failed", piece.name)

    def _piece(self, key: tuple[str, Shape], at: int) -> SharedPiece:
        name, shape = key
        first = at // _CELL
        return SharedPiece(name, shape, self._cells[first : first + shape.cells(self.workers)], self, at)

    def _place(self, key: tuple[str, Shape]) -> int:
        """The first byte of a piece; one that is new is entered in the directory."""
        at = self._places.get(key)
        if at is not None:
            return at
        self._lock_directory()
        try:
            self._read_on()
            at = self._places.get(key)
            return self._append(key) if at is None else at
        finally:
            self._unlock_directory()

    def _read_on(self) -> None:
        (length,) = _LENGTH.unpack_from(self._map, 0)
        for key, at in self._entries(self._read, length):
            self._enter(key, at)
        self._read = max(self._read, length)

    def _enter(self, key: tuple[str, Shape], at: int) -> None:
        self._places[key] = at
        end = at + key[1].cells(self.workers) * _CELL
        self._free = max(self._free, (end + _LINE - 1) // _LINE * _LINE)

    def _entries(self, at: int, end: int) -> Iterator[tuple[tuple[str, Shape], int]]:
        while at < end:
            place, header, held, kept, table, size = _ENTRY.unpack_from(self._map, at)
            at += _ENTRY.size
            yield (self._map[at : at + size].decode(), Shape(header, held, kept, table)), place
            at += size

    def _append(self, key: tuple[str, Shape]) -> int:
        name, shape = key
        text = name.encode()
        at = self._free
        end = self._read + _ENTRY.size + len(text)
        if end > _DIRECTORY or at + shape.cells(self.workers) * _CELL > _SIZE:
            raise MemoryError(f"no room for what the workers share of {name}; a restart begins with none taken")
        _ENTRY.pack_into(self._map, self._read, at, shape.header, shape.held, shape.kept, shape.table, len(text))
        self._map[self._read + _ENTRY.size : end] = text
        # The length last: one that is killed before this line has entered nothing.
        _LENGTH.pack_into(self._map, 0, end)
        self._enter(key, at)
        self._read = end
        return at

    def _lock_directory(self) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 1, 0)

    def _unlock_directory(self) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, 0)
