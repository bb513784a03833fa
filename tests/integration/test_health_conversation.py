"""A check that speaks the backend's own language, as the example has it: accepted connections alone prove nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.doubles.peer import Peer
from tests.doubles.running import example, running


class Store:
    """A server that answers PING with what it is told to, and everything else as it came."""

    def __init__(self) -> None:
        self.pong = b"+PONG\r\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(self.pong if line == b"PING\r\n" else line)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_an_endpoint_that_accepts_and_says_the_wrong_thing_takes_no_connections() -> None:
    store = Store()
    async with await asyncio.start_server(store.serve, "127.0.0.1", 0) as server:
        url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        sets = ["upstreams.app.health_check.interval=100ms", "upstreams.app.health_check.timeout=5s"]
        sets.append("upstreams.app.hold=null")
        async with running(given=example("health-check-send-expect", url, sets=sets)) as proxy:
            (endpoint,) = proxy.proxy.current.runtime.upstreams["app"].endpoints
            await proxy.until(lambda: not endpoint.down)
            async with await Peer.connect(proxy.port) as peer:
                await peer.send(b"GET x\r\n")
                assert await peer.until(b"\n") == b"GET x\r\n"
            store.pong = b"-LOADING Redis is loading the dataset in memory\r\n"
            await proxy.until(lambda: endpoint.down)
            why = proxy.proxy.checks.verdicts.why(endpoint)
            assert why.startswith("answered '-LOADING Redis is loading")
            assert why.endswith(", not '+PONG'")
            async with await Peer.connect(proxy.port) as peer:
                assert await peer.rest() == b""
            store.pong = b"+PONG\r\n"
            await proxy.until(lambda: not endpoint.down)
