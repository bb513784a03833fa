"""Lines to a pipe, a terminal, a socket or a device, without ever waiting for whoever reads there.

A regular file is file_writer.py's: no poll tells whether a disk has time.
"""

from __future__ import annotations

import os
import select
import socket
import stat

# A pipe that is ready takes PIPE_BUF bytes at once and whole (POSIX write); a longer line could block or be torn.
MAX_LINE_BYTES = select.PIPE_BUF


class StreamWriter:
    """Writes whole lines to a descriptor without ever waiting for its reader, who may want them `coloured`."""

    __slots__ = ("_descriptor", "_given", "_poll", "_socket", "_torn", "coloured")

    def __init__(self, descriptor: int, *, coloured: bool = False) -> None:
        self.coloured = coloured
        self._given = descriptor
        self._descriptor = _unblocked(descriptor)
        self._socket = _socket(descriptor)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._torn = False

    def __call__(self, line: bytes) -> bool:
        """Write one line; whether it is written whole. One of at most MAX_LINE_BYTES is not torn by another process's
        in a pipe; a longer one may be."""
        if self._torn:
            line = b"\n" + line
        sent = 0
        while sent < len(line):
            written = self._put(line[sent : sent + MAX_LINE_BYTES])
            if not written:
                break
            sent += written
        if sent:
            self._torn = sent < len(line)
        return sent == len(line)

    def close(self) -> None:
        """Give back what it opened; nothing is written from then on."""
        self._poll = select.poll()  # which is never ready: the number may be another's by now
        if self._descriptor != self._given:
            os.close(self._descriptor)
            self._descriptor = self._given
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __del__(self) -> None:
        self.close()

    def _put(self, part: bytes) -> int:
        try:
            if self._socket is not None:
                # Without a poll, which calls a socket ready only when three quarters of it are free: the stack that a
                # dying worker has just written byte by byte takes more, and how it died is what has to be told then.
                return self._socket.send(part, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            ready = self._poll.poll(0)
            if not ready or not ready[0][1] & select.POLLOUT or ready[0][1] & (select.POLLERR | select.POLLNVAL):
                return 0
            return os.write(self._descriptor, part)
        except OSError:
            return 0


def _unblocked(descriptor: int) -> int:
    """The same pipe or terminal opened anew, not to block; the descriptor itself where it cannot be.

    Setting O_NONBLOCK on the descriptor would set it for every process that shares it, the shell among them. The poll
    before a write is not enough where several processes write to one pipe: all of them may see the same last place.
    """
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass  # a pipe of another user's, or one that nobody reads
    return descriptor


def _socket(descriptor: int) -> socket.socket | None:
    """A socket (the journal's stream is one) cannot be opened anew, but can be told not to wait with each call."""
    try:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return socket.socket(fileno=os.dup(descriptor))
    except OSError:
        pass
    return None
