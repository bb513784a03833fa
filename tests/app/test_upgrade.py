"""Both sides of an upgrade: what a new instance is handed, and when the old one makes way."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from sidecar.app import upgrade as module
from sidecar.app.errors import CommandError, Exit
from sidecar.app.instance import Plan
from sidecar.app.upgrade import Arrival, Upgrade, arrive
from sidecar.model.address import Address
from sidecar.transport.handover import handover_name, take_over
from sidecar.transport.inlets import Inlets
from sidecar.transport.sockets import BindError
from sidecar.transport.tasks import Tasks
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.running import loaded


class Drain:
    """Whether it has begun, and why."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.why = ""

    def begin(self, why: str) -> None:
        self.why = why
        self.begun.set()


class Reloader:
    """Tells its subscribers when it is told to."""

    def __init__(self) -> None:
        self.tell: list[Callable[[], None]] = []

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        self.tell.append(subscriber)


class Instance:
    """As much of one as an upgrade asks for."""

    def __init__(self, admin: Address) -> None:
        self.inlets = Inlets()
        self.admin_inlets = Inlets(role="admin")
        self.admin_address = admin
        self.tasks = Tasks(asyncio.get_running_loop())
        self.drain = Drain()
        self.reloader = Reloader()
        self.was_handed_on = False
        self.followed_by: list[int] = []

    def hear(self, pid: int) -> None:
        assert not self.was_handed_on
        self.followed_by.append(pid)

    async def hand_on(self) -> None:
        assert not self.drain.begun.is_set()
        self.was_handed_on = True


@asynccontextmanager
async def running(admin: Address) -> AsyncIterator[tuple[Any, Upgrade]]:
    """An instance with a listener at a port that the kernel chose, and its upgrade."""
    instance: Any = Instance(admin)
    instance.inlets.open(Address("127.0.0.1", 0))
    upgrade = Upgrade(instance, instance.hear)
    upgrade.start()
    try:
        yield instance, upgrade
    finally:
        await upgrade.close()
        await instance.tasks.close()
        instance.inlets.close()


