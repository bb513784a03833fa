"""Memory of real processes: what they write together holds, and one that is killed in the midst of it stops nobody."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.contract import WAIT
from sidecar.policies.shared_bulkhead import SharedBulkhead
from sidecar.policies.shared_places import piece_of
from sidecar.workers.memory import SharedMemory
from tests.doubles.limited_applicant import LimitedApplicant

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory files are Linux's")
ROOT = Path(__file__).resolve().parents[2]

# What a worker process begins with: its number and descriptors are its arguments.
PREAMBLE = """
import asyncio, math, os, sys
from sidecar.model.observer import RouteObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.contract import ADMITTED
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.shared_bulkhead import SharedBulkhead
from sidecar.policies.shared_places import piece_of
from sidecar.policies.shared_rate_limit import SharedRateLimits
from sidecar.workers.memory import SharedMemory
from tests.doubles.limited_applicant import FixedKey, LimitedApplicant

worker, fd, *events = map(int, sys.argv[1:])
loop = asyncio.new_event_loop()
memory = SharedMemory.attach(fd, events, worker, loop)
"""

HAMMER = """
keyed = [RateLimitSpec(name="x", rate=1000.0, burst=100.0, key=("client_ip",))]
plain = [RateLimitSpec(name="x", rate=1000.0, burst=100.0)]
for name, specs in (("plain", plain), ("keyed", keyed)):
    limits = SharedRateLimits(name, [(s, FixedKey("k") if s.key else None) for s in specs], RouteObserver(), memory)
    admitted = 0
    # Four seconds in which each worker asks a thousand times a second.
    for step in range(4000):
        admitted += limits.try_acquire(1000.0 + step / 1000.0, LimitedApplicant()) == ADMITTED
    print(admitted)
"""

COUNT = """
piece = memory.piece("count", header=1)
for _ in range(5000):
    piece.enter()
    piece.cells[0] += 1.0
    piece.leave()
"""

HOLD = """
machine = SharedBulkhead("login/concurrency", BulkheadSpec(max=2, max_queue=4), memory)
for _ in range(2):
    assert machine.try_acquire(1.0, LimitedApplicant()) > 0
