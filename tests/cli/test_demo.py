"""`sidecar demo` in its three forms: what may be typed with which, and how each ends."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.cli.main import main
from tests.doubles.process import ROOT, ProxyProcess
from tests.doubles.servers import ended

BACKEND = ["--backend", "127.0.0.1:0"]
LOAD = ["--load", "http://127.0.0.1:1/"]


@asynccontextmanager
async def backend(at: str, *words: str) -> AsyncIterator[ProxyProcess]:
    """The backend alone, as a process."""
    started = ProxyProcess(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sidecar", "demo", "--backend", at, *words),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield started
    finally:
        if started.process.returncode is None:
            started.process.kill()
        await started.ended()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([*BACKEND, "--listen", ":80"], "--listen is for the proxy, and means nothing to --backend"),
        ([*BACKEND, "--admin", ":81"], "--admin is for the proxy, and means nothing to --backend"),
        ([*BACKEND, "--set", "a=b"], "--set is for the proxy, and means nothing to --backend"),
        ([*BACKEND, "--requests", "1"], "--requests is for --load, and means nothing to --backend"),
        ([*LOAD, "--flaky", "0.1"], "--flaky is for the proxy, and means nothing to --load"),
        ([*LOAD, "--allow-faults"], "--allow-faults is for the proxy, and means nothing to --load"),
        (["--rate", "1/s"], "--rate is for --load, and means nothing to the proxy"),
        ([*BACKEND, *LOAD], "not allowed with argument --backend"),
        (["--load", "127.0.0.1:80"], "`127.0.0.1:80`: write http://host:port/path"),
        (["--load", "http://[::1"], "`http://[::1`: write http://host:port/path"),
        (["--flaky", "2"], "--flaky: "),
        (["--slow", "200"], "`200` has no unit"),
        (["--rate", "5"], "write `5/s`"),
        (["--requests", "0"], "`0`: a number from 1 to 10000000"),
        (["--backend", "3000"], "did you mean `:3000`?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_means_nothing_is_usage(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *words]) == 2
    assert told in capsys.readouterr().err


async def test_the_backend_alone_fails_as_asked_is_loaded_and_ends_with_sigterm() -> None:
    async with backend("127.0.0.1:0", "--flaky", "1", "--slow", "1ms") as process:
        found = await process.said(r"^sidecar: the demo backend listens on (http://127\.0\.0\.1:\d+)$", 30.0)
        load = [sys.executable, "-m", "sidecar", "demo", "--load", f"{found[1]}/echo", "--requests", "20", "--rate"]
        end = await ended(*load, "1000/s")
        assert end.code == 0, end.text
        assert re.match(r"20 requests in .* s: 20 × 503; 20 failed \(100\.0%\); half within ", end.text)
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0
        assert process.lines == [found[0], ""]


async def test_the_backend_alone_listens_on_a_unix_socket_too(tmp_path: Path) -> None:
    async with backend(f"unix:{tmp_path}/app.sock") as process:
        await process.said(rf"listens on http://unix:{tmp_path}/app.sock$", 30.0)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "app.sock"))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_an_address_that_cannot_be_bound_ends_with_3(tmp_path: Path) -> None:
    at = f"unix:{tmp_path}/no/folder.sock"
    end = await ended(sys.executable, "-m", "sidecar", "demo", "--backend", at)
    assert (end.code, end.text) == (3, f"sidecar: cannot listen on {at}: No such file or directory\n")
