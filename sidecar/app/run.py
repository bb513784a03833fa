"""The process from its first line to its exit code: loop, signals, start, serve, drain, close.

Owns the order; what is started and drained is the wiring's.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from sidecar.app import logs
from sidecar.app.banner import Scene, acting, banner, is_compiled, reachable
from sidecar.app.errors import CommandError, Exit
from sidecar.app.lifecycle import Phase
from sidecar.app.signals import heard
from sidecar.app.wiring import Proxy
from sidecar.demo.backend import Backend
from sidecar.rules.load import Loaded
from sidecar.telemetry.log import StreamWriter
from sidecar.transport.sockets import BindError

_STDIN, _STDOUT = 0, 1
# Objects made and not freed since the collector last looked at the youngest.
_COLLECT_AFTER = 20_000


def serve(loaded: Loaded, file: str | None) -> int:
    """Run the proxy under these rules until a signal or the admin ends it; the exit code."""
    return on_a_loop(_serve(loaded, file, demo=False))


def serve_demo(rules_for: Callable[[str], Loaded]) -> int:
    """Run the proxy in front of a demo backend in the same process; `rules_for` makes the rules of its URL."""
    return on_a_loop(_serve_demo(rules_for))


def on_a_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run `work` to its end on uvloop, or on asyncio's own loop where there is none."""
    try:
        import uvloop
    except ImportError:
        print("uvloop is not installed: asyncio's own loop runs instead, at a fraction of the speed", file=sys.stderr)
        return asyncio.run(work)
    return uvloop.run(work)


async def _serve_demo(rules_for: Callable[[str], Loaded]) -> int:
    backend = Backend()
    await backend.start()
    try:
        return await _serve(rules_for(backend.url), None, demo=True)
    finally:
        await backend.close()


async def _serve(loaded: Loaded, file: str | None, *, demo: bool) -> int:
    rules = loaded.rules
    logs.set_up(rules.log.level, rules.log.format)
    proxy = Proxy(loaded, StreamWriter(_STDOUT), file=file)
    leaving = _Leaving(proxy)
    with heard(leaving.on_signal), heard(leaving.on_hangup, (signal.SIGHUP,)):
        try:
            await proxy.start()
        except BindError as error:
            await proxy.close()
            raise CommandError(Exit.BIND, _unbound(error)) from error
        _settle_memory()
        _say(proxy, loaded, demo=demo)
        try:
            await proxy.lifecycle.reached(Phase.DRAINING)
            cut = await proxy.drain.run()
        finally:
            await proxy.close()
    return Exit.CUT if cut else Exit.DONE


def _settle_memory() -> None:
    """What start-up made stays for good, and the path of a request makes no cycles: the collector need not look at the
    one, and rarely at the other. (A full collection of a large table of keys would stop the loop for milliseconds.)"""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 100)


class _Leaving:
    """What a signal means: the first drains, each later one ends the drain now.

    A drain that the admin began is no signal: the orchestrator's SIGTERM that follows its preStop must cut nothing.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._told = False
        # Asked now: of a terminal that has hung up the kernel says that it is none.
        self._at_terminal = os.isatty(_STDIN)

    def on_signal(self, name: str) -> None:
        if self._told:
            self._proxy.drain.hurry()
        self._told = True
        self._proxy.drain.begin(name)

    def on_hangup(self, name: str) -> None:
        """A terminal that closes ends what ran in it. Elsewhere the habit is "read the rules again", and ending would
        drop every request of somebody who only meant that."""
        if self._at_terminal:
            self.on_signal(name)
            return
        self._proxy.log.warning("%s: this version reads its rules at its start; restart it to have changed ones", name)


def _unbound(error: BindError) -> str:
    told = error.strerror or str(error)
    if error.errno != errno.EADDRINUSE:
        return told
    return f"{told}; end what listens there, or choose another address with --listen or --admin"


def _say(proxy: Proxy, loaded: Loaded, *, demo: bool) -> None:
    """The banner for people; where a machine reads the log, the same in the log's own form."""
    compiled = is_compiled()
    if demo or loaded.rules.log.format == "text" or os.isatty(sys.stderr.fileno()):
        fronts = [
            (name, [str(endpoint.url) for endpoint in rule.endpoints]) for name, rule in loaded.rules.upstreams.items()
        ]
        scene = Scene(
            proxy.addresses, proxy.admin_address, fronts, loaded.warnings, compiled, demo, acting(loaded.rules)
        )
        sys.stderr.write(banner(scene))
        sys.stderr.flush()
        return
    proxy.log.info(
        "serving on %s, admin on %s, hot modules %s",
        ", ".join(map(reachable, proxy.addresses)),
        reachable(proxy.admin_address),
        "compiled" if compiled else "interpreted",
    )
    for warning in loaded.warnings:
        proxy.log.warning("%s", warning)