print("taken", flush=True)
sys.stdin.read()
"""

STUCK = """
piece = piece_of(memory, "login/concurrency")
piece.enter()
piece.cells[piece.held_of(0)] = 2.0
print("inside", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    made = SharedMemory.create(4)
    yield made
    made.close()


def attached(memory: SharedMemory, worker: int, loop: asyncio.AbstractEventLoop) -> SharedMemory:
    """A worker in this very process."""
    return SharedMemory.attach(memory.fd, memory.descriptors[1:], worker, loop)


def begun(memory: SharedMemory, worker: int, script: str) -> subprocess.Popen[str]:
    """A worker process that runs `script`."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, str(worker), *map(str, memory.descriptors)],
        pass_fds=memory.descriptors,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What it said, once it is done."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return said


def killed(process: subprocess.Popen[str]) -> None:
    """As the kernel would."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_limit_that_four_processes_hammer_admits_what_one_would(memory: SharedMemory) -> None:
    said = [ended(process).split() for process in [begun(memory, worker, HAMMER) for worker in range(4)]]
    for column in range(2):
        # 3.999 s at 1000/s and a burst of 100.
        assert sum(int(lines[column]) for lines in said) == pytest.approx(4099, rel=0.01)


def test_what_is_done_inside_is_done_by_one_at_a_time(memory: SharedMemory) -> None:
    for process in [begun(memory, worker, COUNT) for worker in range(4)]:
        ended(process)
    assert memory.piece("count", header=1).cells[0] == 20_000.0


async def test_the_places_of_a_killed_process_come_back_at_its_burial(memory: SharedMemory) -> None:
    loop = asyncio.get_running_loop()
    mine = attached(memory, 0, loop)
    machine = SharedBulkhead("login/concurrency", BulkheadSpec(max=2, max_queue=4), mine)
    process = begun(memory, 1, HOLD)
    assert first_line(process) == "taken"
    told = loop.create_future()

    class Waiting(LimitedApplicant):
        def granted(self, now: float) -> None:
            told.set_result(now)

    who = Waiting()
    assert machine.try_acquire(1.0, who) == WAIT
    killed(process)
    assert machine.snapshot(1.0)["in_flight"] == 2
    memory.bury(1)
    now = await asyncio.wait_for(told, 60)
    permit = machine.resume(now, who)
    assert permit > 0
    assert machine.snapshot(now)["in_flight"] == 1
    machine.settle(now, permit, Outcome.SUCCESS, 0.1)
    assert machine.snapshot(now)["in_flight"] == 0
    mine.detach(loop)


def test_a_process_killed_inside_the_lock_blocks_nobody(memory: SharedMemory) -> None:
    process = begun(memory, 1, STUCK)
    assert first_line(process) == "inside"
    killed(process)
    memory.bury(1)
    piece = piece_of(memory, "login/concurrency")
    piece.enter()
    assert piece.held_by_all(0) == 0.0
    piece.leave()


async def test_a_call_wakes_the_loop_of_its_worker_and_no_other(memory: SharedMemory) -> None:
    loop = asyncio.get_running_loop()
    workers = [attached(memory, worker, loop) for worker in range(2)]
    told: list[int] = []
    heard = asyncio.Event()

    def tell(worker: int) -> None:
        told.append(worker)
        heard.set()

    for number, worker in enumerate(workers):
        worker.piece("a").on_call = lambda now, number=number: tell(number)
        worker.piece("b").on_call = lambda now: tell(-1)
    workers[0].piece("a").call(1)
    await asyncio.wait_for(heard.wait(), 60)
    assert told == [1]
    for worker in workers:
        worker.detach(loop)


async def test_a_machine_that_fails_keeps_no_other_from_hearing_its_call(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    mine = attached(memory, 0, loop)
    told = loop.create_future()

    def fail(now: float) -> None:
        raise ValueError("a bug")

    mine.piece("a").on_call = fail
    mine.piece("b").on_call = told.set_result
    for name in ("a", "b"):  # both before the loop turns
        mine.piece(name).call(0)
    await asyncio.wait_for(told, 60)
    assert "a call of another worker for a failed" in caplog.text
    mine.detach(loop)


async def test_a_machine_is_told_the_time_of_the_given_clock(memory: SharedMemory) -> None:
    loop = asyncio.get_running_loop()
    mine = SharedMemory.attach(memory.fd, memory.descriptors[1:], 2, loop, lambda: 42.0)
    told = loop.create_future()
    mine.piece("a").on_call = told.set_result
    mine.piece("a").call(2)
    assert await asyncio.wait_for(told, 60) == 42.0
    mine.detach(loop)


def test_a_piece_is_the_same_memory_for_all_and_zero_when_it_is_new(memory: SharedMemory) -> None:
    other = SharedMemory(memory.fd, memory.descriptors[1:], 3)
    first = memory.piece("a", header=2, held=1)
    assert set(first.cells.tolist()) == {0.0}
    first.cells[1] = 5.0
    other.piece("b", table=100).cells[0] = 7.0
    assert memory.piece("b", table=100).cells[0] == 7.0
    assert other.piece("a", header=2, held=1).cells[1] == 5.0
    assert memory.piece("a", header=3).cells.tolist() == [0.0] * (3 + 4)


def test_a_name_of_any_script_is_a_name(memory: SharedMemory) -> None:
    other = SharedMemory(memory.fd, memory.descriptors[1:], 3)
    memory.piece("Zürich/度", header=1).cells[0] = 1.0
    assert other.piece("Zürich/度", header=1).cells[0] == 1.0


def test_where_there_is_no_room_it_is_said_and_nothing_is_lost(memory: SharedMemory) -> None:
    with pytest.raises(MemoryError, match="no room for what the workers share of huge"):
        memory.piece("huge", table=1 << 40)
    memory.piece("small", header=1).cells[0] = 1.0
    assert SharedMemory(memory.fd, memory.descriptors[1:], 3).piece("small", header=1).cells[0] == 1.0


def test_a_system_without_memory_files_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(OSError, match="run one"):
        SharedMemory.create(2)


def test_a_want_of_descriptors_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    eventfd = os.eventfd

    def short(*args: int) -> int:
        if len(made) == 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.append(eventfd(*args))
        return made[-1]

    monkeypatch.setattr(os, "eventfd", short)
    with pytest.raises(OSError, match="Too many open files"):
        SharedMemory.create(4)
    for fd in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_what_nobody_has_written_to_takes_no_memory(memory: SharedMemory) -> None:
    memory.piece("wide", table=1 << 20)
    assert os.fstat(memory.fd).st_blocks * 512 < 1 << 20
