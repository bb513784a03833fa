"""One worker process of several: a proxy without an admin address, led over a link by the supervisor.

Owns the worker's life: it serves from `Begin` until it is told to leave, or until its supervisor is gone. What its
supervisor asks it answers here. Signals mean nothing to it: whoever signals a whole group of processes reaches the
supervisor too, which then says what is to be done.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
from collections import deque
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from sidecar.app import logs
from sidecar.app.descriptors import raise_limit
from sidecar.app.errors import Exit
from sidecar.app.garbage import Tidying, tidy, undisturbed
from sidecar.app.lifecycle import Phase
from sidecar.app.messages import (
    Adopt,
    Beat,
    Begin,
    Cease,
    Command,
    Count,
    Findings,
    Happened,
    Inspect,
    Lead,
    Leave,
    Left,
    Look,
    Lost,
    Place,
    Ready,
    Sight,
    Unable,
)
from sidecar.app.wiring import Proxy
from sidecar.debug.terms import BusyError, Terms
from sidecar.health.checks import Crier
from sidecar.health.verdicts import Verdict
from sidecar.model.address import Address
from sidecar.rules.load import Loaded
from sidecar.rules.shares import share_of
from sidecar.telemetry.events import Event
from sidecar.telemetry.file_writer import GATHER_SECONDS
from sidecar.telemetry.merging import dump, dump_in_parts
from sidecar.telemetry.parts import packed
from sidecar.transport.sockets import BindError, UnixFile
from sidecar.transport.tasks import Tasks
from sidecar.workers.link import Link, LinkEndedError, Message
from sidecar.workers.memory import SharedMemory

_STDOUT = 1
_DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
# What happens to the instance and not to one worker of it.
_TOLD_BY_THE_SUPERVISOR = ("drain", "command")


async def work(descriptor: int) -> int:
    """Serve for the supervisor at the other end of this descriptor; the exit code."""
    for one in _DEAF_TO:
        signal.signal(one, signal.SIG_IGN)
    raise_limit()
    worker = _Worker(descriptor)
    try:
        return await worker.run()
    except LinkEndedError:
        return Exit.FAILED
    finally:
        worker.link.close()


class HandedInlets:
    """Sockets that the supervisor has sent: the originals are its own, and these are copies that go with us."""

    def __init__(self) -> None:
        self._sockets: dict[Address, list[socket.socket]] = {}
        self._lent: set[Address] = set()
        self.handed_on = False

    def take(self, places: Sequence[Place], descriptors: deque[int]) -> None:
        """Take up what came with a message; what is known already is let go of."""
        self._lent |= {place.address for place in places if place.lent}
        for address, count, _ in places:
            sockets = [socket.socket(fileno=descriptors.popleft()) for _ in range(count)]
            for one in sockets:
                one.setblocking(False)
            if address in self._sockets:
                _close(sockets)
            else:
                self._sockets[address] = sockets

    def open(self, address: Address, file: UnixFile | None = None) -> Sequence[socket.socket]:
        """See Inlets; of the file the supervisor has taken care."""
        try:
            return self._sockets[address]
        except KeyError:
            raise BindError(f"no socket for {address} was handed down") from None

    def keep_only(self, addresses: Collection[Address]) -> None:
        """See Inlets."""
        for address in self._sockets.keys() - set(addresses):
            _close(self._sockets.pop(address))

    def is_shared(self, address: Address) -> bool:
        """See Inlets."""
        return self.handed_on or address in self._lent

    def close(self) -> None:
        """See Inlets."""
        self.keep_only(())


class _Worker:
    def __init__(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._tasks = Tasks(loop)
        self._begun: asyncio.Future[tuple[Begin, deque[int]]] = loop.create_future()
        self._inlets = HandedInlets()
        self._tidying = Tidying(loop)
        self._proxy: Proxy | None = None
        self._workers = 1
        self._also: dict[str, object] = {}
        self._told_to_leave: Leave | None = None
        self._early: list[Command] = []
        self._inspections: dict[int, asyncio.Task[None]] = {}
        self._dumping = asyncio.Lock()
        self.link = Link.of_descriptor(descriptor, loop, self._heard, self._orphaned)

    async def run(self) -> int:
        begin, descriptors = await self._begun
        self._workers = begin.workers
        self._also = {"worker": begin.worker}
        rules = begin.loaded.rules
        logs.set_up(rules.log.level, rules.log.format, also=self._also)
        fds = [descriptors.popleft() for _ in range(begin.memory)]
        memory = SharedMemory.attach(fds[0], fds[1:], begin.worker, self._loop)
        self._inlets.take(begin.places, descriptors)
        write = logs.line_writer(_STDOUT, GATHER_SECONDS)
        proxy = self._proxy = Proxy(
            self._part(begin.loaded),
            write,
            file=begin.file,
            inlets=self._inlets,
            memory=memory,
            crier=_LinkCrier(self.link),
        )
        logs.count_in(proxy.stats)
        proxy.stats.events.subscribe(self._happened)
        proxy.checks.told(begin.verdicts)
        for name in begin.drained:
            proxy.oversight.command_endpoint(name, "drain")
        for command in self._early:
            _obey(proxy, command)
        try:
            await proxy.start()
        except OSError as error:
            self.link.tell(Unable(Exit.BIND, error.strerror or str(error)))
            await self.link.flushed()
            await proxy.close()
            return Exit.BIND
        tidy()
        self.link.tell(Ready())
        if self._told_to_leave is not None:
            # Late, but not in vain: whoever was before it in this place may have left connections that nobody accepted.
            self._leave(proxy, self._told_to_leave)
        try:
            await proxy.lifecycle.reached(Phase.DRAINING)
            cut = await proxy.drain.run()
            if not self.link.ended:
                self.link.tell(Left(cut, dump(proxy.stats)))
                await self.link.flushed()
        finally:
            await proxy.close()
            write.close()
            memory.detach(self._loop)
        return Exit.CUT if cut else Exit.DONE

    def _part(self, loaded: Loaded) -> Loaded:
        return dataclasses.replace(loaded, rules=share_of(loaded.rules, self._workers))

    def _orphaned(self) -> None:
        if self._proxy is None:
            os._exit(Exit.FAILED)  # there is nothing yet that an orderly end would be for
        self._inlets.handed_on = True  # perhaps before it was the only one that had the sockets
        self._proxy.drain.begin("the supervisor is gone")

    def _happened(self, event: Event) -> None:
        if not self.link.ended and event.kind not in _TOLD_BY_THE_SUPERVISOR:
            self.link.tell(Happened(event))

    def _heard(self, message: Message) -> None:
        body, proxy = message.body, self._proxy
        if isinstance(body, Begin):
            self._begun.set_result((body, deque(message.take_descriptors())))
        elif isinstance(body, Leave):
            if proxy is None or proxy.lifecycle.phase is Phase.STARTING:
                self._told_to_leave = body
            else:
                self._leave(proxy, body)
        elif proxy is None and isinstance(body, Command):
            self._early.append(body)  # `Begin` was written before the operator spoke
        elif proxy is None:
            message.refuse("it has not begun yet")
        else:
            self._led(proxy, message, body)

    def _led(self, proxy: Proxy, message: Message, body: object) -> None:
        if isinstance(body, Adopt):
            self._inlets.take(body.places, deque(message.take_descriptors()))
            self._tasks.start(self._adopt(proxy, message, body.loaded), "adopt other rules")
        elif isinstance(body, Beat):
            self.link.tell(Beat())
        elif isinstance(body, Look):
            self._tasks.start(self._answer(message, self._sight(proxy)), "tell what is seen")
        elif isinstance(body, Count):
            self._tasks.start(self._answer(message, self._counts(proxy)), "tell what was counted")
        elif isinstance(body, Command):
            _obey(proxy, body)
        elif isinstance(body, Inspect):
            task = self._tasks.start(self._inspect(proxy, message, body.terms), "inspect")
            self._inspections[body.number] = task
            task.add_done_callback(lambda _: self._inspections.pop(body.number))
        elif isinstance(body, Cease):
            if body.number in self._inspections:
                self._inspections[body.number].cancel()
        elif isinstance(body, Lead):
            proxy.checks.lead()
        elif isinstance(body, Findings):
            proxy.checks.told(body.verdicts)
        elif isinstance(body, Lost):
            proxy.checks.lost(body.upstream, body.endpoint)

    async def _adopt(self, proxy: Proxy, message: Message, loaded: Loaded) -> None:
        try:
            with undisturbed():
                await proxy.adopt(self._part(loaded))
                self._tidying.soon()
        except OSError as error:
            message.answer(str(error))
            return
        except Exception as error:
            message.answer(f"{type(error).__name__}: {error}")
            raise
        logs.set_up(loaded.rules.log.level, loaded.rules.log.format, also=self._also)
        message.answer(None)

    async def _inspect(self, proxy: Proxy, message: Message, terms: Terms) -> None:
        try:
            message.answer(await proxy.oversight.inspection.answer(terms))
        except BusyError as error:
            message.refuse(str(error))
        except Exception as error:
            message.refuse(f"{type(error).__name__}: {error}")
            raise

    async def _answer(self, message: Message, making: Coroutine[Any, Any, object]) -> None:
        try:
            message.answer(await making)
        except Exception as error:
            message.refuse(f"{type(error).__name__}: {error}")
            raise

    async def _sight(self, proxy: Proxy) -> Sight:
        oversight = proxy.oversight
        status = await packed(oversight.status())
        counts = await self._counts(proxy)
        return Sight(oversight.conditions(), status, counts, oversight.breaker_names(), oversight.endpoint_names())

    async def _counts(self, proxy: Proxy) -> list[bytes]:
        async with self._dumping:
            return await packed(dump_in_parts(proxy.stats))

    def _leave(self, proxy: Proxy, leave: Leave) -> None:
        if leave.handed_on:
            self._inlets.handed_on = True
            proxy.drain.follow()
        if leave.hurry:
            proxy.drain.hurry()
        proxy.drain.begin("the instance leaves")


class _LinkCrier(Crier):
    """By way of the supervisor. Once that is gone there is nobody to tell."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def verdicts(self, told: Sequence[Verdict]) -> None:
        if not self._link.ended:
            self._link.tell(Findings(told))

    def lost(self, upstream: str, endpoint: str) -> None:
        if not self._link.ended:
            self._link.tell(Lost(upstream, endpoint))


def _obey(proxy: Proxy, command: Command) -> None:
    obey = proxy.oversight.command_breaker if command.kind == "breaker" else proxy.oversight.command_endpoint
    obey(command.name, command.verb)


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()
