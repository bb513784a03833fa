"""Under a service manager: it holds the sockets over a restart, and is told what holds. See docs/upgrade.md."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.backend import Backend
from tests.doubles.crowd import crowd
from tests.doubles.lonely import lonely_address
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS, process
from tests.doubles.running import rules_text
from tests.doubles.service_manager import ServiceManager


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A socket that the service manager holds."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def where(sock: socket.socket) -> str:
    return f"127.0.0.1:{sock.getsockname()[1]}"


async def test_it_is_told_of_the_start_a_reload_and_the_end(tmp_path: Path) -> None:
    async with Backend() as backend, ServiceManager(tmp_path) as manager:
        async with process(backend.url, environment=manager.environment) as proxy:
            await manager.hears("READY=1")
            proxy.signal(signal.SIGHUP)
            await manager.hears("READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1")
            proxy.signal(signal.SIGTERM)
            assert await proxy.ended() == 0
        await manager.hears("READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1", "STOPPING=1")


async def test_a_reload_that_fails_is_over_for_it_too(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    async with Backend() as backend, ServiceManager(tmp_path) as manager:
        rules.write_text(rules_text(backend.url))
        async with process(rules=rules, environment=manager.environment) as proxy:
            rules.write_text("version: 1\nbogus: 1\n")
            proxy.signal(signal.SIGHUP)
            await manager.hears("READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1")
            await proxy.said("unknown key `bogus`")


async def test_what_cannot_start_is_never_ready(tmp_path: Path, held: socket.socket) -> None:
    async with ServiceManager(tmp_path) as manager:
        async with process(
            "http://127.0.0.1:1", listen=where(held), environment=manager.environment, wait=False
        ) as proxy:
            assert await proxy.ended() == 3
        assert manager.told == []


async def test_a_successor_is_its_main_process_and_the_service_goes_on(tmp_path: Path) -> None:
    listen, admin = lonely_address(), lonely_address()
    async with (
        Backend() as backend,
        ServiceManager(tmp_path) as manager,
        process(backend.url, listen=listen, admin=admin, environment=manager.environment) as proxy,
    ):
        await manager.hears("READY=1")
        proxy.signal(signal.SIGUSR2)
        found = await proxy.said(r"draining \(process (\d+) took over\)", START_SECONDS)
        async with asyncio.timeout(START_SECONDS):
            assert await proxy.process.wait() == 0
        await manager.hears("READY=1", f"MAINPID={found[1]}", "READY=1")
        os.kill(int(found[1]), signal.SIGTERM)
        await proxy.ended()
        await manager.hears("READY=1", f"MAINPID={found[1]}", "READY=1", "STOPPING=1")


@pytest.mark.parametrize("workers", [1, 2])
async def test_who_comes_during_a_restart_waits_for_it(workers: int, tmp_path: Path, held: socket.socket) -> None:
    async with Backend() as backend, ServiceManager(tmp_path, {"public": held}) as manager:
        for _ in range(2):
            # Nobody runs yet, or any more.
            async with await Peer.connect(held.getsockname()[1]) as early:
                await early.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                async with process(
                    backend.url,
                    listen=where(held),
                    workers=workers,
                    through=manager.through,
                    pass_fds=manager.pass_fds,
                ) as proxy:
                    assert (await early.answer()).body == b"ok"
                    async with proxy.peer() as peer:
                        assert (await peer.get("/")).status == 200
                    proxy.signal(signal.SIGTERM)
                    assert await early.rest() == b""
                    assert await proxy.ended() == 0


async def test_under_load_a_successor_gets_the_held_sockets_and_leaves_them_open(
    tmp_path: Path, held: socket.socket
) -> None:
    async with (
        Backend() as backend,
        ServiceManager(tmp_path, {"public": held}) as manager,
        process(
            backend.url,
            listen=where(held),
            admin=lonely_address(),
            through=manager.through,
            pass_fds=manager.pass_fds,
        ) as proxy,
    ):
        async with crowd(proxy.host, proxy.port) as clients:
            proxy.signal(signal.SIGUSR2)
            found = await proxy.said(r"draining \(process (\d+) took over\)", START_SECONDS)
            async with asyncio.timeout(START_SECONDS):
                assert await proxy.process.wait() == 0
            await clients.more()
        os.kill(int(found[1]), signal.SIGTERM)
        await proxy.ended()
        async with await Peer.connect(held.getsockname()[1]):
            """It waits for whoever comes next."""


async def test_the_admins_socket_and_one_that_nobody_wants_are_told_apart(tmp_path: Path, held: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as admin:
        sockets = {"public": held, "admin": admin, "spare": other}
        async with (
            Backend() as backend,
            ServiceManager(tmp_path, sockets) as manager,
            process(
                backend.url,
                listen=where(held),
                admin=where(admin),
                through=manager.through,
                pass_fds=manager.pass_fds,
            ) as proxy,
        ):
            await proxy.said("the socket `spare` that was handed down fits no listener of the rules")
            assert [line for line in proxy.lines if "fits no listener" in line and "spare" not in line] == []
            assert (await proxy.admin("GET", "/readyz")).status == 200
