"""Clients that nobody here wrote, over TLS: curl with uploads and downloads, WebSockets, server-sent events."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.doubles.backend import Backend, Call
from tests.doubles.certificates import client_certificate, root, server_certificate
from tests.doubles.running import RunningProxy, rules_text, running
from tests.doubles.servers import ended, printed, require
from tests.doubles.tls import NAME, dial, terms, trusting

LARGE = bytes(range(256)) * (8 * 4096)  # 8 MiB


async def script(call: Call) -> None:
    """A large download; an upload answered with its digest."""
    if call.request.get("expect") is not None:
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await call.body()
    told = hashlib.sha256(body).hexdigest().encode() if body else LARGE
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)


def curl(proxy: RunningProxy, ca: str, *options: str) -> list[str]:
    """A command that asks for `NAME` and finds it here."""
    where = ["--resolve", f"{NAME}:{proxy.port}:127.0.0.1", "--cacert", ca]
    return [require("curl"), "-sS", "--fail", *where, *options, f"https://{NAME}:{proxy.port}/"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_curl_downloads_and_uploads_what_is_large(version: str, tmp_path: Path) -> None:
    rules = terms(server_certificate(NAME).write(tmp_path))
    ca, down, up = root().write(tmp_path), tmp_path / "down", tmp_path / "up"
    up.write_bytes(LARGE[::-1])
    async with Backend(script) as backend, running(rules=rules_text(backend.url, listener=rules)) as proxy:
        speaks = [f"--tlsv{version}", "--tls-max", version]
        told = await printed(*curl(proxy, ca, *speaks, "-o", str(down), "-w", "%{http_version} %{ssl_verify_result}"))
        assert told == "1.1 0"
        assert down.read_bytes() == LARGE
        assert await printed(*curl(proxy, ca, *speaks, "-T", str(up))) == hashlib.sha256(LARGE[::-1]).hexdigest()
        chunked = curl(proxy, ca, *speaks, "-T", str(up), "-H", "Transfer-Encoding: chunked")
        assert await printed(*chunked) == hashlib.sha256(LARGE[::-1]).hexdigest()
        assert [request.get("x-forwarded-proto") for request in backend.requests] == [b"https"] * 3


async def test_curl_shows_its_certificate_and_the_backend_is_told_of_it(tmp_path: Path) -> None:
    ca = root().write(tmp_path)
    files = server_certificate(NAME).write(tmp_path)
    mine = client_certificate("batch job").write(tmp_path, "client")
    rules = terms(files, f"client_ca: {ca}", "forward_client_certificate: true")
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=rules)) as proxy:
        forged = ["-H", "X-Forwarded-Client-Cert: Hash=forged"]
        shown = ["--cert", mine.certificate, "--key", mine.private_key]
        assert await printed(*curl(proxy, ca, *shown, *forged)) == "ok"
        told = backend.requests[0].get("x-forwarded-client-cert") or b""
        assert client_certificate("batch job").fingerprint.encode() in told
        assert b"batch job" in told
        assert b"forged" not in told
        refused = await ended(*curl(proxy, ca))
        assert refused.code in (35, 55, 56), refused
        assert len(backend.requests) == 1


async def test_websockets_live_on_tls(tmp_path: Path) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    context = trusting(root().write(tmp_path))
    listener = terms(server_certificate(NAME).write(tmp_path))
    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with (
            running(rules=rules_text(url, listener=listener)) as proxy,
            connect(f"wss://{NAME}:{proxy.port}/", host="127.0.0.1", ssl=context, max_size=None, proxy=None) as socket,
        ):
            for message in ("hello", "", b"\x00" * 1000, LARGE[: 2**21]):
                await socket.send(message)
                assert await socket.recv() == message


async def test_each_event_comes_as_it_is_sent(tmp_path: Path) -> None:
    asked_for = asyncio.Semaphore(0)

    async def events(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(20):
            await asked_for.acquire()
            event = b"data: %02d\n\n" % number
            await call.send(b"%x\r\n%b\r\n" % (len(event), event))
        await call.send(b"0\r\n\r\n")

    context = trusting(root().write(tmp_path))
    listener = terms(server_certificate(NAME).write(tmp_path))
    async with (
        Backend(events) as backend,
        running(rules=rules_text(backend.url, listener=listener)) as proxy,
        await dial(proxy.port, context) as peer,
    ):
        await peer.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await peer.head()
        for number in range(20):
            asked_for.release()
            assert await peer.chunk(answer) == b"data: %02d\n\n" % number
        assert await peer.chunk(answer) is None
