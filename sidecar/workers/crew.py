"""The worker processes: started, started again when they die, stopped in order.

Owns the processes, their links and the pace of restarts. Knows nothing of what a worker does or of what is said on a
link. A worker whose supervisor dies sees its link end and leaves by itself, so nothing here ties their lives together.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from sidecar.policies.backoff import NO_HINT, Backoff
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from sidecar.workers.link import Link, LinkEndedError, Message

_LOG = logging.getLogger("sidecar.workers")

# One that died once is back at once: most deaths are an accident. One that goes on dying must not take the machine.
_FIRST_BOUND = 0.1
_LONGEST = 5.0
# Whoever lived so long died of something else than its start.
_SETTLED = 10.0
# So many in a row that never were ready, and nobody else who serves: the rules or the machine are at fault.
_GIVE_UP_AFTER = 5
# What a dead worker said is in the socket already; only somebody who inherited its end can hold it open for longer.
_LAST_WORDS = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """How a worker is started. `descriptors` keep their numbers in the worker, and stay the caller's;
    `environment` None: our own."""

    argv: Sequence[str]
    descriptors: Sequence[int] = ()
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One place of the crew, as status shows it. `pid` is None while nobody has the place."""

    slot: int
    pid: int | None
    ready: bool
    restarts: int


