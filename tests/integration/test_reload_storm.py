"""Reloads under load, over a real process: nothing fails, closes or is forgotten, and a broken file is told."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.process import ProxyProcess, process

RELOADS = 40
CLIENTS = 6
SOCKETS = 10
BURST = 6

RULES = """version: 1
listeners: [{{name: public, address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
log: {{access: 'off'}}
upstreams:
  app: {{endpoints: ['{url}']}}
  failing:
    endpoints: ['{url}']
    circuit_breaker: {{consecutive_failures: 2, open_for: 1h, max_open_for: 1h}}
routes:
  - {{name: limited, match: {{path: /limited}}, upstream: app,
     rate_limits: [{{name: slow, rate: 1/h, burst: {burst}}}]}}
  - {{name: failing, match: {{path: /fail}}, upstream: failing, retry: null}}
{more}  - {{name: all, upstream: app, timeout: {{request: {timeout}}}}}
"""


async def script(call: Call) -> None:
    """What each target is answered with; a tunnel gives every byte back."""
    await call.body()
    if call.request.target == b"/ws":
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := await call.connection.some():
            await call.send(data)
        return
    failed = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    await call.send(failed if call.request.target == b"/fail" else OK)


class Place:
    """A proxy under a rules file that the test writes."""

    def __init__(self, proxy: ProxyProcess, file: Path, url: str) -> None:
        self.proxy = proxy
        self.file = file
        self.url = url

    def write(self, timeout: str, more: str = "") -> str:
        """Other rules, put in place whole."""
        text = RULES.format(url=self.url, burst=BURST, timeout=timeout, more=more)
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.file)
        return text

    async def ask(self, target: str) -> int:
        """The status of one request."""
        async with self.proxy.peer() as peer:
            return (await peer.get(target)).status

    async def until(self, key: str, holds: Any) -> dict[str, Any]:
        """Waits until what the status has under `key` is as wanted."""
        async with asyncio.timeout(LIMIT_SECONDS * 3):
            while not holds(told := (await self.proxy.status())[key]):
                pass
        found: dict[str, Any] = told
        return found

    async def quiet(self) -> None:
        """Waits until no request is under way, and no client but the sockets' is connected."""
        await self.until(
            "connections", lambda told: told["downstream"]["active"] + told["downstream"]["idle"] == SOCKETS
        )


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Place]:
    """A backend, a file, and a proxy process under it."""
    file = folder / "rules.yaml"
    async with Backend(script) as backend:
        file.write_text(RULES.format(url=backend.url, burst=BURST, timeout="10s", more=""))
        async with process(rules=file) as proxy:
            yield Place(proxy, file, backend.url)


class Clients:
    """Each keeps its connection and asks again and again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.answered = 0
        self.ends = False

    async def __call__(self) -> None:
        async with self.place.proxy.peer() as peer:
            while not self.ends:
                answer = await peer.get("/small")
                assert (answer.status, answer.body, answer.get("connection")) == (200, b"ok", None)
                self.answered += 1


async def open_socket(place: Place, stack: AsyncExitStack) -> Peer:
    """A WebSocket through the proxy that stays open."""
    peer = await stack.enter_async_context(place.proxy.peer())
    answer = await peer.get("/ws", "Connection: Upgrade", "Upgrade: websocket")
    assert answer.status == 101
    return peer


async def echo(peer: Peer, payload: bytes) -> None:
    """One message to and fro."""
    frame = bytes((0x82, len(payload))) + payload
    await peer.send(frame)
    assert await peer.exactly(len(frame)) == frame


async def reload(place: Place, number: int) -> None:
    """Other values, and every other time another route."""
    more = f"  - {{name: passing-{number}, match: {{path: /passing}}, upstream: app}}\n" if number % 2 else ""
    place.write(f"{11 + number}s", more)
    answer = await place.proxy.admin("POST", "/reload")
    assert answer.status == 200, answer.body
    # The look at the file may have been faster than the question.
    assert json.loads(answer.body)["result"] in ("reloaded", "unchanged")


async def test_a_storm_of_reloads_drops_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as place, AsyncExitStack() as stack:
        proxy = place.proxy
        assert [await place.ask("/limited") for _ in range(BURST // 2)] == [200] * (BURST // 2)
        assert [await place.ask("/fail") for _ in range(3)] == [503] * 3
        opened = (await proxy.status())["breakers"]["upstream.failing"]
        assert (opened["state"], opened["opened"]) == ("open", 1)
        sockets = [await open_socket(place, stack) for _ in range(SOCKETS)]
        clients = Clients(place)
        await reload(place, 0)

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(clients())
            for number in range(1, RELOADS):
                answered = clients.answered
                await reload(place, number)
                for socket in sockets:
                    await echo(socket, b"%d" % number)
                async with asyncio.timeout(LIMIT_SECONDS):
                    while clients.answered == answered:
                        await asyncio.sleep(0)
            clients.ends = True

        assert (await proxy.status())["rules"]["generation"] == 1 + RELOADS
        spent = [await place.ask("/limited") for _ in range(BURST)]
        assert spent == [200] * (BURST // 2) + [429] * (BURST // 2)
        assert await place.ask("/fail") == 503
        kept = (await proxy.status())["breakers"]["upstream.failing"]
        assert (kept["state"], kept["opened"]) == ("open", 1)
        assert 0 < kept["open_remaining"] <= opened["open_remaining"]


async def test_no_reload_keeps_a_descriptor(tmp_path: Path) -> None:
    async with serving(tmp_path) as place, AsyncExitStack() as stack:
        sockets = [await open_socket(place, stack) for _ in range(SOCKETS)]
        await place.ask("/small")  # the pool's one connection
        for number in range(3):
            await reload(place, number)
        await place.quiet()
        before = descriptors(place.proxy)
        for number in range(3, 20):
            await reload(place, number)
            await echo(sockets[number % SOCKETS], b"still here")
        await place.quiet()
        async with asyncio.timeout(LIMIT_SECONDS):
            while descriptors(place.proxy) > before:  # the admin's last client is let go in a later turn
                await asyncio.sleep(0)


def descriptors(proxy: ProxyProcess) -> int:
    """How many files the process has open."""
    return len(os.listdir(f"/proc/{proxy.pid}/fd"))


async def test_a_broken_file_is_told_with_its_line_and_its_repair_is_taken_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        # Nobody asks for a reload here: the file alone is looked at.
        text = place.write("20")
        line = 1 + text[: text.index("request: 20")].count("\n")
        told = await place.until("reload", lambda told: told["last_error"] is not None)
        (problem,) = told["last_error"]["problems"]
        assert problem.startswith(f"{place.file}:{line}:")
        assert (await place.proxy.status())["rules"]["generation"] == 1
        assert await place.ask("/small") == 200

        place.write("20s")
        await place.until("rules", lambda told: told["generation"] == 2)
        told = await place.until("reload", lambda told: told["last"]["result"] == "reloaded")
        assert told["last_error"]["problems"] == [problem]
        assert await place.ask("/small") == 200
