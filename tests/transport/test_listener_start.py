"""What a listener does that is stopped or paused while it starts, and on a socket that has a past."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sidecar.model.address import Address
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry
from sidecar.transport.sockets import bind, refuse_newcomers
from tests.transport.test_listener import Accepted, connected, finish, greeted, heard, listening, port_of

pytestmark = pytest.mark.both_loops


async def test_one_that_is_stopped_while_it_starts_leaves_nobody_accepting() -> None:
    listener = listening(Address("127.0.0.1", 0))
    port = port_of(listener)
    starting = asyncio.ensure_future(listener.start())
    await asyncio.sleep(0)
    listener.stop_accepting()
    await starting
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))
    await finish(listener, [])


async def test_one_that_is_paused_and_resumed_while_it_starts_accepts_everywhere() -> None:
    registry = Registry()
    sockets = [*bind(Address("127.0.0.1", 0)), *bind(Address("127.0.0.1", 0))]
    ports = [sock.getsockname()[1] for sock in sockets]
    loop = asyncio.get_running_loop()
    listener = Listener("l", sockets, lambda full: Accepted(registry, full), registry, loop)
    starting = asyncio.ensure_future(listener.start())
    await asyncio.sleep(0)
    listener.pause()
    listener.resume()
    await starting
    clients = [connected(("127.0.0.1", port)) for port in ports]
    assert [await heard(client) for client in clients] == [b"welcome"] * 2
    for client in clients:
        client.close()
    await finish(listener, [])


async def test_a_socket_that_was_made_deaf_before_hears_again() -> None:
    (sock,) = bind(Address("127.0.0.1", 0))
    with sock.dup() as other:
        refuse_newcomers(other)
    registry = Registry()
    loop = asyncio.get_running_loop()
    listener = Listener("l", [sock], lambda full: Accepted(registry, full), registry, loop)
    await listener.start()
    writers: list[asyncio.StreamWriter] = []
    assert await greeted(writers, Address(), port_of(listener)) == b"welcome"
    await finish(listener, writers)
