"""Programs that nobody here wrote: nginx behind it, wrk and h2load before it, each for a second, without one error."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.doubles.backend import LIMIT_SECONDS, refusing
from tests.doubles.peer import Peer
from tests.doubles.process import process
from tests.doubles.running import running
from tests.doubles.servers import require

BIG = b"0123456789abcdef" * 65_536

CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_timeout 75s; keepalive_requests 1000000; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location = /text {{ return 200 "hello from nginx"; }}
    location = /none {{ return 204; }}
    location = /moved {{ return 301 /text; }}
  }}
}}
"""


@contextmanager
def _stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[str]:
    """A real nginx; its URL."""
    program = require("nginx")
    (folder / "www").mkdir()
    (folder / "www" / "big.bin").write_bytes(BIG)
    # The port is kept from others until nginx has it: it may listen where somebody is merely bound.
    with refusing() as port:
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=port))
        command = [program, "-p", str(folder), "-c", str(configuration)]
        started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with _stopped(started):
            await _accepts(port, started, folder / "error.log")
            yield f"http://127.0.0.1:{port}"


async def _accepts(port: int, started: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                peer = await Peer.connect(port)
            except ConnectionRefusedError:
                assert started.poll() is None, log.read_text()
                await asyncio.sleep(0)
            else:
                await peer.close()
                return


async def _run(*command: str) -> str:
    """A program's whole output; it must succeed."""
    started = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS * 2):
            out, _ = await started.communicate()
    except TimeoutError:
        started.kill()
        raise
    assert started.returncode == 0, out.decode()
    return out.decode()


async def test_nginx_behind_it_is_what_nginx_is(tmp_path: Path) -> None:
    async with nginx(tmp_path) as url, running(url) as proxy, proxy.peer() as peer:
        for _ in range(20):
            assert (await peer.get("/text")).body == b"hello from nginx"
        assert (await peer.get("/big.bin")).body == BIG
        part = await peer.get("/big.bin", "Range: bytes=10-19")
        assert (part.status, part.body) == (206, BIG[10:20])
        squeezed = await peer.get("/big.bin", "Accept-Encoding: gzip")
        assert squeezed.get("transfer-encoding") == b"chunked"
        assert squeezed.body[:2] == b"\x1f\x8b"
        etag = (await peer.ask(b"HEAD /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")).get("etag") or b""
        assert (await peer.get("/big.bin", f"If-None-Match: {etag.decode()}")).status == 304
        assert (await peer.get("/none")).status == 204
        assert (await peer.get("/moved")).status == 301
        assert (await peer.get("/missing")).status == 404
        refused = await peer.ask(b"POST /text2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        assert refused.status == 413


async def test_wrk_meets_no_error(tmp_path: Path) -> None:
    program = require("wrk")
    async with nginx(tmp_path) as url, process(url) as proxy:
        out = await _run(program, "-t1", "-c32", "-d1s", f"http://127.0.0.1:{proxy.port}/text")
        assert "Socket errors" not in out, out
        assert "Non-2xx" not in out, out
        assert int(re.search(r"(\d+) requests in", out)[1]) > 0  # type: ignore[index]
        told = await proxy.status()
        (route,) = told["routes"]
        assert route["statuses"].get("5xx", 0) == 0


async def test_h2load_meets_no_error(tmp_path: Path) -> None:
    program = require("h2load")
    async with nginx(tmp_path) as url, process(url) as proxy:
        command = [program, "--h1", "-n", "2000", "-c", "16", f"http://127.0.0.1:{proxy.port}/text"]
        out = await _run(*command)
        assert "2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout" in out, out
        assert "status codes: 2000 2xx" in out, out
