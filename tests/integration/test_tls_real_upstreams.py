"""Endpoints that nobody here wrote: nginx and OpenSSL's own server, as they are and as they should not be."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.doubles.backend import LIMIT_SECONDS, refusing
from tests.doubles.certificates import client_certificate, root, server_certificate
from tests.doubles.peer import Peer
from tests.doubles.running import rules_text, running
from tests.doubles.servers import require

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {private_key};
    ssl_client_certificate {ca}; ssl_verify_client optional; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
      add_header x-session $ssl_session_reused; add_header x-version $ssl_protocol; add_header x-name $ssl_server_name;
      add_header x-client "$ssl_client_verify"; return 200 hello;
    }}
  }}
}}
"""


@asynccontextmanager
async def program(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that runs meanwhile."""
    started = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield started
    finally:
        started.terminate()
        await started.communicate()


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[str]:
    """An nginx that tells what it knows of each connection; its URL."""
    binary = require("nginx")
    files = server_certificate("app.internal").write(folder, "nginx")
    with refusing() as port:
        configuration = folder / "nginx.conf"
        configuration.write_text(
            NGINX.format(
                folder=folder,
                port=port,
                certificate=files.certificate,
                private_key=files.private_key,
                ca=root().write(folder),
            )
        )
        async with program(binary, "-p", str(folder), "-c", str(configuration)) as started:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not await accepts(port):
                    assert started.returncode is None
            yield f"https://127.0.0.1:{port}"


async def accepts(port: int) -> bool:
    try:
        peer = await Peer.connect(port)
    except ConnectionRefusedError:
        await asyncio.sleep(0)
        return False
    await peer.close()
    return True


@asynccontextmanager
async def s_server(folder: Path, *options: str, key: str = "p256") -> AsyncIterator[str]:
    """`openssl s_server` with a good certificate for 127.0.0.1; its URL."""
    binary = require("openssl")
    files = server_certificate("127.0.0.1", kind=key).write(folder, "openssl")
    command = [binary, "s_server", "-accept", "127.0.0.1:0", "-cert", files.certificate, "-key", files.private_key]
    command += ["-cert_chain", files.certificate, "-www", *options]
    async with program(*command) as started:
        assert started.stdout is not None
        port = None
        async with asyncio.timeout(LIMIT_SECONDS):
            while port is None:
                line = await started.stdout.readline()
                assert line, "it ended before it listened"
                port = re.search(rb"^ACCEPT 127\.0\.0\.1:(\d+)", line)
        yield f"https://127.0.0.1:{int(port[1])}"


def terms(folder: Path, *more: str) -> str:
    pairs = [f"ca: '{root().write(folder)}'", *more]
    return f"tls: {{{', '.join(pairs)}}}, connect_timeout: 5s, circuit_breaker: null"


async def test_nginx_is_told_our_name_for_it_and_who_we_are_and_sees_us_come_back(tmp_path: Path) -> None:
    own = client_certificate("sidecar").write(tmp_path, "own")
    tls = terms(
        tmp_path,
        "server_name: app.internal",
        f"certificate: '{own.certificate}'",
        f"private_key: '{own.private_key}'",
    )
    async with nginx(tmp_path) as url:
        rules = rules_text(url, upstream=f"{tls}, pool: {{max_lifetime: 1ms}}")
        async with running(rules=rules) as proxy:
            first = await proxy.ask()
            await proxy.until(lambda: proxy.pooled() == 0)
            second = await proxy.ask()
    assert (first.status, first.body) == (200, b"hello")
    told = [(one.get("x-session"), one.get("x-version"), one.get("x-name")) for one in (first, second)]
    assert told == [(b".", b"TLSv1.3", b"app.internal"), (b"r", b"TLSv1.3", b"app.internal")]
    assert first.get("x-client") == b"SUCCESS"


@pytest.mark.parametrize(
    ("options", "tls", "said"),
    [
        (("-tls1_2", "-cipher", "AES128-SHA"), "", "found nothing in common"),
        (("-tls1_2",), "min_version: '1.3'", "speaks no version of TLS that we do"),
        (("-tls1_3", "-Verify", "1", "-verify_return_error"), "", "wants a certificate of us"),
        (("-tls1_2", "-Verify", "1", "-verify_return_error"), "", "found nothing in common"),
    ],
    ids=["no cipher in common", "too old", "TLS 1.3 wants our certificate", "TLS 1.2 wants our certificate"],
)
async def test_what_openssl_refuses_is_said_in_words(
    tmp_path: Path, options: tuple[str, ...], tls: str, said: str
) -> None:
    log: list[bytes] = []

    def write(line: bytes) -> bool:
        log.append(line)
        return True

    async with s_server(tmp_path, *options, key="rsa") as url:
        rules = rules_text(url, upstream=terms(tmp_path, *filter(None, [tls])), route="retry: null")
        async with running(rules=rules.replace("'off'", "errors"), write=write) as proxy:
            answer = await proxy.ask()
    assert (answer.status, answer.problem["reason"]) == (502, "tls_handshake_failed")
    assert said in log[0].decode()


async def test_openssl_s_answer_that_lasts_until_the_end_of_tls_is_whole(tmp_path: Path) -> None:
    async with s_server(tmp_path) as url, running(rules=rules_text(url, upstream=terms(tmp_path))) as proxy:
        answer = await proxy.ask()
    assert answer.status == 200
    assert answer.body.rstrip().endswith(b"</HTML>")
