"""The one-file executable is two processes. It is signalled, killed, replaced and supervised as if it were one."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.collector import Collector
from tests.doubles.executable import Launched
from tests.doubles.kernel import holder, port_of
from tests.doubles.lonely import lonely_address
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS, ProxyProcess, process
from tests.doubles.running import rules_text
from tests.doubles.service_manager import ServiceManager
from tests.doubles.terminal import terminal

# No load balancer looks here.
AT_ONCE = ["drain.announce=0s"]


class Installed:
    """The executable at a path where it can be replaced, and a folder that it unpacks itself into."""

    def __init__(self, executable: Path, folder: Path) -> None:
        self._made = executable
        self.path = folder / "bin" / "sidecar"
        self.tmp = folder / "tmp"
        self.path.parent.mkdir()
        self.tmp.mkdir()
        self.replace()

    def replace(self, text: str | None = None) -> None:
        """Puts another file in its place, as an upgrade does: the same program, or this script."""
        new = self.path.with_suffix(".new")
        if text is None:
            shutil.copy(self._made, new)
        else:
            new.write_text(text)
            new.chmod(0o755)
        new.replace(self.path)

    def running(
        self, *urls: str, environment: Mapping[str, str] | None = None, **more: Any
    ) -> AbstractAsyncContextManager[ProxyProcess]:
        """See process."""
        unpacked = {"TMPDIR": str(self.tmp), **(environment or {})}
        return process(*urls, program=[str(self.path)], environment=unpacked, **more)


@pytest.fixture
def installed(executable: Path, tmp_path: Path) -> Installed:
    return Installed(executable, tmp_path)


class Held:
    """A backend's answer that waits."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        await self.release.wait()
        await call.send(OK)


def gone(pid: int) -> bool:
    """Whether the process has ended, even if nobody has asked for its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def until_gone(pid: int) -> None:
    """Waits for the end of a process that is not ours."""
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(pid)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(watched, ended.set)
        try:
            async with asyncio.timeout(START_SECONDS):
                await ended.wait()
        finally:
            loop.remove_reader(watched)
            os.close(watched)


async def test_each_exit_code_is_passed_on(installed: Installed, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nbogus: 1\n")
    held = Held()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for code, options in (
            (1, {"rules": rules}),
            (2, {"environment": {"SIDECAR_WORKERS": "none"}}),
            (3, {"listen": address}),
        ):
            async with installed.running("http://127.0.0.1:1", wait=False, **options) as proxy:
                assert await proxy.ended() == code, proxy.lines
    async with Backend(held) as backend, installed.running(backend.url, sets=["drain.deadline=60s"]) as proxy:
        async with proxy.peer() as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await backend.wait_requests(1)
            proxy.signal(signal.SIGTERM)
            await proxy.said(r"draining \(SIGTERM\)")
            proxy.signal(signal.SIGTERM)  # the second one means: now
            assert await proxy.ended() == 4
        held.release.set()
    assert list(installed.tmp.iterdir()) == []


async def test_a_process_that_is_killed_by_a_signal_is_seen_to_be(installed: Installed) -> None:
    async with installed.running("http://127.0.0.1:1") as proxy:
        os.kill(Launched(proxy.pid, installed.tmp).program, signal.SIGKILL)
        assert await proxy.ended() == -signal.SIGKILL
    assert list(installed.tmp.iterdir()) == []


async def test_a_reload_by_signal_happens_once(installed: Installed, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text("http://127.0.0.1:1"))
    async with ServiceManager(tmp_path) as manager:
        async with installed.running(rules=rules, sets=AT_ONCE, environment=manager.environment) as proxy:
            await manager.hears("READY=1")
            proxy.signal(signal.SIGHUP)
            await manager.hears("READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1")
            proxy.signal(signal.SIGTERM)
            assert await proxy.ended() == 0
        await manager.hears("READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1", "STOPPING=1")


async def test_ctrl_c_at_a_terminal_drains_and_cuts_nothing(installed: Installed) -> None:
    held, listen = Held(), lonely_address()
    words = ["run", "--listen", listen, "--admin", "127.0.0.1:0", "--set", "drain.deadline=60s"]
    program: dict[str, Any] = {"program": [str(installed.path)], "environment": {"TMPDIR": str(installed.tmp)}}
    async with Backend(held) as backend, terminal(*words, "--upstream", backend.url, **program) as screen:
        await screen.draws("dashboard and admin on")
        host, port = listen.split(":")
        async with await Peer.connect(int(port), host=host) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await backend.wait_requests(1)
            screen.type("\x03")
            await screen.draws(r"draining \(SIGINT\)")
            held.release.set()
            assert (await peer.answer()).status == 200
        assert await screen.ended() == 0
    assert list(installed.tmp.iterdir()) == []


async def test_killing_the_launcher_ends_all_and_leaves_nothing_behind(installed: Installed) -> None:
    async with installed.running("http://127.0.0.1:1", workers=2) as proxy:
        program = Launched(proxy.pid, installed.tmp).program
        workers = [member["pid"] for member in (await proxy.status())["workers"]]
        os.kill(proxy.pid, signal.SIGKILL)
        for pid in (program, *workers):
            await until_gone(pid)
            assert gone(pid)
    assert list(installed.tmp.iterdir()) == []


@asynccontextmanager
async def followed(old: ProxyProcess) -> AsyncIterator[int]:
    """Waits until a successor serves in its place; yields that one's launcher."""
    found = await old.said(r"draining \(process (\d+) took over\)", START_SECONDS)
    pid = int(found[1])
    try:
        await old.said(f"took over from process {old.pid} ")
        await until_gone(old.pid)
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        await until_gone(pid)
    assert await old.ended() == 0  # not before: the successor writes into the same pipes


