"""Bytes relayed between TLS and TLS: ended at the listener, begun towards the endpoint, or neither."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.certificates import root, server_certificate
from tests.doubles.running import RunningProxy, running
from tests.doubles.tls import terms
from tests.integration.test_tcp import echo, rules, serving


def trusting(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=root().write(folder))
    context.check_hostname = False
    return context


async def said(proxy: RunningProxy, context: ssl.SSLContext | None, data: bytes) -> bytes:
    """What comes back over a connection of its own."""
    async with asyncio.timeout(LIMIT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=context)
        writer.write(data)
        found = await reader.readexactly(len(data))
        writer.close()
        await writer.wait_closed()
        return found


async def test_tls_of_a_listener_ends_there_and_plain_bytes_go_on(tmp_path: Path) -> None:
    heard = asyncio.Queue[bytes]()

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(100)
        heard.put_nowait(data)
        writer.write(data)
        await reader.read()

    tls = terms(server_certificate().write(tmp_path))
    async with serving(listening) as server, running(rules=rules(server.url, listener=tls)) as proxy:
        assert await said(proxy, trusting(tmp_path), b"plain beyond") == b"plain beyond"
        assert heard.get_nowait() == b"plain beyond"
        assert await server.ended() is None, "the end of the client is passed on"
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 1}


@asynccontextmanager
async def secured(*names: str, folder: Path) -> AsyncIterator[int]:
    """The port of an echo that speaks TLS."""
    files = server_certificate(*names).write(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await echo(reader, writer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_tls_is_spoken_with_an_endpoint_that_asks_for_it_and_much_comes_through(tmp_path: Path) -> None:
    trusted = f"tls: {{ca: {root().write(tmp_path)}, server_name: localhost}}"
    data = bytes(range(256)) * 4096
    async with (
        secured(folder=tmp_path) as port,
        running(rules=rules(f"tls://127.0.0.1:{port}", upstream=trusted)) as proxy,
    ):
        assert await said(proxy, None, data) == data
        await proxy.quiet()
        assert proxy.stats.upstreams["app"].attempts == {"success": 1}


async def test_an_endpoint_with_a_certificate_of_another_name_is_not_spoken_with(tmp_path: Path) -> None:
    trusted = f"tls: {{ca: {root().write(tmp_path)}, server_name: localhost}}"
    async with secured("other.example", folder=tmp_path) as port:
        text = rules(f"tls://127.0.0.1:{port}", upstream=trusted, route="retry: null")
        async with running(rules=text) as proxy, proxy.peer() as peer:
            assert await peer.rest() == b""
            await proxy.quiet()
            assert proxy.stats.upstreams["app"].attempts == {"certificate_wrong_name": 1}
            assert proxy.requests() == {("TCP", 502): 1}


async def test_tls_between_client_and_server_passes_as_any_bytes_do(tmp_path: Path) -> None:
    async with secured(folder=tmp_path) as port, running(rules=rules(f"tcp://127.0.0.1:{port}")) as proxy:
        assert await said(proxy, trusting(tmp_path), b"nobody in between") == b"nobody in between"
        await proxy.quiet()
