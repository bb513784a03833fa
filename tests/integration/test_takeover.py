"""One instance follows another, as processes: no client is refused, reset or cut, whoever starts the new one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.transport.handover import handover_name, take_over
from tests.doubles.backend import Backend, Call
from tests.doubles.crowd import crowd
from tests.doubles.lonely import lonely_address
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS, ProxyProcess, process
from tests.doubles.running import rules_text

# As long as nobody waits for it.
LONG = ["drain.deadline=600s"]


@asynccontextmanager
async def followed(old: ProxyProcess) -> AsyncIterator[int]:
    """Waits until another process follows this one, which has to end well; yields the other's id, and ends it then. It
    was started by the old one and says its lines there, too."""
    found = await old.said(r"draining \(process (\d+) took over\)", START_SECONDS)
    pid = int(found[1])
    await old.said(f"took over from process {old.pid} ")
    try:
        async with asyncio.timeout(START_SECONDS):
            assert await old.process.wait() == 0
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    # The pipes end with the last that has them.
    assert await old.ended() == 0
    ends = [line for line in old.lines if '"subject": "instance"' in line and '"worker"' not in line]
    assert "drained: every request was answered" in ends[-1], old.lines


async def test_under_load_no_request_fails_whoever_takes_over_from_whom_and_is_told_to_be_followed() -> None:
    listen, admin = lonely_address(), lonely_address()
    async with Backend() as backend, AsyncExitStack() as stack:
        old = await stack.enter_async_context(process(backend.url, listen=listen, admin=admin, sets=LONG))
        clients = await stack.enter_async_context(crowd(old.host, old.port))
        for workers in (1, 2, 2, 1):
            new = await stack.enter_async_context(
                process(backend.url, listen=listen, admin=admin, workers=workers, sets=LONG, takeover=True)
            )
            await new.said(f"took over from process {old.pid} ", START_SECONDS)
            assert await old.ended() == 0
            await clients.more()
            assert (new.host, new.port, new.admin_port) == (old.host, old.port, old.admin_port)
            assert (await new.admin("GET", "/readyz")).status == 200
            old = new
        old.signal(signal.SIGUSR2)
        async with followed(old):
            await clients.more()
            assert (await old.admin("GET", "/readyz")).status == 200
            await clients.leaves()
            assert clients.answered == len(backend.requests)


async def test_under_load_no_request_fails_when_several_workers_are_told_to_be_followed() -> None:
    listen, admin = lonely_address(), lonely_address()
    async with (
        Backend() as backend,
        process(backend.url, listen=listen, admin=admin, workers=2, sets=LONG) as old,
        crowd(old.host, old.port) as clients,
    ):
        old.signal(signal.SIGUSR2)
        async with followed(old):
            await clients.more()
            assert (await old.admin("GET", "/readyz")).status == 200
            await clients.leaves()
            assert clients.answered == len(backend.requests)


async def test_with_nobody_to_follow_it_just_starts() -> None:
    async with Backend() as backend, process(backend.url, takeover=True) as proxy:
        await proxy.said("nothing to take over at 127.0.0.1:0: starting afresh")
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 200


async def test_a_successor_whose_rules_cannot_be_used_leaves_the_running_one_as_it_was(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    async with Backend() as backend:
        rules.write_text(rules_text(backend.url))
        listen, admin = lonely_address(), lonely_address()
        async with (
            process(rules=rules, listen=listen, admin=admin) as old,
            crowd(old.host, old.port) as clients,
        ):
            rules.write_text("version: 1\nbogus: 1\n")
            async with process(rules=rules, listen=listen, admin=admin, takeover=True, wait=False) as new:
                assert await new.ended() == 1
            old.signal(signal.SIGUSR2)
            await old.said("the successor ended with exit code 1 before it had taken over; serving on", START_SECONDS)
            await clients.more()
            assert (await old.admin("GET", "/readyz")).status == 200


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_successor_that_cannot_bind_leaves_the_running_one_as_it_was(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "public.sock"
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken, Backend() as backend:
        listen, admin = lonely_address(), lonely_address()
        before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
        unix = f"  - {{name: local, address: 'unix:{path}'}}\n"
        before.write_text(rules_text(backend.url, address=listen).replace("admin:", f"{unix}admin:"))
        more = f"{unix}  - {{name: more, address: '127.0.0.1:{port}'}}\n"
        after.write_text(rules_text(backend.url, address=listen).replace("admin:", f"{more}admin:"))
        async with (
            process(rules=before, listen=None, admin=admin, workers=workers) as old,
            crowd(old.host, old.port) as clients,
        ):
            async with process(
                rules=after, listen=None, admin=admin, workers=workers, takeover=True, wait=False
            ) as new:
                assert await new.ended() == 3
            await old.said("did not take over: .*; serving on")
            await clients.more()
            async with await Peer.connect(str(path)) as peer:
                assert (await peer.get("/")).status == 200


async def test_a_successor_that_gives_up_half_way_leaves_the_running_one_as_it_was() -> None:
    listen, admin = lonely_address(), lonely_address()
    async with (
        Backend() as backend,
        process(backend.url, listen=listen, admin=admin) as old,
        crowd(old.host, old.port) as clients,
    ):
        legacy = await take_over(handover_name(Address.parse(admin), os.geteuid()))
        assert legacy is not None
        assert [inlet.role for inlet in legacy.inlets] == ["public", "admin"]
        async with process(backend.url, listen=listen, admin=admin, takeover=True, wait=False) as second:
            assert await second.ended() == 1
        assert f"process {os.getpid()} is taking over already" in second.lines[0]
        legacy.close()
        for inlet in legacy.inlets:
            inlet.sock.close()
        await old.said(f"process {os.getpid()} did not take over: it ended the conversation; serving on")
        await clients.more()
        old.signal(signal.SIGUSR2)
        async with followed(old):
            await clients.more()
            await clients.leaves()


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_under_way_finishes_in_the_old_one(workers: int) -> None:
    release = asyncio.Event()

    async def serve(call: Call) -> None:
        if call.request.target == b"/tunnel":
            await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            while data := await call.connection.some():
                await call.send(data)
            call.close()
            return
        if call.request.target == b"/download":
            await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            await release.wait()
            await call.send(b"half")
            return
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")

    listen, admin = lonely_address(), lonely_address()
    async with (
        Backend(serve) as backend,
        process(backend.url, listen=listen, admin=admin, workers=workers, sets=LONG) as old,
        old.peer() as tunnel,
        old.peer() as download,
    ):
        await tunnel.send(b"GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        assert (await tunnel.head()).status == 101
        await download.send(b"GET /download HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await download.head()).status == 200
        async with process(backend.url, listen=listen, admin=admin, workers=workers, sets=LONG, takeover=True) as new:
            await old.said("no longer accepting; still busy: 1 request, 1 tunnel")
            async with new.peer() as peer:
                assert (await peer.get("/")).body == b"new"
            await tunnel.send(b"still there?")
            assert await tunnel.exactly(12) == b"still there?"
            assert old.process.returncode is None
            release.set()
            assert await download.exactly(8) == b"halfhalf"
            tunnel.half_close()
            assert await tunnel.rest() == b""
            assert await old.ended() == 0
            assert (await new.status())["phase"] == "serving"


async def test_a_reload_that_moves_the_admin_address_moves_where_successors_look(tmp_path: Path) -> None:
    rules, listen, before, after = tmp_path / "rules.yaml", lonely_address(), lonely_address(), lonely_address()
    async with Backend() as backend:
        text = rules_text(backend.url, address=listen).replace("admin: {address: '127.0.0.1:0'}", "admin: {address: X}")
        rules.write_text(text.replace("X", f"'{before}'"))
        async with (
            process(rules=rules, listen=None, admin=None, sets=["drain.announce=0s"]) as old,
            crowd(old.host, old.port) as clients,
        ):
            rules.write_text(text.replace("X", f"'{after}'"))
            old.signal(signal.SIGHUP)
            await old.said("generation 2 is in force")
            old.signal(signal.SIGUSR2)
            async with followed(old):
                await clients.more()
                await clients.leaves()
