"""A real process leaves under load: clients that heed `Connection: close` fail in no request, downloads are whole."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Callable

import aiohttp

from tests.doubles.backend import LIMIT_SECONDS, Backend, Call
from tests.doubles.process import ProxyProcess, process
from tests.doubles.servers import require

ANNOUNCING = ["drain.announce=600s", "drain.deadline=601s"]
LONG = ["drain.announce=0s", "drain.deadline=600s"]
PIECE = b"0123456789abcdef" * 4096


async def run(*command: str) -> tuple[int, bytes]:
    """A program's exit code and its whole output."""
    started = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS * 2):
            out, _ = await started.communicate()
    except TimeoutError:
        started.kill()
        raise
    assert started.returncode is not None
    return started.returncode, out


async def until(proxy: ProxyProcess, holds: Callable[[int, int], bool]) -> None:
    """Waits for a condition on how many requests have ended, and how many are under way."""
    async with asyncio.timeout(LIMIT_SECONDS * 2):
        while True:
            told = await proxy.status()
            if holds(sum(route["requests"] for route in told["routes"]), told["drain"]["in_flight"]["requests"]):
                return


class KeepAlive:
    """A client that keeps its connection for as long as it is let, and goes to the second address when told to."""

    def __init__(self, first: int, second: int) -> None:
        self.port = first
        self.second = second
        self.answered = 0
        self.moved = asyncio.Event()
        self.ends = False

    async def __call__(self) -> None:
        async with aiohttp.ClientSession() as session:
            while not self.ends:
                # POST: what aiohttp would never send a second time by itself.
                async with session.post(f"http://127.0.0.1:{self.port}/", data=b"x") as answer:
                    assert (answer.status, await answer.read()) == (200, b"ok")
                    self.answered += 1
                    if answer.headers.get("Connection") == "close":
                        assert self.port != self.second
                        self.port = self.second
                        self.moved.set()


async def test_keep_alive_clients_that_heed_close_fail_in_no_request() -> None:
    async with (
        Backend() as backend,
        process(backend.url, sets=ANNOUNCING) as old,
        process(backend.url) as new,
        asyncio.timeout(LIMIT_SECONDS * 4),
        asyncio.TaskGroup() as group,
    ):
        clients = [KeepAlive(old.port, new.port) for _ in range(8)]
        for client in clients:
            group.create_task(client())
        await until(old, lambda ended, _: ended >= 50)
        old.signal(signal.SIGTERM)
        for client in clients:
            await client.moved.wait()
        await until(old, lambda _, under_way: under_way == 0)
        old.signal(signal.SIGTERM)
        assert await old.ended() == 0
        for client in clients:
            client.ends = True


async def test_curl_downloads_across_the_signal_and_the_exit_code_is_0() -> None:
    curl = require("curl")
    release = asyncio.Event()

    async def download(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(PIECE)) + PIECE)
        await release.wait()
        await call.send(PIECE)

    async with Backend(download) as backend, process(backend.url, sets=LONG) as proxy:
        asked = asyncio.ensure_future(run(curl, "-sS", "--fail", f"http://127.0.0.1:{proxy.port}/"))
        await backend.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        await proxy.said("no longer accepting; still busy: 1 request")
        assert not asked.done()
        release.set()
        assert await asked == (0, 2 * PIECE)
        assert await proxy.ended() == 0


async def test_curl_learns_of_a_download_that_the_deadline_cut() -> None:
    curl = require("curl")

    async def stuck(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await call.wait_gone()

    sets = ["drain.announce=0s", "drain.deadline=300ms"]
    async with Backend(stuck) as backend, process(backend.url, sets=sets) as proxy:
        asked = asyncio.ensure_future(run(curl, "-sS", "--fail", "-N", f"http://127.0.0.1:{proxy.port}/"))
        await backend.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        code, _ = await asked
        assert code != 0
        assert await proxy.ended() == 4


async def test_to_wait_for_the_drain_answers_when_the_last_request_has_ended() -> None:
    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await release.wait()
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with Backend(slow) as backend, process(backend.url, sets=LONG) as proxy, proxy.peer() as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await backend.wait_requests(1)
        waiting = asyncio.ensure_future(proxy.admin("POST", "/drain?wait=60s"))
        await proxy.said("still busy: 1 request")
        proxy.signal(signal.SIGTERM)  # as an orchestrator does after its hook: cuts nothing
        assert not waiting.done()
        release.set()
        assert (await peer.answer()).body == b"ok"
        told = await waiting
        assert (told.status, b'"drained": true' in told.body) == (200, True)
        assert await proxy.ended() == 0


async def test_wrk_meets_no_error_while_a_drain_is_announced() -> None:
    wrk = require("wrk")
    async with Backend() as backend, process(backend.url, sets=ANNOUNCING) as proxy:
        running = asyncio.ensure_future(run(wrk, "-t1", "-c8", "-d2s", f"http://127.0.0.1:{proxy.port}/"))
        await until(proxy, lambda ended, _: ended >= 20)
        proxy.signal(signal.SIGTERM)
        code, out = await running
        assert code == 0
        assert b"Socket errors" not in out, out
        assert b"Non-2xx" not in out, out
        await until(proxy, lambda _, under_way: under_way == 0)
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 0


async def test_h2load_meets_no_error_while_a_drain_is_announced() -> None:
    h2load = require("h2load")
    async with Backend() as backend, process(backend.url, sets=ANNOUNCING) as proxy:
        command = (h2load, "--h1", "-n", "2000", "-c", "4", f"http://127.0.0.1:{proxy.port}/")
        running = asyncio.ensure_future(run(*command))
        await until(proxy, lambda ended, _: ended >= 20)
        proxy.signal(signal.SIGTERM)
        _, out = await running
        assert re.search(rb"2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout", out), out
        await until(proxy, lambda _, under_way: under_way == 0)
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 0
