"""The process from its first line to its exit code: loop, signals, start, serve, drain, close.

Owns the order; what is started and drained is the wiring's.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sidecar.app import logs
from sidecar.app.banner import Scene, acting, banner, is_compiled, reachable, scheme_of
from sidecar.app.descriptors import raise_limit
from sidecar.app.errors import CommandError, Exit
from sidecar.app.expiry import Expiry
from sidecar.app.herald import Herald
from sidecar.app.instance import Instance, Plan
from sidecar.app.lifecycle import Phase
from sidecar.app.loop import on_a_loop
from sidecar.app.orphans import Orphans
from sidecar.app.signals import heard
from sidecar.app.solo import Solo
from sidecar.app.upgrade import Arrival, Upgrade, arrive
from sidecar.app.watcher import Watcher
from sidecar.transport.sockets import BindError

if TYPE_CHECKING:
    from sidecar.demo.chaos import Mood

_LOG = logging.getLogger("sidecar")
_STDIN, _STDERR = 0, 2


def serve(plan: Plan) -> int:
    """Run the instance until a signal, the admin or a successor ends it; the exit code."""
    return on_a_loop(_serve(plan))


def serve_demo(plan_for: Callable[[str], Plan], usual: Mood) -> int:
    """Run it in front of a demo backend of that mood in the same process; `plan_for` makes the plan for its URL."""
    return on_a_loop(_serve_demo(plan_for, usual))


async def _serve_demo(plan_for: Callable[[str], Plan], usual: Mood) -> int:
    from sidecar.demo.backend import Backend

    backend = Backend(usual=usual)
    await backend.start()
    try:
        return await _serve(plan_for(backend.url))
    finally:
        await backend.close()


async def _serve(plan: Plan) -> int:
    rules = plan.loaded.rules
    logs.set_up(rules.log.level, rules.log.format)
    raise_limit()
    try:
        arrival = await arrive(plan)
    except BindError as error:
        raise CommandError(Exit.BIND, _unbound(error)) from error
    instance = _instance(plan, arrival)
    arrival.begin(instance)
    logs.count_in(instance.stats)
    life = _Life(instance, Herald(instance, asyncio.get_running_loop()))
    with heard(life.on_signal), heard(life.on_hangup, (signal.SIGHUP,)), heard(life.on_upgrade, (signal.SIGUSR2,)):
        try:
            await instance.start()
            await arrival.accepted(instance)
        except BaseException as error:
            arrival.refuse()
            await instance.close()
            if isinstance(error, BindError):
                raise CommandError(Exit.BIND, _unbound(error)) from error
            raise
        _say(instance, plan)
        return await _live(instance, life)


def _instance(plan: Plan, arrival: Arrival) -> Instance:
    if plan.workers == 1:
        return Solo(plan, arrival.handed)
    # Not before: one process alone is a megabyte smaller without it.
    from sidecar.app.supervised import Supervised

    return Supervised(plan, arrival.handed)


async def _live(instance: Instance, life: _Life) -> int:
    """From the first request to the exit code."""
    reloader = instance.reloader
    watcher = Watcher(partial(reloader.reload, "file changed"), instance.tasks, lambda: reloader.sources)
    watcher.start()
    expiry = Expiry(instance.stats.events, asyncio.get_running_loop())
    expiry.follow(reloader.current)
    reloader.subscribe(lambda: expiry.follow(reloader.current))
    orphans = Orphans(asyncio.get_running_loop())
    orphans.start()
    for one in (*instance.inlets.handed_unused(), *instance.admin_inlets.handed_unused()):
        _LOG.warning("the socket `%s` that was handed down (%s) fits no listener of the rules", one.role, one.where)
    life.upgrade.start()
    life.herald.serving()
    try:
        await instance.lifecycle.reached(Phase.DRAINING)
        life.herald.leaving()
        watcher.stop()
        cut = await instance.drain.run()
    finally:
        expiry.stop()
        orphans.stop()
        await life.upgrade.close()
        try:
            await instance.close()
        finally:
            life.herald.close()
    return Exit.CUT if cut else Exit.DONE


class _Life:
    """What a signal means: the first drains, each later one ends the drain now.

    A drain that the admin began is no signal: the orchestrator's SIGTERM that follows its preStop must cut nothing.
    """

    def __init__(self, instance: Instance, herald: Herald) -> None:
        self.herald = herald
        self.upgrade = Upgrade(instance, herald.followed_by)
        self._instance = instance
        self._told = False
        # Asked now: of a terminal that has hung up the kernel says that it is none.
        self._at_terminal = os.isatty(_STDIN)

    def on_signal(self, name: str) -> None:
        if self._told:
            self._instance.drain.hurry()
        self._told = True
        self._instance.drain.begin(name)

    def on_hangup(self, name: str) -> None:
        """A terminal that closes ends what ran in it. Elsewhere the habit is "read the rules again"."""
        if self._at_terminal:
            self.on_signal(name)
            return
        self._instance.tasks.start(self._reload(name), f"reload at {name}")

    def on_upgrade(self, name: str) -> None:
        """The version that is installed now shall follow this one."""
        self.upgrade.begin(name)

    async def _reload(self, why: str) -> None:
        self.herald.reload_begins()
        await self._instance.reloader.reload(why)
        self.herald.reload_ends()


def _unbound(error: BindError) -> str:
    told = error.strerror or str(error)
    if error.errno != errno.EADDRINUSE:
        return told
    return (
        f"{told}; end what listens there, take over from it with --takeover where it is a sidecar, or choose another "
        "address with --listen or --admin"
    )


def _say(instance: Instance, plan: Plan) -> None:
    """The banner for people; where a machine reads the log, the same in the log's own form."""
    compiled, loaded, demo = is_compiled(), plan.loaded, plan.demo
    schemes = [scheme_of(rule) for rule in loaded.rules.listeners]
    if demo or loaded.rules.log.format == "text" or os.isatty(_STDERR):
        fronts = [
            (name, [str(endpoint.url) for endpoint in rule.endpoints]) for name, rule in loaded.rules.upstreams.items()
        ]
        policies = acting(loaded.rules)
        admin = instance.admin_address
        placed = zip(instance.addresses, loaded.rules.listeners, strict=True)
        headed = [address for address, rule in placed if rule.proxy_protocol]
        scene = Scene(instance.addresses, admin, fronts, loaded.warnings, compiled, demo, policies, schemes, headed)
        logs.say(banner(scene))
        return
    _LOG.info(
        "serving on %s, admin on %s, hot modules %s",
        ", ".join(map(reachable, instance.addresses, schemes)),
        reachable(instance.admin_address),
        "compiled" if compiled else "interpreted",
    )
    for warning in loaded.warnings:
        _LOG.warning("%s", warning)
