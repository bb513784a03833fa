"""How one instance follows another without a gap: what a new one is handed, and how the old one makes way.

Owns the two sides' part in a process's life; the conversation itself is transport/handover.py's. Sockets also come
from a service manager (transport/activation.py), which keeps them open between two instances.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence

from sidecar.app.errors import CommandError, Exit
from sidecar.app.executable import named
from sidecar.app.instance import Instance, Plan
from sidecar.app.launch import Launch
from sidecar.app.successor import successor_command, successor_environment
from sidecar.transport.activation import inherited, service_pid
from sidecar.transport.handover import Handover, HandoverError, Legacy, handover_name, take_over
from sidecar.transport.inlets import Inlet

_LOG = logging.getLogger("sidecar.upgrade")


class Arrival:
    """What this process was given before it began: sockets, and perhaps a predecessor that waits for its word."""

    def __init__(self, handed: Sequence[Inlet], legacy: Legacy | None) -> None:
        self.handed = handed
        self._legacy = legacy

    def begin(self, instance: Instance) -> None:
        """The instance is about to serve. Should it fail, it has to leave the sockets as they are."""
        instance.inlets.is_doubled = instance.admin_inlets.is_doubled = self._legacy is not None

    async def accepted(self, instance: Instance) -> None:
        """The instance accepts: the predecessor may go.

        :raises CommandError: it does not, so this one must."""
        if self._legacy is None:
            return
        try:
            await self._legacy.ready()
        except HandoverError as error:
            raise CommandError(Exit.FAILED, str(error)) from error
        instance.inlets.is_doubled = instance.admin_inlets.is_doubled = False
        _LOG.info("took over from process %d (version %s)", self._legacy.pid, self._legacy.version)

    def refuse(self) -> None:
        """This process will not serve after all: the predecessor goes on."""
        if self._legacy is not None:
            self._legacy.close()


async def arrive(plan: Plan) -> Arrival:
    """Ask the service manager's environment, and with `--takeover` a running instance.

    :raises BindError: what the service manager passed is no listening socket.
    :raises CommandError: a predecessor is there and does not hand over.
    """
    handed = inherited(os.environ, os.getpid())
    if not plan.takeover:
        return Arrival(handed, None)
    try:
        legacy = await take_over(handover_name(plan.loaded.rules.admin.address, os.geteuid()))
    except HandoverError as error:
        raise CommandError(Exit.FAILED, str(error)) from error
    if legacy is None:
        _LOG.info("nothing to take over at %s: starting afresh", plan.loaded.rules.admin.address)
        return Arrival(handed, None)
    return Arrival([*handed, *legacy.inlets], legacy)


class Upgrade:
    """The running instance's side: it waits for a successor, and starts one when it is told to. `on_followed` hears of
    the successor's process before anybody else does."""

    def __init__(self, instance: Instance, on_followed: Callable[[int], None] = lambda _: None) -> None:
        self._instance = instance
        self._on_followed = on_followed
        self._loop = asyncio.get_running_loop()
        self._handover: Handover | None = None
        self._launched: dict[int, Launch] = {}

    def start(self) -> None:
        """Successors may come. Once it serves: they look for the admin's address as it is then."""
        instance = self._instance
        self._handover = Handover(
            handover_name(instance.admin_address, os.geteuid()),
            lambda: (*instance.inlets.listening(), *instance.admin_inlets.listening()),
            self._taken,
            self._loop,
        )
        self._handover.start()
        instance.reloader.subscribe(self._follow)

    async def close(self) -> None:
        """None may come any more."""
        if self._handover is not None:
            await self._handover.close()
        for launch in tuple(self._launched.values()):
            self._let_go(launch)

    @property
    def taken_by(self) -> int | None:
        """The process that has followed this one."""
        return None if self._handover is None else self._handover.taken_by

    def begin(self, name: str) -> None:
        """Start the version that is installed now as the successor of this one; `name` is the signal's."""
        if service_pid() == 1:
            _LOG.error("%s: no successor: a container ends with its process 1, which is this one; serving on", name)
            return
        frozen = bool(getattr(sys, "frozen", False))
        command = successor_command(sys.orig_argv, named() if frozen else sys.executable)
        environment = successor_environment(os.environ, frozen=frozen)
        environment.pop("WATCHDOG_PID", None)  # it names us, and the successor shall be watched in our place
        _LOG.info("%s: starting a successor: %s", name, " ".join(command))
        try:
            launch = Launch(command, environment)
        except OSError as error:
            _LOG.error("no successor could be started: %s; serving on", error)
            return
        self._launched[launch.pid] = launch
        self._loop.add_reader(launch.ended, self._ended, launch)

    def _ended(self, launch: Launch) -> None:
        code = self._let_go(launch)
        if self.taken_by != launch.pid:
            _LOG.error("the successor ended with exit code %d before it had taken over; serving on", code)

    def _let_go(self, launch: Launch) -> int:
        del self._launched[launch.pid]
        self._loop.remove_reader(launch.ended)
        os.close(launch.ended)
        return launch.let_go()

    def _follow(self) -> None:
        """A reload may have moved the admin address."""
        if self._handover is not None:
            self._handover.move(handover_name(self._instance.admin_address, os.geteuid()))

    def _taken(self) -> None:
        successor = self.taken_by or 0
        if successor in self._launched:
            self._let_go(self._launched[successor])
        self._on_followed(successor)  # before it says anything: the service manager listens to no other process
        self._instance.tasks.start(self._make_way(successor), "make way for the successor")

    async def _make_way(self, successor: int) -> None:
        await self._instance.hand_on()
        self._instance.drain.begin(f"process {successor} took over")
