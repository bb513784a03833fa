"""TLS on real sockets, on both loops: against the standard library's, and against OpenSSL's own client."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.model.connections import Connections
from sidecar.transport.entrance import Entrance
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry
from sidecar.transport.secure import SecureClient
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.sockets import bind
from sidecar.transport.stream import DownstreamStream
from sidecar.transport.tls_terms import TlsTerms
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import LENGTH
from sidecar.wire.origin import Origin
from tests.doubles import servers
from tests.doubles.certificates import root
from tests.transport.clients import GET, OK, UPGRADE
from tests.transport.doubles import FakeAcceptor, HeardCalls, answer
from tests.transport.secure_ends import Inner, Observed, credentials, trusting

pytestmark = pytest.mark.both_loops

LARGE = bytes(range(256)) * 16384  # 4 MB
SWITCH = b"HTTP/1.1 101 X\r\n\r\n"


class Door:
    """A listener that speaks TLS, whose requests are answered by the test."""

    def __init__(self, folder: Path) -> None:
        loop = asyncio.get_running_loop()
        self.calls = HeardCalls()
        self.acceptor = FakeAcceptor(self.calls)
        self.registry = Registry()
        self.wheel = DeadlineWheel(loop, time.monotonic)
        self.counts = Connections()
        self.service = Service(
            DownstreamSettings(),
            self.acceptor,
            lambda transport, announced: Origin("127.0.0.1"),
            self.wheel,
            self.counts,
            self.registry,
            "public",
        )
        self.observed = Observed()
        self.service.tls = TlsTerms(credentials(folder).context, 10.0, 512, self.observed)
        self.context = trusting(folder).context
        sockets = bind(Address("127.0.0.1", 0))
        self.port = sockets[0].getsockname()[1]
        self.listener = Listener("public", sockets, Entrance(self.service), self.registry, loop)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, server_hostname="localhost")

    async def empty(self) -> None:
        """Waits until every connection is gone."""
        gone = asyncio.Event()
        self.registry.when_empty(gone.set)
        async with asyncio.timeout(10):
            await gone.wait()


@asynccontextmanager
async def door(folder: Path) -> AsyncIterator[Door]:
    made = Door(folder)
    await made.listener.start()
    try:
        yield made
    finally:
        made.listener.stop_accepting()
        made.listener.abort()
        await made.empty()
        made.wheel.close()
        assert (made.counts.idle, made.counts.active) == (0, 0)
        assert made.service.tls is not None
        assert made.service.tls.handshakes == 0


async def test_requests_are_answered_one_after_the_other(tmp_path: Path) -> None:
    async with door(tmp_path) as made, asyncio.timeout(10):
        made.acceptor.on_request = answer
        reader, writer = await made.connect()
        for _ in range(3):
            writer.write(GET)
            assert await reader.readexactly(len(OK)) == OK
        writer.close()
        await made.empty()
        assert made.observed.results == ["ok"]


async def test_much_is_sent_at_the_readers_pace(tmp_path: Path) -> None:
    def send(stream: DownstreamStream) -> None:
        stream.send_head(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE), LENGTH, False, True)
        for at in range(0, len(LARGE), 65536):
            stream.send_data(LARGE[at : at + 65536])
        stream.send_end()

    async with door(tmp_path) as made, asyncio.timeout(20):
        made.acceptor.on_request = send
        reader, writer = await made.connect()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(LARGE)) == LARGE
        writer.close()


async def test_a_tunnel_ends_one_half_after_the_other(tmp_path: Path) -> None:
    async with door(tmp_path) as made, asyncio.timeout(10):
        inner = Inner()
        inner.stays_open = True
        client = SecureClient(inner, made.context, "localhost", made.wheel)
        ended, lost = asyncio.Event(), asyncio.Event()
        inner.on["eof"] = ended.set
        inner.on["lost"] = lambda fault: lost.set()
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", made.port)  # type: ignore[type-var]
        await client.established()
        client.write(UPGRADE)
        await made.calls.until("request_end")
        stream = made.acceptor.streams[-1]
        stream.send_informational(SWITCH)
        stream.open_tunnel()
        stream.send_data(b"ours")
        stream.send_end()
        await ended.wait()
        assert inner.received == SWITCH + b"ours"
        client.write(b"theirs")
        client.write_eof()
        await made.empty()
        client.close()
        await lost.wait()
        assert made.calls.bytes_of("request_data") == b"theirs"
        assert made.calls.count(("request_end", b"")) == 2


async def test_an_endpoint_of_the_standard_librarys_answers(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(len(LARGE)))[::-1])
        await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=credentials(tmp_path).context)
    port = server.sockets[0].getsockname()[1]
    inner = Inner()
    lost = asyncio.Event()
    inner.on["lost"] = lambda fault: lost.set()
    wheel = DeadlineWheel(loop, time.monotonic)
    client = SecureClient(inner, trusting(tmp_path).context, "localhost", wheel)
    async with asyncio.timeout(20):
        await loop.create_connection(lambda: client, "127.0.0.1", port)  # type: ignore[type-var]
        await client.established()
        client.write(LARGE)
        await lost.wait()
    assert inner.names[-2:] == ["eof", "lost"]
    assert inner.received == LARGE[::-1]
    server.close()
    await server.wait_closed()
    wheel.close()


async def test_a_client_that_resets_in_the_middle_of_its_handshake_is_forgotten(tmp_path: Path) -> None:
    async with door(tmp_path) as made, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        peer = made.context.wrap_bio(ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(), server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            peer.do_handshake()
        writer.write(outgoing.read())
        await reader.readexactly(5)
        linger = struct.pack("ii", 1, 0)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
        writer.transport.abort()
        await made.empty()
        assert made.observed.results == ["left"]


async def test_plain_http_is_answered_in_plain_http(tmp_path: Path) -> None:
    async with door(tmp_path) as made, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(GET)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 X\r\n")
        writer.close()
        await made.empty()
        assert made.observed.results == ["plain_http"]


@asynccontextmanager
async def s_client(made: Door, ca: str, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """OpenSSL's own client. A line of `K` asks for other keys, one of `R` for another handshake."""
    program = servers.require("openssl")
    process = await asyncio.create_subprocess_exec(
        program, "s_client", "-connect", f"127.0.0.1:{made.port}", "-CAfile", ca, "-servername", "localhost", *more,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(process: asyncio.subprocess.Process, mark: bytes) -> None:
    assert process.stdout is not None
    await process.stdout.readuntil(mark)


async def test_a_client_may_ask_for_other_keys(tmp_path: Path) -> None:
    async with door(tmp_path) as made, asyncio.timeout(20):
        made.acceptor.on_request = answer
        async with s_client(made, root().write(tmp_path)) as process:
            assert process.stdin is not None
            await until(process, b"Verify return code: 0 (ok)")
            for _ in range(2):
                process.stdin.write(b"K\n")
                await until(process, b"KEYUPDATE")
                process.stdin.write(GET)
                await until(process, b"HTTP/1.1 200")
        await made.empty()


async def test_a_client_may_not_begin_anew(tmp_path: Path) -> None:
    async with door(tmp_path) as made, asyncio.timeout(20):
        made.acceptor.on_request = answer
        async with s_client(made, root().write(tmp_path), "-tls1_2") as process:
            assert process.stdin is not None
            await until(process, b"Verify return code: 0 (ok)")
            process.stdin.write(b"R\n")
            await until(process, b"no renegotiation")
            await made.empty()
        assert made.observed.results == ["ok"]


async def test_a_client_in_the_middle_of_its_handshake_is_served_when_the_listener_leaves(tmp_path: Path) -> None:
    async with door(tmp_path) as made, asyncio.timeout(10):
        made.acceptor.on_request = answer
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = made.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        with pytest.raises(ssl.SSLWantReadError):
            peer.do_handshake()
        writer.write(outgoing.read())
        incoming.write(await reader.read(65536))
        made.listener.stop_accepting()
        made.listener.close_idle()
        peer.do_handshake()
        peer.write(GET)
        writer.write(outgoing.read())
        while not incoming.pending:
            incoming.write(await reader.read(65536))
        assert peer.read(65536).startswith(b"HTTP/1.1 200")
        writer.close()
        await made.empty()
