"""What the service manager hears, in which order and how often."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.app.herald import Herald
from sidecar.app.lifecycle import Lifecycle, Phase
from sidecar.telemetry.stats import Stats
from tests.doubles.running import loaded
from tests.doubles.timers import Timers


class Drain:
    """A drain of two requests."""

    deadline = 25.0

    def __init__(self) -> None:
        self.requests = 2
        self.refreshed = 0

    async def refresh(self) -> None:
        self.refreshed += 1

    def left(self) -> str:
        return f"{self.requests} requests"

    def standing(self) -> str:
        return "draining"


class Tasks:
    """Runs them to their end at once."""

    def start(self, work: Any, name: str) -> None:
        with pytest.raises(StopIteration):
            work.send(None)


class Instance:
    """As much of one as a herald looks at."""

    def __init__(self) -> None:
        self.lifecycle = Lifecycle()
        self.stats = Stats()
        self.tasks = Tasks()
        self.drain = Drain()
        self.reloader = SimpleNamespace(current=loaded("http://127.0.0.1:1"), generation=1, last=None)
        self.watched: list[float] = []

    def watch(self, seconds: float) -> None:
        self.watched.append(seconds)


class Manager:
    """The service manager's end; nobody takes a message out before `heard` is looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(os.fspath(path))

    @property
    def heard(self) -> list[str]:
        """Whatever has come since the last look."""
        found = []
        while True:
            try:
                found.append(self.sock.recv(4096).decode())
            except BlockingIOError:
                return found

    def fill(self) -> None:
        """Until nothing more goes in."""
        with suppress(BlockingIOError):
            while True:  # each time a new one: a sender's own buffer would be full first
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                    sock.setblocking(False)
                    sock.sendto(b"STATUS=of somebody else", os.fspath(self.path))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    with made.sock:
        yield made


@pytest.fixture
def instance() -> Any:
    return Instance()


@pytest.fixture
def timers() -> Any:
    return Timers()


def herald_of(instance: Any, timers: Any, manager: Manager | None, more: Mapping[str, str] | None = None) -> Herald:
    environ = {} if manager is None else {"NOTIFY_SOCKET": str(manager.path)}
    return Herald(instance, timers, {**environ, **(more or {})}, 7)


SERVING = "serving on 1 listener, rules of generation 1"


def served(instance: Any, timers: Any, manager: Manager, more: Mapping[str, str] | None = None) -> Herald:
    """One that has said that it serves, and been heard."""
    herald = herald_of(instance, timers, manager, more)
    instance.lifecycle.advance(Phase.SERVING)
    herald.serving()
    assert manager.heard[0] == f"READY=1\nSTATUS={SERVING}"
    return herald


def happened(instance: Any, kind: str, text: str = "") -> None:
    instance.stats.events.tell(kind, "x", text)


async def test_where_nobody_listens_nothing_is_said_or_kept(instance: Any, timers: Any) -> None:
    herald = herald_of(instance, timers, None, {"WATCHDOG_USEC": "1000000"})
    instance.lifecycle.advance(Phase.SERVING)
    herald.serving()
    herald.reload_begins()
    herald.reload_ends()
    herald.leaving()
    herald.close()
    assert instance.watched == []
    assert timers._set == []


async def test_a_reload_is_over_when_the_last_one_asked_for_is(instance: Any, timers: Any, manager: Manager) -> None:
    herald = served(instance, timers, manager)
    herald.reload_begins()
    herald.reload_begins()
    herald.reload_ends()
    assert [one.partition("\n")[0] for one in manager.heard] == ["RELOADING=1", "RELOADING=1"]
    herald.reload_ends()
    assert manager.heard == ["READY=1"]


async def test_a_reload_before_it_serves_does_not_make_it_ready(instance: Any, timers: Any, manager: Manager) -> None:
    herald = herald_of(instance, timers, manager)
    herald.reload_begins()
    instance.lifecycle.advance(Phase.SERVING)
    herald.reload_ends()
    assert manager.heard == []


async def test_a_reload_that_ends_in_the_drain_does_not_make_it_ready(
    instance: Any, timers: Any, manager: Manager
) -> None:
    herald = served(instance, timers, manager)
    herald.reload_begins()
    instance.lifecycle.advance(Phase.DRAINING)
    herald.reload_ends()
    herald.reload_begins()
    assert len(manager.heard) == 1


