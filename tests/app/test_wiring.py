"""The wired proxy in this process: it binds before it serves, and takes everything down."""

import asyncio
import json
import random
import socket
from pathlib import Path

import pytest

from sidecar.app.lifecycle import Phase
from sidecar.app.wiring import Proxy
from sidecar.transport.sockets import BindError
from tests.doubles.backend import Backend
from tests.doubles.peer import Peer
from tests.doubles.running import loaded, rules_text, running


async def test_it_serves_and_counts() -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            answer = await peer.get("/a")
        assert (answer.status, answer.body) == (200, b"ok")
        await proxy.quiet()
        assert proxy.requests() == {("GET", 200): 1}


async def test_an_access_log_line_is_written_for_each_exchange_when_all_are_asked_for() -> None:
    lines: list[bytes] = []

    def write(line: bytes) -> bool:
        lines.append(line)
        return True

    async with (
        Backend() as backend,
        Proxy(loaded(backend.url, sets=["log.access=all"]), write) as proxy,
        await Peer.connect(proxy.addresses[0].port) as peer,
    ):
        await peer.get("/a?secret=1")
    told = [json.loads(line) for line in lines]
    assert [(line["path"], line["status"], line["route"]) for line in told] == [("/a", 200, "everything")]


async def test_a_taken_listener_leaves_nothing_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            admin = f"127.0.0.1:{free.getsockname()[1]}"
        text = rules_text("http://127.0.0.1:1", address=address).replace("127.0.0.1:0", admin)
        proxy = Proxy(loaded(rules=text), lambda line: True)
        with pytest.raises(BindError, match="cannot listen on"):
            await proxy.start()
        await proxy.close()
    socket.create_server(("127.0.0.1", int(admin.rpartition(":")[2]))).close()
    assert proxy.lifecycle.phase is Phase.STOPPED


async def test_a_taken_admin_address_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = rules_text("http://127.0.0.1:1").replace(
            "admin: {address: '127.0.0.1:0'}", f"admin: {{address: '127.0.0.1:{taken.getsockname()[1]}'}}"
        )
        proxy = Proxy(loaded(rules=text), lambda line: True)
        with pytest.raises(BindError, match="Address already in use"):
            await proxy.start()
        await proxy.close()
    assert proxy.stats.config_generation == 0


async def test_a_unix_socket_serves_too(tmp_path: Path) -> None:
    path = str(tmp_path / "proxy.sock")
    async with Backend() as backend:
        rules = rules_text(backend.url, address=f"unix:{path}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            assert (await peer.get("/")).status == 200


async def test_closing_leaves_no_task_and_no_open_port_behind() -> None:
    before = asyncio.all_tasks()
    async with Backend() as backend:
        proxy = Proxy(loaded(backend.url), lambda line: True, rng=random.Random(1))
        async with proxy:
            port = proxy.addresses[0].port
            async with await Peer.connect(port) as peer:
                await peer.get("/")
        socket.create_server(("127.0.0.1", port)).close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_the_admin_answers_on_the_port_that_the_kernel_chose() -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        port = proxy.proxy.admin_address.port
        async with await Peer.connect(port) as peer:
            answer = await peer.ask(f"GET /readyz HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        assert (answer.status, answer.body) == (200, b"ok\n")


async def test_a_drain_before_the_start_is_over_serves_nothing() -> None:
    proxy = Proxy(loaded("http://127.0.0.1:1", sets=["drain.announce=0s"]), lambda line: True)
    proxy.drain.begin("SIGTERM")
    await proxy.start()
    assert proxy.lifecycle.phase is Phase.DRAINING
    assert await proxy.drain.run() == 0
    await proxy.close()


async def test_rules_that_come_while_it_starts_are_adopted_once_it_serves() -> None:
    async with Backend() as backend:
        proxy = Proxy(loaded(backend.url), lambda line: True)
        adopting = asyncio.ensure_future(proxy.adopt(loaded(backend.url, sets=["defaults.timeout.request=3s"])))
        await asyncio.sleep(0)
        assert (adopting.done(), proxy.doors.all) == (False, [])
        async with proxy:
            await adopting
            assert (proxy.current.runtime.number, len(proxy.doors.all)) == (2, 1)
            async with await Peer.connect(proxy.addresses[0].port) as peer:
                assert (await peer.get("/")).status == 200