class Heard(logging.Filter):
    """What was written to a log, to be waited for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._log = logging.getLogger(name)
        self._lines: list[str] = []
        self._grew = asyncio.Event()

    def filter(self, record: logging.LogRecord) -> bool:
        self._lines.append(record.getMessage())
        self._grew.set()
        return True

    async def said(self, text: str) -> None:
        async with asyncio.timeout(LIMIT_SECONDS * 3):
            while not any(text in line for line in self._lines):
                self._grew.clear()
                await self._grew.wait()

    def __enter__(self) -> Self:
        self._log.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._log.removeFilter(self)


@pytest.fixture
def admin(tmp_path: Path) -> Address:
    """An admin address that no other test has."""
    return Address(path=str(tmp_path / "admin.sock"))


def plan(admin: Address, *, takeover: bool = True) -> Plan:
    given = loaded("http://127.0.0.1:1")
    given = replace(given, rules=replace(given.rules, admin=replace(given.rules.admin, address=admin)))
    return Plan(given, lambda: given, takeover=takeover)


async def test_who_does_not_ask_is_handed_nothing(admin: Address) -> None:
    async with running(admin) as (instance, _):
        arrival = await arrive(plan(admin, takeover=False))
        assert list(arrival.handed) == []
        await arrival.accepted(instance)
        assert not instance.drain.begun.is_set()


async def test_with_nobody_there_it_starts_afresh(admin: Address, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    arrival = await arrive(plan(admin))
    assert list(arrival.handed) == []
    assert f"nothing to take over at {admin}: starting afresh" in caplog.messages


async def test_the_old_one_makes_way_when_the_new_one_accepts_and_not_before(admin: Address) -> None:
    async with running(admin) as (old, upgrade):
        arrival = await arrive(plan(admin))
        new: Any = Instance(admin)
        arrival.begin(new)
        (handed,) = arrival.handed
        assert handed.sock.getsockname() == old.inlets.listening()[0].sock.getsockname()
        assert (new.inlets.is_doubled, new.admin_inlets.is_doubled) == (True, True)
        assert (upgrade.taken_by, old.was_handed_on) == (None, False)
        await arrival.accepted(new)
        assert (new.inlets.is_doubled, new.admin_inlets.is_doubled) == (False, False)
        async with asyncio.timeout(LIMIT_SECONDS):
            await old.drain.begun.wait()
        assert (upgrade.taken_by, old.was_handed_on) == (os.getpid(), True)
        assert old.drain.why == f"process {os.getpid()} took over"
        handed.sock.close()


async def test_one_that_has_nobody_before_it_has_its_sockets_for_itself(admin: Address) -> None:
    instance: Any = Instance(admin)
    Arrival([], None).begin(instance)
    assert (instance.inlets.is_doubled, instance.admin_inlets.is_doubled) == (False, False)


async def test_who_follows_is_told_before_anything_else_happens(admin: Address) -> None:
    async with running(admin) as (old, _):
        arrival = await arrive(plan(admin))
        new: Any = Instance(admin)
        await arrival.accepted(new)
        assert old.followed_by == [os.getpid()]
        async with asyncio.timeout(LIMIT_SECONDS):
            await old.drain.begun.wait()
        arrival.handed[0].sock.close()


async def test_one_that_refuses_after_all_leaves_the_old_one_as_it_was(admin: Address) -> None:
    with Heard("sidecar.handover") as heard:
        async with running(admin) as (old, upgrade):
            arrival = await arrive(plan(admin))
            arrival.refuse()
            arrival.handed[0].sock.close()
            await heard.said("serving on")
            assert (upgrade.taken_by, old.was_handed_on) == (None, False)
            again = await arrive(plan(admin))
            assert len(again.handed) == 1
            again.refuse()
            again.handed[0].sock.close()


async def test_a_second_one_is_refused_with_a_sentence(admin: Address) -> None:
    async with running(admin):
        first = await arrive(plan(admin))
        with pytest.raises(CommandError, match="is taking over already") as refused:
            await arrive(plan(admin))
        assert refused.value.code is Exit.FAILED
        first.refuse()
        first.handed[0].sock.close()


async def test_an_old_one_that_goes_on_ends_the_new_one(admin: Address) -> None:
    async with running(admin) as (old, upgrade):
        arrival = await arrive(plan(admin))
        await upgrade.close()  # it will hear of nobody any more …
        upgrade.start()  # … and yet it is there
        with pytest.raises(CommandError, match="goes on"):
            await arrival.accepted(old)
        arrival.handed[0].sock.close()


async def test_what_is_no_listening_socket_is_not_served_on(admin: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "many")
    with pytest.raises(BindError, match="not a number of sockets"):
        await arrive(plan(admin, takeover=False))


async def test_successors_look_for_where_a_reload_has_put_the_admin(admin: Address, tmp_path: Path) -> None:
    async with running(admin) as (instance, _):
        instance.admin_address = Address(path=str(tmp_path / "moved.sock"))
        for tell in instance.reloader.tell:
            tell()
        assert await take_over(handover_name(admin, os.geteuid())) is None
        arrival = await arrive(plan(instance.admin_address))
        assert len(arrival.handed) == 1
        arrival.refuse()
        arrival.handed[0].sock.close()


def starting(monkeypatch: pytest.MonkeyPatch, *command: str) -> None:
    def made(_orig_argv: Sequence[str], _executable: str) -> list[str]:
        return list(command)

    monkeypatch.setattr(module, "successor_command", made)


async def test_a_successor_that_ends_too_early_is_told_of(admin: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    starting(monkeypatch, sys.executable, "-S", "-c", "raise SystemExit(3)")
    with Heard("sidecar.upgrade") as heard:
        async with running(admin) as (instance, upgrade):
            upgrade.begin("SIGUSR2")
            await heard.said("the successor ended with exit code 3 before it had taken over; serving on")
            assert not instance.drain.begun.is_set()


async def test_a_successor_that_cannot_be_started_is_told_of(
    admin: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starting(monkeypatch, str(tmp_path / "gone"))
    async with running(admin) as (_, upgrade):
        upgrade.begin("SIGUSR2")
        assert any("no successor could be started: " in line and "serving on" in line for line in caplog.messages)


async def test_process_1_of_a_container_starts_no_successor_as_the_container_would_end_with_it(
    admin: Address, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starting(monkeypatch, "/nobody/starts/this")
    monkeypatch.setattr(module, "service_pid", lambda: 1)
    async with running(admin) as (_, upgrade):
        upgrade.begin("SIGUSR2")
        assert [line for line in caplog.messages if "SIGUSR2" in line] == [
            "SIGUSR2: no successor: a container ends with its process 1, which is this one; serving on"
        ]
        assert not any("could not be started" in line for line in caplog.messages)


async def test_where_another_instance_has_the_name_everything_else_works(
    admin: Address, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(handover_name(admin, os.geteuid()))
        async with running(admin) as (_, upgrade):
            assert upgrade.taken_by is None
    assert any("no successor can take over" in line for line in caplog.messages)