async def test_its_line_says_which_rules_are_in_force_and_why_newer_ones_are_not(
    instance: Any, timers: Any, manager: Manager
) -> None:
    served(instance, timers, manager)
    instance.reloader.last = SimpleNamespace(result="failed", why="SIGHUP", problems=("r.yaml:2:1: no\nMAINPID=1",))
    happened(instance, "reload")
    refused = SERVING + "; SIGHUP: newer rules are refused: r.yaml:2:1: no\\nMAINPID=1"
    assert manager.heard == [f"STATUS={refused}"]
    timers.pass_by(5.0)
    instance.reloader.last = SimpleNamespace(result="reloaded", problems=())
    instance.reloader.generation = 2
    happened(instance, "reload")
    assert manager.heard == ["STATUS=serving on 1 listener, rules of generation 2"]


async def test_its_line_counts_the_workers_that_serve(instance: Any, timers: Any, manager: Manager) -> None:
    served(instance, timers, manager)
    instance.stats.workers_up.update({0: True, 1: False})
    happened(instance, "worker")
    assert manager.heard == [f"STATUS={SERVING}, 1 of 2 workers up"]


async def test_its_line_changes_once_a_second_at_most_and_ends_as_it_is(
    instance: Any, timers: Any, manager: Manager
) -> None:
    served(instance, timers, manager)
    for generation in range(2, 100):
        instance.reloader.generation = generation
        happened(instance, "reload")
    timers.pass_by(10.0)
    assert [one.rpartition(" ")[2] for one in manager.heard] == ["2", "99"]


async def test_what_changes_nothing_for_people_is_not_told(instance: Any, timers: Any, manager: Manager) -> None:
    served(instance, timers, manager)
    happened(instance, "reload")
    happened(instance, "breaker")
    timers.pass_by(10.0)
    assert manager.heard == []


async def test_a_drain_may_take_its_time_and_tells_what_is_left(instance: Any, timers: Any, manager: Manager) -> None:
    herald = served(instance, timers, manager)
    instance.lifecycle.advance(Phase.DRAINING)
    happened(instance, "drain", "draining (SIGTERM)")
    herald.leaving()
    assert manager.heard == [
        "STATUS=draining; still busy: 2 requests",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000",
    ]
    timers.pass_by(3.0)
    assert manager.heard == []
    assert instance.drain.refreshed >= 3
    instance.drain.requests = 1
    timers.pass_by(1.0)
    assert manager.heard == ["STATUS=draining; still busy: 1 requests"]
    happened(instance, "drain", "drained: every request was answered")
    instance.lifecycle.advance(Phase.CLOSING)
    herald.close()
    assert manager.heard == ["STATUS=drained: every request was answered"]
    assert timers._set == [] or all(timer.at == float("inf") for timer in timers._set)


async def test_under_a_watchdog_it_is_alive_until_its_end(instance: Any, timers: Any, manager: Manager) -> None:
    herald = served(instance, timers, manager, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "7"})
    assert instance.watched == [4.0]
    instance.lifecycle.advance(Phase.DRAINING)
    herald.leaving()
    assert len(manager.heard) == 1
    timers.pass_by(6.0)
    assert manager.heard == ["WATCHDOG=1"] * 3
    herald.close()
    timers.pass_by(60.0)
    assert "WATCHDOG=1" not in manager.heard


async def test_a_watchdog_of_another_process_is_not_ours(instance: Any, timers: Any, manager: Manager) -> None:
    served(instance, timers, manager, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "8"})
    assert instance.watched == []
    timers.pass_by(60.0)
    assert manager.heard == []


