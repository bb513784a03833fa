"""Packets between two processes of this machine, with the sockets that travel along.

Owns SCM_RIGHTS and SO_PEERCRED over a non-blocking unix socket that keeps packets whole (SOCK_SEQPACKET): a packet and
its descriptors arrive together or not at all. Knows nothing of what is said.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# The kernel passes at most 253 descriptors with a packet (SCM_MAX_FD).
MAX_SOCKETS = 64

_PACKET_BYTES = 65536
_DESCRIPTOR = struct.Struct("i")
_EXTRA_BYTES = socket.CMSG_SPACE(MAX_SOCKETS * _DESCRIPTOR.size)
_CREDENTIALS = struct.Struct("iII")


class EndedError(Exception):
    """The other side has closed the connection."""


async def send(connection: socket.socket, message: Mapping[str, object], sockets: Sequence[socket.socket] = ()) -> None:
    """Send one packet, and at most MAX_SOCKETS copies of sockets with it.

    :raises OSError: nobody is there to receive it.
    """
    packet = json.dumps(message).encode()
    fds = [sock.fileno() for sock in sockets]
    while True:
        try:
            socket.send_fds(connection, [packet], fds)
        except BlockingIOError:
            await _possible(connection, writing=True)
        else:
            return


async def receive(connection: socket.socket) -> tuple[dict[str, Any], list[socket.socket]]:
    """The next packet, whole, and the sockets that came with it.

    :raises EndedError: there is none.
    :raises OSError: the connection broke.
    :raises ValueError: it is no message.
    """
    while True:
        try:
            # Not socket.recv_fds: it drops the flag (Python 3.11), and children would keep the queues open.
            packet, extras, _, _ = connection.recvmsg(_PACKET_BYTES, _EXTRA_BYTES, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            await _possible(connection, writing=False)
        else:
            break
    sockets = [socket.socket(fileno=fd) for _, _, data in extras for (fd,) in _DESCRIPTOR.iter_unpack(data)]
    try:
        if not packet:
            raise EndedError
        message = json.loads(packet)
        if not isinstance(message, dict):
            raise ValueError("it said something else")
    except BaseException:
        close(sockets)
        raise
    return message, sockets


async def _possible(connection: socket.socket, *, writing: bool) -> None:
    """Wait until the connection can be written to, or read from."""
    loop = asyncio.get_running_loop()
    turn = loop.create_future()
    fd = connection.fileno()
    if writing:
        loop.add_writer(fd, _wake, turn)
    else:
        loop.add_reader(fd, _wake, turn)
    try:
        await turn
    finally:
        if writing:
            loop.remove_writer(fd)
        else:
            loop.remove_reader(fd)


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def peer(connection: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, by the kernel's word."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    return pid, uid


def close(sockets: Iterable[socket.socket]) -> None:
    """Close all of them."""
    for sock in sockets:
        sock.close()
