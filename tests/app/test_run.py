"""The process as an orchestrator sees it: signals, the order of the drain, exit codes. Real processes, real signals."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from tests.doubles.backend import Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.process import ROOT, process

# As long as nobody waits for it.
LONG = "600s"


async def holding(call: Call) -> None:
    """A backend that never answers."""
    await call.wait_gone()


async def ended_with(*arguments: str) -> tuple[int, str]:
    """The exit code and the standard error of a command that ends by itself."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sidecar",
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        _, told = await started.communicate()
    assert started.returncode is not None
    return started.returncode, told.decode()


async def test_a_signal_drains_and_ends_with_0() -> None:
    async with Backend() as backend, process(backend.url) as proxy:
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 200
            proxy.signal(signal.SIGTERM)
            assert await peer.rest() == b""
        assert await proxy.ended() == 0
        await proxy.said("drained: every request was answered")


async def test_ctrl_c_is_a_signal_like_any_other() -> None:
    async with Backend() as backend, process(backend.url) as proxy:
        proxy.signal(signal.SIGINT)
        assert await proxy.ended() == 0


async def test_a_hang_up_away_from_a_terminal_reads_the_rules_again_and_drops_nothing() -> None:
    async with Backend() as backend, process(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.get("/")).status == 200
        proxy.signal(signal.SIGHUP)
        await proxy.said("SIGHUP: unchanged, generation 1: there is no file to read again")
        assert (await peer.get("/")).status == 200
        await peer.close()
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 0


async def test_a_terminal_that_closes_drains_what_ran_in_it() -> None:
    ours, theirs = os.openpty()
    arguments = ["run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar", *arguments, cwd=ROOT, stdin=theirs, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert started.stderr is not None
        async with asyncio.timeout(30):
            assert b"serving on" in await started.stderr.readline()
            started.send_signal(signal.SIGHUP)
            _, rest = await started.communicate()
        assert started.returncode == 0
        assert b"draining (SIGHUP)" in rest
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
        os.close(ours)
        os.close(theirs)


async def test_the_admins_drain_answers_when_drained_and_ends_the_process() -> None:
    async with Backend() as backend, process(backend.url) as proxy:
        answer = await proxy.admin("POST", "/drain?wait=30s")
        assert (answer.status, b'"drained": true' in answer.body) == (200, True)
        assert await proxy.ended() == 0


async def test_a_signal_after_the_admins_drain_cuts_nothing() -> None:
    answering = asyncio.Event()

    async def held(call: Call) -> None:
        await answering.wait()
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    async with Backend(held) as backend, process(backend.url, sets=[f"drain.deadline={LONG}"]) as proxy:
        async with proxy.peer() as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await backend.wait_requests(1)
            assert (await proxy.admin("POST", "/drain")).status == 202
            await proxy.said("still busy")
            proxy.signal(signal.SIGTERM)
            assert (await proxy.admin("GET", "/livez")).status == 200
            answering.set()
            assert (await peer.answer()).body == b"late"
        assert await proxy.ended() == 0


async def test_a_port_that_is_taken_ends_with_3_and_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, told = await ended_with(
            "run", "--upstream", "http://127.0.0.1:1", "--listen", address, "--admin", "127.0.0.1:0"
        )
    assert code == 3
    assert told.startswith(f"sidecar: cannot listen on {address}: Address already in use; ")
    assert told.endswith("choose another address with --listen or --admin\n")


async def test_rules_that_cannot_be_used_end_with_1_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("version: 1\nbogus: 1\nupstreams: {app: {endpoints: [http://127.0.0.1:1]}}\nroutes: []\n")
    code, told = await ended_with("run", "-c", str(path))
    assert code == 1
    assert f"{path}:2:1: error: unknown key `bogus`" in told
    assert "Traceback" not in told


async def test_the_demo_says_where_it_is_and_serves_its_backend() -> None:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sidecar",
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stderr is not None
        async with asyncio.timeout(30):
            first = (await started.stderr.readline()).decode()
        assert "listens on http://127.0.0.1:" in first
        async with await Peer.connect(int(first.rpartition(":")[2])) as peer:
            assert (await peer.get("/status/418")).status == 418
        started.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            _, rest = await started.communicate()
        assert started.returncode == 0
        assert b"Traceback" not in rest
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def test_an_idle_process_is_small() -> None:
    async with process("http://127.0.0.1:1") as proxy:
        assert proxy.memory_bytes() < 60 << 20


async def test_status_reaches_an_admin_address_that_is_a_unix_socket(tmp_path: Path) -> None:
    admin = f"unix:{tmp_path / 'admin.sock'}"
    rules = tmp_path / "s.yaml"
    rules.write_text(
        "version: 1\nlisteners: [{address: '127.0.0.1:0'}]\nupstreams: {app: {endpoints: ['http://127.0.0.1:1']}}\n"
        "routes: [{name: all, upstream: app}]\ndrain: {announce: 0s}\n"
    )
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sidecar",
        "run",
        "-c",
        str(rules),
        "--admin",
        admin,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stderr is not None
        async with asyncio.timeout(30):
            assert b"serving on" in await started.stderr.readline()
        assert (await ended_with("status", "--admin", admin))[0] == 0
        assert (await ended_with("drain", "--admin", admin, "--wait", "20s"))[0] == 0
        async with asyncio.timeout(30):
            await started.communicate()
        assert started.returncode == 0
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
