"""Packets stay whole, sockets travel with theirs, and the kernel says who is at the other end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from sidecar.transport.packets import MAX_SOCKETS, EndedError, close, peer, receive, send

pytestmark = pytest.mark.both_loops

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected ends."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


async def test_a_packet_arrives_with_its_sockets(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sent:
        await send(pair[0], {"what": "a listener"}, [sent] * MAX_SOCKETS)
        message, sockets = await receive(pair[1])
        assert message == {"what": "a listener"}
        assert [sock.getsockname() for sock in sockets] == [sent.getsockname()] * MAX_SOCKETS
        assert not any(sock.get_inheritable() for sock in sockets)
    close(sockets)


async def test_a_receiver_waits_for_the_packet(pair: Pair) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as both:
        received = both.create_task(receive(pair[1]))
        await asyncio.sleep(0)
        assert not received.done()
        both.create_task(send(pair[0], {"n": 1}))
    assert received.result() == ({"n": 1}, [])


async def test_a_sender_waits_for_a_receiver_that_is_behind(pair: Pair) -> None:
    packets = 200
    text = "x" * 10_000

    async def all_of_them() -> None:
        for number in range(packets):
            await send(pair[0], {"n": number, "text": text})

    async with asyncio.timeout(30), asyncio.TaskGroup() as both:
        sending = both.create_task(all_of_them())
        await asyncio.sleep(0)
        assert not sending.done()
        got = [(await receive(pair[1]))[0]["n"] for _ in range(packets)]
    assert got == list(range(packets))


async def test_the_end_of_the_other_side_is_told(pair: Pair) -> None:
    pair[0].close()
    with pytest.raises(EndedError):
        await receive(pair[1])
    with pytest.raises(BrokenPipeError):
        await send(pair[1], {})


@pytest.mark.parametrize("packet", [b"ready", b"[1]", b"\xff\xfe"])
async def test_what_is_no_message_is_refused(pair: Pair, packet: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sent:
        socket.send_fds(pair[0], [packet], [sent.fileno()])
    with pytest.raises(ValueError):  # noqa: PT011 - json has words of its own
        await receive(pair[1])


async def test_the_other_side_is_known_by_process_and_user(pair: Pair) -> None:
    assert peer(pair[0]) == (os.getpid(), os.getuid())