async def test_a_watchdog_that_makes_no_sense_is_told_of_and_is_none(
    instance: Any, timers: Any, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    served(instance, timers, manager, {"WATCHDOG_USEC": "soon"})
    assert instance.watched == []
    assert caplog.messages == ["no watchdog: WATCHDOG_USEC is `soon`, not a number of microseconds"]


async def test_once_somebody_follows_it_says_nothing_more(instance: Any, timers: Any, manager: Manager) -> None:
    herald = served(instance, timers, manager, {"WATCHDOG_USEC": "4000000"})
    herald.followed_by(99)
    assert manager.heard == ["MAINPID=99"]
    instance.lifecycle.advance(Phase.DRAINING)
    happened(instance, "drain", "draining")
    herald.leaving()
    timers.pass_by(60.0)
    herald.close()
    assert manager.heard == []


async def test_what_a_full_queue_refused_is_said_again_in_its_order(
    instance: Any, timers: Any, manager: Manager
) -> None:
    herald = herald_of(instance, timers, manager)
    manager.fill()
    instance.lifecycle.advance(Phase.SERVING)
    herald.serving()
    herald.reload_begins()
    herald.reload_ends()
    timers.pass_by(1.0)
    assert set(manager.heard) == {"STATUS=of somebody else"}
    timers.pass_by(1.0)
    assert [one.partition("\n")[0] for one in manager.heard] == ["READY=1", "RELOADING=1", "READY=1"]


async def test_one_that_listens_to_nobody_for_long_is_told_of_and_hears_it_in_the_end(
    instance: Any, timers: Any, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    manager.path.unlink()
    herald = herald_of(instance, timers, manager)
    instance.lifecycle.advance(Phase.SERVING)
    herald.serving()
    timers.pass_by(60.0)
    assert caplog.messages == [f"the service manager does not listen at {manager.path}"]
    for _ in range(100):
        herald.reload_begins()
        herald.reload_ends()
    assert len(herald._waiting) < 20
    with Manager(manager.path).sock as again:
        timers.pass_by(5.0)
        last = [again.recv(4096).decode().partition("\n")[0] for _ in range(2)]
        assert set(last) == {"READY=1", "RELOADING=1"}
    assert not herald._waiting


async def test_a_line_that_a_full_queue_refused_is_said_later(instance: Any, timers: Any, manager: Manager) -> None:
    served(instance, timers, manager)
    manager.fill()
    instance.reloader.generation = 2
    happened(instance, "reload")
    assert set(manager.heard) == {"STATUS=of somebody else"}
    timers.pass_by(2.0)
    assert manager.heard == ["STATUS=serving on 1 listener, rules of generation 2"]


async def test_an_older_line_that_waits_does_not_take_the_place_of_a_newer_one(
    instance: Any, timers: Any, manager: Manager
) -> None:
    herald = herald_of(instance, timers, manager)
    manager.fill()
    instance.lifecycle.advance(Phase.SERVING)
    herald.serving()
    assert set(manager.heard) == {"STATUS=of somebody else"}
    instance.reloader.generation = 2
    happened(instance, "reload")
    timers.pass_by(2.0)
    assert manager.heard == [f"READY=1\nSTATUS={SERVING}", "STATUS=serving on 1 listener, rules of generation 2"]


async def test_a_life_sign_that_a_full_queue_refused_is_given_again_in_time(
    instance: Any, timers: Any, manager: Manager
) -> None:
    served(instance, timers, manager, {"WATCHDOG_USEC": "4000000"})
    manager.fill()
    timers.pass_by(2.0)
    assert set(manager.heard) == {"STATUS=of somebody else"}
    timers.pass_by(1.0)
    assert manager.heard == ["WATCHDOG=1"]


async def test_who_follows_is_heard_even_where_a_full_queue_outlasts_us(
    instance: Any, timers: Any, manager: Manager
) -> None:
    herald = served(instance, timers, manager)
    manager.fill()
    herald.followed_by(99)
    closing = asyncio.create_task(asyncio.to_thread(herald.close))
    manager.sock.setblocking(True)
    manager.sock.settimeout(60)
    while (heard := await asyncio.to_thread(manager.sock.recv, 4096)) == b"STATUS=of somebody else":
        pass
    assert heard == b"MAINPID=99"
    await closing


async def test_an_end_forgets_what_could_not_be_said(instance: Any, timers: Any, manager: Manager) -> None:
    herald = herald_of(instance, timers, manager)
    manager.fill()
    herald.serving()
    herald.close()
    assert set(manager.heard) == {"STATUS=of somebody else"}
    timers.pass_by(60.0)
    assert manager.heard == []
    await asyncio.sleep(0)
