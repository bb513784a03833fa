"""The clients and the backend of the life scenarios, against each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.life.callers import Calling, curling, download, h2load, paced, posting, wrk
from benchmarks.life.cancel import _REQUESTS
from benchmarks.life.echoes import Echoes
from benchmarks.life.origin import LARGE, PIECE, PIECES_PER_SECOND, Origin
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.peer import Peer
from tests.doubles.servers import require


@asynccontextmanager
async def origin() -> AsyncIterator[int]:
    """The backend on this loop; its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Origin(loop), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def until(calling: Calling, requests: int) -> None:
    """Waits until so many requests are over."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while calling.requests < requests:
            await asyncio.sleep(0)


async def test_the_backend_answers_each_target_in_order() -> None:
    async with origin() as port, await Peer.connect(port) as peer:
        await peer.send(
            b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % one for one in (b"/slow/20", b"/fail", b"/large"))
        )
        answers = [await peer.answer() for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 503, 200]
        assert answers[2].body == LARGE
        upload = await peer.ask(b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        assert (upload.status, len(upload.body)) == (200, 150)


async def test_a_download_has_all_its_pieces() -> None:
    async with origin() as port, await Peer.connect(port) as peer:
        assert (await peer.get("/download/0.2")).body == PIECE * int(0.2 * PIECES_PER_SECOND)


async def test_what_is_left_at_once_leaves_the_backend_whole() -> None:
    async with origin() as port:
        for request in _REQUESTS:
            async with await Peer.connect(port) as peer:
                await peer.send(request)
                peer.reset()
        async with await Peer.connect(port) as peer:
            assert (await peer.get("/small")).status == 200


async def test_messages_come_back_and_a_socket_that_ends_is_counted() -> None:
    async with origin() as port, Echoes(port, 3) as echoes, asyncio.timeout(LIMIT_SECONDS):
        while echoes.messages < 6:
            await asyncio.sleep(0.01)
        assert echoes.closed == 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(silent, "127.0.0.1", 0) as server,
        Echoes(server.sockets[0].getsockname()[1], 2) as echoes,
        asyncio.timeout(LIMIT_SECONDS),
    ):
        while echoes.closed < 2:
            await asyncio.sleep(0.01)


async def test_a_client_counts_answers_and_failures_and_heeds_close() -> None:
    heard: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        if len(heard) % 2:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    calling, left = Calling(), asyncio.Event()
    async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = asyncio.ensure_future(posting(calling, lambda: port, left.set))
        await until(calling, 4)
        calling.ends = True
        await client
    assert left.is_set()
    assert calling.called.requests == calling.requests == len(heard)
    assert calling.failed == len(heard) // 2
    assert "ServerDisconnectedError" in calling.failures[0]


async def test_programs_are_started_and_their_verdicts_read(tmp_path: Path) -> None:
    for name in ("wrk", "h2load", "curl"):
        require(name)
    async with origin() as port:
        called = await wrk(port, "/small", 1, tmp_path, connections=2)
        assert called.requests > 0
        assert called.failed == 0
        assert (await wrk(port, "/fail", 1, tmp_path, connections=2)).failed > 0
        for target, failed in (("/small", 0), ("/fail", 20)):
            called = await h2load(port, target, 20, 2)
            assert (called.requests, called.failed) == (20, failed)
        assert (await download(port, "/download/0.2"))[0]
        assert not (await download(port, "/fail"))[0]
        calling = Calling()
        client = asyncio.ensure_future(curling(calling, port))
        await until(calling, 2)
        calling.ends = True
        await client
        assert calling.failed == 0
        called = await paced(port, "/small", 50, 0.5, 2)
        assert called.requests == 25
        assert called.failed == 0
        assert called.longest_ms >= called.p99_ms >= called.p50_ms > 0
