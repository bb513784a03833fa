"""The instance of several workers: this process leads them, holds their sockets and has the admin address.

Owns what outlives a worker: the listening sockets (so that a dead worker's queue waits for its successor), the memory
that limits are kept in, the rules in force, and the counts of those that died. Serves no request itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import sidecar
from sidecar.app import logs
from sidecar.app.admin_door import AdminDoor
from sidecar.app.crew_drain import LAST_WORDS, CrewTraffic
from sidecar.app.crew_watch import CrewWatch
from sidecar.app.doors import with_port
from sidecar.app.drain import Drain
from sidecar.app.errors import CommandError, Exit
from sidecar.app.executable import worker_program
from sidecar.app.garbage import Tidying, tidy
from sidecar.app.instance import Plan, inlets_of
from sidecar.app.lifecycle import Lifecycle, Phase
from sidecar.app.merged_oversight import MergedOversight
from sidecar.app.messages import Adopt, Beat, Begin, Findings, Happened, Lead, Left, Lost, Place, Ready, Unable
from sidecar.app.reload import Reloader
from sidecar.app.settings import unix_file
from sidecar.app.sights import Sights
from sidecar.health.verdicts import Verdict
from sidecar.model.address import Address
from sidecar.rules.load import Loaded
from sidecar.telemetry.stats import Stats
from sidecar.transport.inlets import Inlet
from sidecar.transport.sockets import BindError
from sidecar.transport.tasks import Tasks
from sidecar.workers.crew import Crew, CrewFailedError, Start, Worker
from sidecar.workers.link import LinkEndedError, LinkRefusedError, Message
from sidecar.workers.memory import SharedMemory

# Ten thousand routes take a worker a second to put in force.
_ADOPT_SECONDS = 60.0


class Supervised:
    """See instance.Instance. Where no worker could be kept, `close` raises the CommandError that says why."""

    def __init__(self, plan: Plan, handed: Sequence[Inlet] = ()) -> None:
        rules = plan.loaded.rules
        self._plan = plan
        self._loaded = plan.loaded
        self._unable: Unable | None = None
        self._failed: CommandError | None = None
        self._begun: dict[Worker, Loaded] = {}
        self._leader: Worker | None = None
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._watch: CrewWatch | None = None
        self.inlets, self.admin_inlets = inlets_of(handed, plan.workers)
        self.stats = Stats()
        self.tasks = Tasks(asyncio.get_running_loop())
        self.lifecycle = Lifecycle()
        self._memory = _memory(plan.workers)
        self._environment = _environment()
        self.crew = Crew(
            self._command,
            plan.workers,
            on_message=self._heard,
            on_started=self._started,
            on_lost=self._lost,
            stats=self.stats,
            rng=random.Random(),  # noqa: S311 - spreads restarts, hides nothing
        )
        self._sights = Sights(self.stats, self.tasks)
        self._traffic = CrewTraffic(self.crew, self.stats, self.tasks, self.inlets.close, self._sights)
        self.drain = Drain(
            self.lifecycle,
            self._traffic,
            announce=rules.drain.announce,
            deadline=rules.drain.deadline,
            patience=LAST_WORDS,
        )
        self._keep_to(plan.loaded)
        self._tidying = Tidying(asyncio.get_running_loop())
        self.reloader = Reloader(plan.read, self._adopt, plan.loaded, self.stats, self.tasks, tidy=self._tidying.soon)
        self._oversight = MergedOversight(
            plan.file,
            crew=self.crew,
            sights=self._sights,
            stats=self.stats,
            lifecycle=self.lifecycle,
            drain=self.drain,
            reloader=self.reloader,
        )
        self._admin = AdminDoor(self._oversight, rules.admin, self.admin_inlets, self.tasks)

    @property
    def addresses(self) -> list[Address]:
        """See Instance."""
        return [self._bound(rule.address) for rule in self._loaded.rules.listeners]

    @property
    def admin_address(self) -> Address:
        """See Instance."""
        return self._admin.address

    async def start(self) -> None:
        """See Instance."""
        for rule in self._loaded.rules.listeners:
            self.inlets.open(rule.address, unix_file(rule))
        await self._admin.open(self._admin.fitting(self._loaded.rules.admin))
        self.crew.start()
        try:
            await self.crew.complete()
        except CrewFailedError as error:
            raise self._failure(error) from error
        self.stats.config_generation = self.reloader.generation
        self.stats.config_hash = self._loaded.digest
        self.stats.config_reloaded_at = time.time()
        self.lifecycle.advance(Phase.SERVING)
        tidy()
        self.tasks.start(self._watch_crew(), "watch the crew")
        self.tasks.start(self._sights.keep_looking(self.crew), "look at the workers")

    def watch(self, seconds: float) -> None:
        """See Instance. A worker that hangs is ended, and replaced."""
        self._watch = CrewWatch(self.crew, seconds, self.stats, asyncio.get_running_loop())
        self._watch.start()

    async def hand_on(self) -> None:
        """See Instance."""
        self.inlets.is_doubled = True
        self._traffic.handed_on = True
        self.drain.follow()
        await self._admin.close()

    async def close(self) -> None:
        """See Instance."""
        self._tidying.cancel()
        if self._watch is not None:
            self._watch.stop()
        self.lifecycle.advance(Phase.CLOSING)
        await self.crew.stop(lambda worker: None, 0.0)
        self.inlets.close()
        await self._admin.close()
        await self.tasks.close()
        self._memory.close()
        self.lifecycle.advance(Phase.STOPPED)
        if self._failed is not None:
            raise self._failed

    # The crew's calls.

    def _command(self, slot: int, link: int) -> Start:
        if getattr(sys, "frozen", False):
            program, also = worker_program()
            return Start([program, "worker", str(link)], environment={**self._environment, **also})
        return Start([sys.executable, "-P", "-m", "sidecar", "worker", str(link)], environment=self._environment)

    def _started(self, worker: Worker) -> None:
        loaded = self._begun[worker] = self._loaded
        places, descriptors = self._places(worker.slot, loaded)
        memory = self._memory.descriptors
        begin = Begin(
            loaded,
            self._plan.file,
            worker.slot,
            self._plan.workers,
            len(memory),
            places,
            tuple(self._verdicts.values()),
            tuple(self._oversight.drained_endpoints),
        )
        worker.link.tell(begin, [*memory, *descriptors])

    def _lost(self, worker: Worker, status: int) -> None:
        self._begun.pop(worker, None)
        if worker is self._leader:
            self._leader = None
            self._choose_leader()
        self._memory.bury(worker.slot)
        self._sights.lost(worker.slot)

    def _heard(self, worker: Worker, message: Message) -> None:
        body = message.body
        if isinstance(body, Ready):
            self.crew.is_ready(worker)
            self._tell_return(worker.slot)
            self._choose_leader()
            if self._begun.get(worker) is not self._loaded:  # a reload was faster than its start
                self.tasks.start(self._catch_up(worker), "bring a worker up to date")
        elif isinstance(body, Beat):
            if self._watch is not None:
                self._watch.heard(worker)
        elif isinstance(body, Happened):
            self.stats.events.adopt(body.event, worker.slot)
        elif isinstance(body, Findings):
            self._found(worker, body)
        elif isinstance(body, Lost):
            if self._leader is not None:
                self._tell(self._leader, body)
        elif isinstance(body, Unable):
            self._unable = body
        elif isinstance(body, Left):
            self._traffic.cut_by_workers += body.cut
            self._sights.merged.update(worker.slot, body.counts)

    def _found(self, worker: Worker, findings: Findings) -> None:
        self._verdicts |= {verdict[:2]: verdict for verdict in findings.verdicts}
        for other in self.crew.workers:
            if other is not worker and other.ready:
                self._tell(other, findings)

    def _tell_return(self, slot: int) -> None:
        restarts = self.crew.members[slot].restarts
        if restarts:
            self.stats.events.tell("worker", f"worker {slot}", "serves again", {"restarts": restarts})

    def _choose_leader(self) -> None:
        """Have one look at the endpoints' health for all."""
        if self._leader is None:
            self._leader = next((worker for worker in self.crew.workers if worker.ready), None)
            if self._leader is not None:
                self._tell(self._leader, Lead())

    def _tell(self, worker: Worker, body: object) -> None:
        with suppress(LinkEndedError):
            worker.link.tell(body)

    # Reload.

    async def _adopt(self, loaded: Loaded) -> None:
        """Have every worker put these rules in force; when one cannot, they all go back.

        :raises OSError: an address cannot be had, a worker says why not, or it is leaving."""
        self.lifecycle.demand_staying()
        rules, before = loaded.rules, self._loaded
        admin_sockets = self._admin.fitting(rules.admin)
        known = {rule.address for rule in before.rules.listeners}
        try:
            for rule in rules.listeners:
                self.inlets.open(rule.address, None if rule.address in known else unix_file(rule))
            for rule in rules.listeners:  # not before: see Doors.fitting
                self.inlets.open(rule.address, unix_file(rule))
            self._loaded = loaded  # whoever starts from here on begins with them
            refusals = await self._all_adopt(loaded)
            if refusals:
                self._loaded = before
                # A worker that had adopted them has stopped accepting where they do not listen, which is for good.
                self._keep_inlets(loaded)
                await self._all_adopt(before)
                raise BindError("; ".join(refusals))
        except OSError:
            self._admin.discard(admin_sockets)
            self._keep_inlets(before)
            raise
        self._keep_inlets(loaded)
        self._keep_to(loaded)
        logs.set_up(rules.log.level, rules.log.format)
        await self._admin.follow(rules.admin, admin_sockets)
        await self._forget_endpoints()

    async def _all_adopt(self, loaded: Loaded) -> list[str]:
        ready = [worker for worker in self.crew.workers if worker.ready]
        answers = await asyncio.gather(*[self._one_adopts(worker, loaded) for worker in ready])
        return [answer for answer in answers if answer]

    async def _one_adopts(self, worker: Worker, loaded: Loaded) -> str:
        """Why this worker cannot, empty when it has, or when it is gone: its successor begins with them."""
        places, descriptors = self._places(worker.slot, loaded)
        try:
            answer = await worker.link.ask(Adopt(loaded, places), _ADOPT_SECONDS, descriptors)
        except LinkEndedError:
            return ""
        except (LinkRefusedError, TimeoutError) as error:
            return f"worker {worker.slot}: {str(error) or 'no answer in time'}"
        self._begun[worker] = loaded
        return f"worker {worker.slot}: {answer}" if answer else ""

    async def _catch_up(self, worker: Worker) -> None:
        while (loaded := self._loaded) is not self._begun.get(worker) and worker in self.crew.workers:
            if await self._one_adopts(worker, loaded):
                worker.kill()  # its successor begins with them
                return

    async def _forget_endpoints(self) -> None:
        """One that comes back in later rules is a new one."""
        await self._sights.refresh(self.crew)
        known = set(self._oversight.endpoint_names())
        self._oversight.drained_endpoints &= known
        self._verdicts = {place: verdict for place, verdict in self._verdicts.items() if place[1] in known}

    def _places(self, slot: int, loaded: Loaded) -> tuple[Sequence[Place], list[int]]:
        places: list[Place] = []
        descriptors: list[int] = []
        for rule in loaded.rules.listeners:
            sockets = self.inlets.share(rule.address, slot, self._plan.workers)
            places.append(Place(rule.address, len(sockets), self.inlets.is_lent(rule.address)))
            descriptors += [one.fileno() for one in sockets]
        return places, descriptors

    def _keep_inlets(self, loaded: Loaded) -> None:
        with suppress(OSError):  # where rules are taken back, so are the modes of files
            for rule in loaded.rules.listeners:
                self.inlets.open(rule.address, unix_file(rule))
        self.inlets.keep_only([rule.address for rule in loaded.rules.listeners])

    def _bound(self, address: Address) -> Address:
        return with_port(address, self.inlets.open(address)) if self.lifecycle.phase <= Phase.SERVING else address

    def _keep_to(self, loaded: Loaded) -> None:
        drain = loaded.rules.drain
        self.drain.announce, self.drain.deadline, self._traffic.deadline = (
            drain.announce,
            drain.deadline,
            drain.deadline,
        )

    async def _watch_crew(self) -> None:
        failure = await self.crew.gives_up()
        self._failed = self._failure(failure)
        self.drain.begin(str(failure))

    def _failure(self, error: CrewFailedError) -> CommandError:
        unable = self._unable
        if unable is not None:
            return CommandError(Exit(unable.code), unable.sentence)
        return CommandError(Exit.BROKEN, str(error))


def _memory(workers: int) -> SharedMemory:
    try:
        return SharedMemory.create(workers)
    except OSError as error:
        raise CommandError(Exit.BROKEN, error.strerror or str(error)) from error


def _environment() -> dict[str, str]:
    """What the workers are started in: they run the very code that this process does, whatever the directory that it
    was started in holds. Keys are hashed in every worker, and have to come to the same place in the tables."""
    paths = [str(Path(sidecar.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    seed = random.SystemRandom().randrange(1, 1 << 32)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONHASHSEED": str(seed),
    }
