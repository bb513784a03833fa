"""Connections to the admin address: a bound that nobody can hold against others."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

import pytest

from sidecar.admin.callers import Callers
from sidecar.admin.server import AdminServer
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.peer import Peer
from tests.doubles.subject import FakeSubject

LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
NO_HTTP = (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n")


@asynccontextmanager
async def serving(callers: Callers) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    with patch("sidecar.admin.server.Callers", lambda: callers):
        server = AdminServer(FakeSubject(), loopback=True)
    await server.start([listening])
    try:
        yield port
    finally:
        async with asyncio.timeout(LIMIT_SECONDS):
            await server.close()


async def test_whoever_does_not_end_its_head_is_let_go() -> None:
    async with serving(Callers(patience=0.01)) as port, await Peer.connect(port) as peer:
        await peer.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        assert await peer.ended() == b""


async def test_one_that_has_asked_stays_for_its_next_question() -> None:
    callers = Callers(patience=0.01)
    async with serving(callers) as port, await Peer.connect(port) as peer, await Peer.connect(port) as silent:
        assert (await peer.ask(LIVE)).status == 200
        assert await silent.ended() == b""
        assert (await peer.ask(LIVE)).status == 200


async def test_at_the_bound_the_longest_idle_goes_and_the_newcomer_is_answered() -> None:
    async with (
        serving(Callers(most=3)) as port,
        await Peer.connect(port) as stream,
        await Peer.connect(port) as first,
    ):
        await stream.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await stream.head()
        await first.ask(LIVE)
        async with await Peer.connect(port) as silent, await Peer.connect(port) as newcomer:
            assert (await newcomer.ask(LIVE)).status == 200
            assert await first.ended() == b""
            async with await Peer.connect(port) as another:
                assert (await another.ask(LIVE)).status == 200
                assert await silent.ended() == b""
        assert not stream.reader.at_eof(), "an answer under way is not cut for a newcomer"


async def test_a_crowd_that_comes_at_once_is_no_more_than_the_bound() -> None:
    async with serving(Callers(most=4)) as port:
        crowd = [await Peer.connect(port) for _ in range(40)]
        async with await Peer.connect(port) as newcomer:
            assert (await newcomer.ask(LIVE)).status == 200
        for one in crowd[:36]:
            assert await one.ended() == b""
        for one in crowd:
            await one.close()


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n"]
)
async def test_that_a_caller_speaks_no_http_costs_no_line_of_the_log(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving(Callers()) as port, await Peer.connect(port) as peer:
            await peer.send(said)
            assert b"400" in await peer.rest()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