class Worker:
    """One process in one place. `gone` is set when its end of the link is; `ready` is whether it said it serves."""

    __slots__ = ("_process", "gone", "link", "pid", "ready", "slot")

    def __init__(
        self,
        slot: int,
        process: asyncio.subprocess.Process,
        sock: socket.socket,
        on_message: Callable[[Worker, Message], None],
    ) -> None:
        self.slot = slot
        self.pid = process.pid
        self.ready = False
        self.gone = asyncio.Event()
        self._process = process
        self.link = Link(sock, asyncio.get_running_loop(), lambda message: on_message(self, message), self.gone.set)

    def abort(self) -> None:
        """End the process as a failed assertion would: it says where it was."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGABRT)

    def kill(self) -> None:
        """End the process now; nothing of it is saved."""
        with suppress(ProcessLookupError):
            self._process.kill()


class CrewFailedError(Exception):
    """No worker can be kept: each died before it was ready. `status` is the last one's exit code, negative for the
    signal that killed it, None where it could not even be started."""

    def __init__(self, sentence: str, status: int | None) -> None:
        super().__init__(sentence)
        self.status = status


class Crew:
    """`count` workers. `command(slot, link)` says how one is started; `link` is the descriptor of its end of the link,
    which it is given under the same number. `on_message` hears each message of a worker, `on_started` and `on_lost`
    frame its life; whatever it said is heard before it is lost, and it is lost before the next one has its place. All
    on the loop's thread. Whoever hears from a worker that it is ready calls `is_ready`.
    """

    def __init__(
        self,
        command: Callable[[int, int], Start],
        count: int,
        *,
        on_message: Callable[[Worker, Message], None],
        on_started: Callable[[Worker], None],
        on_lost: Callable[[Worker, int], None],
        stats: Stats,
        rng: Random,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._command = command
        self._on_message = on_message
        self._on_started = on_started
        self._on_lost = on_lost
        self._stats = stats
        self._tasks = Tasks(self._loop)
        self._backoff = Backoff(_FIRST_BOUND, _LONGEST, rng)
        self._restarts = dict.fromkeys(range(count), 0)
        self._workers: dict[int, Worker] = {}
        self._statuses: dict[int, int] = {}
        self._failure: CrewFailedError | None = None
        self._complete = asyncio.Event()
        self._given_up = asyncio.Event()
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that live, by their slots."""
        return [self._workers[slot] for slot in sorted(self._workers)]

    @property
    def members(self) -> Sequence[Member]:
        """Every place, as it is now."""
        told = []
        for slot, restarts in self._restarts.items():
            worker = self._workers.get(slot)
            told.append(
                Member(slot, None, ready=False, restarts=restarts)
                if worker is None
                else Member(slot, worker.pid, worker.ready, restarts)
            )
        return told

    def start(self) -> None:
        """Start them all, and keep them until `stop`."""
        for slot in self._restarts:
            self._stats.workers_up[slot] = False
            self._keepers.append(self._tasks.start(self._keep(slot), f"worker {slot}"))

    def is_ready(self, worker: Worker) -> None:
        """The worker has said that it serves."""
        worker.ready = True
        self._stats.workers_up[worker.slot] = True
        if all(member.ready for member in self.members):
            self._complete.set()

    async def complete(self) -> None:
        """Wait until every worker has been ready, or is told to stop before that. Raises CrewFailedError."""
        await self._complete.wait()
        if self._failure is not None:
            raise self._failure

    async def gives_up(self) -> CrewFailedError:
        """Wait until no worker can be kept, if ever. Those that still live are the caller's to `stop`."""
        while self._failure is None:
            await self._given_up.wait()
        return self._failure

    async def stop(self, tell: Callable[[Worker], None], seconds: float) -> Mapping[int, int]:
        """Restart nobody any more, `tell` each to leave, and kill who has not within so many seconds. The last exit
        code of each place, negative for the signal that ended it; a place whose process never started has none."""
        self._stopping.set()
        self._complete.set()
        for worker in self.workers:
            with suppress(LinkEndedError):
                tell(worker)
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=seconds)
            for worker in self.workers:
                _LOG.warning("worker %d has not ended in time and is killed", worker.slot)
                worker.kill()
            if late:
                await asyncio.wait(late)
        return dict(self._statuses)

    async def _keep(self, slot: int) -> None:
        """The lives of one place."""
        deaths = 0  # in a row, since one had settled
        stillborn = 0  # in a row, that never were ready
        while not self._stopping.is_set():
            began = self._loop.time()
            end = await self._life(slot)
            if self._stopping.is_set():
                return
            if self._loop.time() - began >= _SETTLED:
                deaths = 0
            stillborn = 0 if end.was_ready else stillborn + 1
            # While others serve, a place that stays empty is no reason to end them.
            if stillborn >= _GIVE_UP_AFTER and not any(worker.ready for worker in self.workers):
                self._give_up(slot, end)
                return
            delay = self._backoff.wait(deaths - 1, NO_HINT) if deaths else 0.0
            deaths += 1
            self._restarts[slot] += 1
            self._stats.worker_restarts += 1
            self._tell(slot, end, delay)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    async def _life(self, slot: int) -> _End:
        """Start a worker and see it to its end."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:  # held by nobody but the worker: its end is the end of the link
                start = self._command(slot, theirs.fileno())
                process = await asyncio.create_subprocess_exec(
                    *start.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), *start.descriptors),
                    env=start.environment,
                )
        except OSError as error:
            ours.close()
            return _End(None, f"could not be started: {error}", was_ready=False)
        worker = Worker(slot, process, ours, self._on_message)
        self._workers[slot] = worker
        if self._stopping.is_set():
            worker.kill()  # started after the others were told to leave
        try:
            self._on_started(worker)
        except Exception:  # noqa: BLE001 - what cannot be told what to do is of no use; the next one may be
            _LOG.exception("worker %d could not be told what to do", slot)
            worker.kill()
        status = await process.wait()
        if not worker.link.ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await worker.gone.wait()
            worker.link.close()
        del self._workers[slot]
        self._statuses[slot] = status
        self._stats.workers_up[slot] = False
        try:
            self._on_lost(worker, status)
        except Exception:  # noqa: BLE001 - the place must not stay empty for that
            _LOG.exception("the loss of worker %d could not be dealt with", slot)
        return _End(status, _how(status), worker.ready)

    def _tell(self, slot: int, end: _End, delay: float) -> None:
        when = f"in {delay:.1f}s" if delay else "at once"
        told = {"status": end.status, "restarts": self._restarts[slot]}
        self._stats.events.tell("worker", f"worker {slot}", f"{end.how}; started again {when}", told, alarming=True)

    def _give_up(self, slot: int, end: _End) -> None:
        sentence = f"worker {slot} {end.how} before it was ready, {_GIVE_UP_AFTER} times in a row"
        self._failure = CrewFailedError(sentence, end.status)
        self._stopping.set()
        self._given_up.set()
        self._complete.set()


@dataclass(frozen=True, slots=True)
class _End:
    """How one life ended. `status` None: it did not even begin."""

    status: int | None
    how: str
    was_ready: bool


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
