"""Keep-alive of connections that may be silent for hours."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from sidecar.transport.keepalive import OPTIONS, keep_alive


@pytest.mark.both_loops
async def test_the_kernel_is_told_to_ask_a_silent_peer() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    keep_alive(writer.transport)  # type: ignore[arg-type]
    sock = writer.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    for name, value in OPTIONS.items():
        assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


class _Transport:
    def __init__(self, sock: socket.socket | None) -> None:
        self.sock = sock

    def get_extra_info(self, name: str) -> object:
        return self.sock


def test_what_is_not_tcp_or_not_open_is_left_alone() -> None:
    near, far = socket.socketpair()
    closed = socket.socket()
    closed.close()
    with near, far, socket.socket() as taken:
        number = taken.detach()
        broken = socket.socket(fileno=number)
        os.close(number)  # behind its back
        for sock in (near, closed, broken, None):
            keep_alive(_Transport(sock))  # type: ignore[arg-type]
        broken.detach()
        assert not near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
