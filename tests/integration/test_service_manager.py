"""Under a service manager: it holds the sockets over a restart, and is told what holds. See docs/upgrade.md."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.crew import RunningCrew
from tests.doubles.crowd import crowd
from tests.doubles.kernel import stopped
from tests.doubles.lonely import lonely_address
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS, process
from tests.doubles.running import rules_text
from tests.doubles.service_manager import ServiceManager

# As systemd names the process that it watches: the very one that it starts.
WATCHED = ("/bin/sh", "-c", 'WATCHDOG_PID=$$ WATCHDOG_USEC=500000 exec "$@"', "sh")


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


async def test_it_is_alive_while_it_serves_and_while_it_drains(tmp_path: Path) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def backing(call: Call) -> None:
        reached.set()
        await release.wait()
        await call.send(OK)

    async with Backend(backing) as backend, ServiceManager(tmp_path) as manager:
        watched = {**manager.environment, "WATCHDOG_USEC": "500000"}
        async with process(backend.url, environment=watched) as proxy, proxy.peer() as peer:
            await manager.until(lambda: manager.beats >= 2)
            assert [told.partition("\n")[0] for told in manager.told] == ["READY=1"]
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reached.wait()
            proxy.signal(signal.SIGTERM)
            await manager.hears("READY=1", "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000")
            before = manager.beats
            await manager.until(lambda: manager.beats >= before + 3)
            await manager.until(lambda: "still busy: 1 request" in manager.lines[-1])
            release.set()
            assert (await peer.answer()).status == 200
            assert await proxy.ended() == 0
        await manager.until(lambda: manager.lines[-1] == "drained: every request was answered")


async def test_under_a_watchdog_a_worker_that_hangs_is_replaced_and_one_that_is_aborted_says_where_it_was(
    tmp_path: Path,
) -> None:
    async with Backend() as backend, ServiceManager(tmp_path) as manager, AsyncExitStack() as stack:
        watched = {**manager.environment, "WATCHDOG_USEC": "2000000"}
        proxy = await stack.enter_async_context(process(backend.url, workers=2, environment=watched))
        crew = RunningCrew(proxy, [], stack)
        await crew.whole()
        os.kill(crew.pids[1], signal.SIGABRT)
        os.kill(crew.pids[0], signal.SIGSTOP)  # who is stopped can say nothing
        await stopped(crew.pids[0])
        await proxy.said("Fatal Python error: Aborted", START_SECONDS)
        await proxy.said("worker 1: serves again", START_SECONDS)
        await proxy.said("worker 0: has not answered for 2s and is aborted", START_SECONDS)
        await proxy.said("worker 0: was killed by SIGKILL", START_SECONDS)
        await crew.replaced(0)
        await manager.until(lambda: manager.lines[-1].endswith("2 of 2 workers up"))


async def test_a_reload_that_fails_is_over_for_it_too(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    async with Backend() as backend, ServiceManager(tmp_path) as manager:
        rules.write_text(rules_text(backend.url))
        async with process(rules=rules, environment=manager.environment) as proxy:
            rules.write_text("version: 1\nbogus: 1\n")
            proxy.signal(signal.SIGHUP)
            await manager.hears("READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1")
            await proxy.said("unknown key `bogus`")
            await manager.until(lambda: "; SIGHUP: newer rules are refused: " in manager.lines[-1])


async def test_what_cannot_start_is_never_ready(tmp_path: Path, held: socket.socket) -> None:
    async with ServiceManager(tmp_path) as manager:
        async with process(
            "http://127.0.0.1:1", listen=where(held), environment=manager.environment, wait=False
        ) as proxy:
            assert await proxy.ended() == 3
        await manager.hears("EXIT_STATUS=3\nERRNO=98")
        assert manager.lines[0].startswith(f"cannot listen on {where(held)}: Address already in use")


async def test_rules_that_cannot_be_used_are_what_its_status_shows(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"{rules_text('http://127.0.0.1:1')}\nbogus: 1\n")
    async with ServiceManager(tmp_path) as manager:
        async with process(rules=rules, environment=manager.environment, wait=False) as proxy:
            assert await proxy.ended() == 1
        await manager.hears("EXIT_STATUS=1")
        told = rf"the rules cannot be used: 1 error: {re.escape(str(rules))}:\d+:1: error: unknown key `bogus`"
        assert re.match(told, manager.lines[0]), manager.lines


async def test_a_successor_is_its_main_process_and_the_service_goes_on(tmp_path: Path) -> None:
    listen, admin = lonely_address(), lonely_address()
    async with (
        Backend() as backend,
        ServiceManager(tmp_path) as manager,
        process(backend.url, listen=listen, admin=admin, environment=manager.environment, through=WATCHED) as proxy,
    ):
        await manager.hears("READY=1")
        await manager.until(lambda: manager.beats)
        proxy.signal(signal.SIGUSR2)
        found = await proxy.said(r"draining \(process (\d+) took over\)", START_SECONDS)
        async with asyncio.timeout(START_SECONDS):
            assert await proxy.process.wait() == 0
        await manager.hears("READY=1", f"MAINPID={found[1]}", "READY=1")
        before = manager.beats
        await manager.until(lambda: manager.beats >= before + 3)
        os.kill(int(found[1]), signal.SIGTERM)
        await proxy.ended()
        await manager.hears("READY=1", f"MAINPID={found[1]}", "READY=1", "STOPPING=1")


async def test_who_comes_during_a_restart_waits_for_it(tmp_path: Path, held: socket.socket) -> None:
    async with Backend() as backend, ServiceManager(tmp_path, {"public": held}) as manager:
        for workers in (2, 1):
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
        async with await Peer.connect(held.getsockname()[1]):
            """It waits for whoever comes next."""


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
            unused = f"the socket `spare` that was handed down ({where(other)}) fits no listener of the rules"
            await proxy.said(re.escape(unused))
            assert [line for line in proxy.lines if "fits no listener" in line and "spare" not in line] == []
            assert (await proxy.admin("GET", "/readyz")).status == 200
