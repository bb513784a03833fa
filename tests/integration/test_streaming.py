"""What is written passes at once, and whoever does not read holds back whoever writes, in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call, GoneError
from tests.doubles.peer import Answer
from tests.doubles.running import running

CHUNK = b"z" * 65_536
# Both directions hold at most what sockets and the two write buffers hold; 64 MiB is far past that, and far from all.
MUCH = 64 * 1024 * 1024


async def test_an_event_arrives_before_the_next_is_made() -> None:
    arrived = asyncio.Queue[int]()

    async def events(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for count in range(5):
            event = b"data: %d\n\n" % count
            await call.send(b"%x\r\n%s\r\n" % (len(event), event))
            assert await arrived.get() == count
        await call.send(b"0\r\n\r\n")

    async with Backend(events) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        answer = await peer.head()
        assert answer.get("content-type") == b"text/event-stream"
        for count in range(5):
            assert await peer.chunk(answer) == b"data: %d\n\n" % count
            arrived.put_nowait(count)
        assert await peer.chunk(answer) is None


async def test_a_head_arrives_before_there_is_a_body() -> None:
    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await release.wait()
        await call.send(b"ok")

    async with Backend(slow) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await peer.head()).status == 200
        release.set()
        assert await peer.exactly(2) == b"ok"


async def test_an_upload_reaches_the_backend_piece_by_piece() -> None:
    got = asyncio.Queue[bytes]()

    async def reading(call: Call) -> None:
        for _ in range(3):
            got.put_nowait(await call.connection.exactly(5))
        await call.send(OK)
        call.close()

    async with Backend(reading) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n")
        for piece in (b"first", b"secon", b"third"):
            await peer.send(piece)
            async with asyncio.timeout(LIMIT_SECONDS):
                assert await got.get() == piece
        assert (await peer.answer()).status == 200


async def _stuck(progress: list[int], limit: int) -> int:
    """Waits until a writer has made no progress for many turns of the loop; how far it came."""
    same = 0
    while same < 2000 and progress[0] < limit:
        before = progress[0]
        await asyncio.sleep(0)
        same = same + 1 if progress[0] == before else 0
    return progress[0]


async def test_a_client_that_does_not_read_holds_the_backend_back() -> None:
    sent = [0]

    async def pour(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MUCH)
        with contextlib.suppress(GoneError):
            while sent[0] < MUCH:
                await call.send(CHUNK)
                sent[0] += len(CHUNK)

    async with Backend(pour) as backend, running(backend.url) as proxy, proxy.peer(receive_buffer=65_536) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await peer.head()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert await _stuck(sent, MUCH) < MUCH // 2
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        received = 0
        while received < MUCH:
            received += len(await peer.exactly(len(CHUNK)))
        assert sent[0] == MUCH


async def test_a_backend_that_does_not_read_holds_the_client_back() -> None:
    release = asyncio.Event()
    sent = [0]

    async def reluctant(call: Call) -> None:
        await release.wait()
        await call.body()
        await call.send(OK)

    async with (
        Backend(reluctant, receive_buffer=65_536) as backend,
        running(backend.url) as proxy,
        proxy.peer() as peer,
    ):
        await peer.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MUCH // 2))

        async def pour() -> None:
            while sent[0] < MUCH // 2:
                peer.writer.write(CHUNK)
                await peer.writer.drain()
                sent[0] += len(CHUNK)

        pouring = asyncio.get_running_loop().create_task(pour())
        assert await _stuck(sent, MUCH // 2) < MUCH // 4
        release.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await pouring
            answer: Answer = await peer.answer()
        assert answer.status == 200
        assert len(backend.requests[0].body) == MUCH // 2


@pytest.mark.both_loops
async def test_many_streams_at_once_do_not_mix() -> None:
    async def named(call: Call) -> None:
        name = call.request.target
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            await call.send(b"%x\r\n%s\r\n" % (len(name), name))
            await asyncio.sleep(0)
        await call.send(b"0\r\n\r\n")

    async with Backend(named) as backend, running(backend.url) as proxy:

        async def one(count: int) -> None:
            async with proxy.peer() as peer:
                for again in range(3):
                    target = f"/{count}/{again}"
                    assert (await peer.get(target)).body == target.encode() * 20

        await asyncio.gather(*(one(count) for count in range(40)))