async def test_the_successor_is_the_file_that_stands_there_by_then(installed: Installed) -> None:
    options: dict[str, Any] = {"listen": lonely_address(), "admin": lonely_address()}
    async with Backend() as backend, installed.running(backend.url, **options) as old:
        (before,) = Launched(old.pid, installed.tmp).folders
        installed.replace()
        old.signal(signal.SIGUSR2)
        async with followed(old) as pid:
            new = Launched(pid, installed.tmp)
            assert Path(f"/proc/{new.pid}/exe").samefile(installed.path)
            assert Path(f"/proc/{new.program}/exe").samefile(installed.path)
            (folder,) = new.folders  # the predecessor's is gone
            assert folder != before
            environment = new.environment()
            assert environment["LD_LIBRARY_PATH"] == str(installed.tmp / folder)
            assert "LD_LIBRARY_PATH_ORIG" not in environment
            async with old.peer() as peer:
                assert (await peer.get("/")).status == 200
            assert (await old.admin("GET", "/readyz")).status == 200


async def test_a_symbolic_link_leads_the_successor_to_the_new_version(installed: Installed, tmp_path: Path) -> None:
    options: dict[str, Any] = {"listen": lonely_address(), "admin": lonely_address()}
    older = installed.path.rename(tmp_path / "sidecar-1")
    installed.path.symlink_to(older)
    newer = Path(shutil.copy(older, tmp_path / "sidecar-2"))
    async with Backend() as backend, installed.running(backend.url, **options) as old:
        assert Path(f"/proc/{old.pid}/exe").samefile(older)
        link = tmp_path / "link"
        link.symlink_to(newer)
        link.replace(installed.path)
        old.signal(signal.SIGUSR2)
        async with followed(old) as pid:
            assert Path(f"/proc/{pid}/exe").samefile(newer)


async def test_a_successor_that_is_no_program_changes_nothing(installed: Installed) -> None:
    async with Backend() as backend, installed.running(backend.url) as proxy:
        installed.replace("#!/bin/sh\nexit 7\n")
        proxy.signal(signal.SIGUSR2)
        await proxy.said("the successor ended with exit code 7 before it had taken over; serving on", START_SECONDS)
        # What is imported only now is read from the file that runs, not from the one that stands there.
        for kind in ("tasks", "memory", "loop", "profile?seconds=0.1"):
            assert (await proxy.admin("GET", f"/debug/{kind}")).status == 200
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 200


async def test_a_worker_is_replaced_by_one_of_the_version_that_runs(installed: Installed) -> None:
    async with Backend() as backend, installed.running(backend.url, workers=2, sets=AT_ONCE) as proxy:
        for restarts, stands in ((1, None), (2, "#!/bin/sh\nexit 7\n")):
            if stands is not None:
                installed.replace(stands)
            os.kill((await proxy.status())["workers"][0]["pid"], signal.SIGKILL)
            await proxy.said(f'worker 0: serves again".*"restarts": {restarts}[,}}]', START_SECONDS)
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 200
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 0
    assert list(installed.tmp.iterdir()) == []


async def test_the_workers_count_each_key_together(installed: Installed, tmp_path: Path) -> None:
    limit = "rate_limits: [{name: each, key: 'header:X-Key', rate: 5/h, burst: 5}]"
    rules = tmp_path / "rules.yaml"
    async with Backend() as backend:
        rules.write_text(rules_text(backend.url, route=limit))
        async with installed.running(rules=rules, workers=2, sets=AT_ONCE) as proxy:
            pids = [worker["pid"] for worker in (await proxy.status())["workers"]]
            statuses, servers = [], set()
            for _ in range(40):
                async with proxy.peer() as peer:
                    statuses.append((await peer.get("/", "X-Key: one")).status)
                    servers.add(holder(pids, proxy.port, port_of(peer)))
    assert servers == set(pids)
    assert (statuses.count(200), statuses.count(429)) == (5, 35)


async def test_sockets_come_from_the_service_manager_and_it_knows_the_launcher(
    installed: Installed, tmp_path: Path
) -> None:
    admin = lonely_address()
    with socket.create_server(("127.0.0.1", 0)) as held:
        listen = f"127.0.0.1:{held.getsockname()[1]}"
        async with Backend() as backend, ServiceManager(tmp_path, {"public": held}) as manager:
            options: dict[str, Any] = {"through": manager.through, "pass_fds": manager.pass_fds}
            options |= {"listen": listen, "admin": admin, "environment": manager.environment}
            async with installed.running(backend.url, **options) as old:
                await manager.hears("READY=1")
                async with old.peer() as peer:
                    assert (await peer.get("/")).status == 200
                old.signal(signal.SIGUSR2)
                async with followed(old) as pid:
                    await manager.hears("READY=1", f"MAINPID={pid}", "READY=1")


async def test_spans_are_exported(installed: Installed, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    async with Backend() as backend, Collector() as collector:
        rules.write_text(f"{rules_text(backend.url)}tracing: {{sample: 1, export: {{endpoint: '{collector.url}'}}}}\n")
        async with installed.running(rules=rules, sets=AT_ONCE) as proxy:
            async with proxy.peer() as peer:
                assert (await peer.get("/")).status == 200
            proxy.signal(signal.SIGTERM)
            assert await proxy.ended() == 0
        assert len(await collector.received(2)) == 2
