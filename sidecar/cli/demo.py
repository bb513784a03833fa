"""`sidecar demo`: the proxy in front of a demo backend, that backend alone, or a load for either."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from sidecar.app.errors import CommandError, Exit
from sidecar.app.surroundings import examined
from sidecar.cli.run import AT_A_TERMINAL, TEXT, looked_at, usable
from sidecar.model.address import Address
from sidecar.rules.load import Loaded, load_rules

if TYPE_CHECKING:
    from sidecar.demo.chaos import Mood

DEFAULT_LISTEN = ":8080"
_DEFAULT_RATE = 100.0
# A line for each request, as far as anybody can read along.
_EACH_REQUEST = ("log.access=sampled", "log.sampled.share=1")
# What goes with each of the three.
_WORDS = {
    "--backend": ("backend", "flaky", "slow"),
    "--load": ("load", "rate", "requests"),
    "the proxy": ("listen", "admin", "set", "allow_faults", "flaky", "slow"),
}


def demo(arguments: argparse.Namespace) -> int:
    """Run what was asked for until it is told to leave, or is done."""
    if arguments.backend is not None:
        _only(arguments, "--backend")
        from sidecar.app.loop import on_a_loop

        return on_a_loop(_backend(arguments.backend, _mood(arguments)))
    if arguments.load is not None:
        _only(arguments, "--load")
        from sidecar.app.loop import on_a_loop

        return on_a_loop(_load(arguments.load, arguments.rate or _DEFAULT_RATE, arguments.requests))
    _only(arguments, "the proxy")
    return _proxy(arguments)


def _only(arguments: argparse.Namespace, which: str) -> None:
    """CommandError where a word was typed that means nothing to this one."""
    known = {word for words in _WORDS.values() for word in words}
    for word in sorted(known - set(_WORDS[which])):
        if getattr(arguments, word):
            option = word.replace("_", "-")
            needs = "--load" if word in _WORDS["--load"] else "the proxy"
            raise CommandError(Exit.USAGE, f"--{option} is for {needs}, and means nothing to {which}")


def _mood(arguments: argparse.Namespace) -> Mood:
    from sidecar.demo.chaos import Mood

    return Mood(arguments.flaky or 0.0, arguments.slow or 0.0)


def _proxy(arguments: argparse.Namespace) -> int:
    from sidecar.app.instance import Plan
    from sidecar.app.run import serve_demo

    told = (*AT_A_TERMINAL, TEXT, *(_EACH_REQUEST if looked_at() else ()))

    def plan_for(url: str) -> Plan:
        def read() -> Loaded:
            return load_rules(
                None,
                upstreams=[url],
                listen=arguments.listen or DEFAULT_LISTEN,
                admin=arguments.admin,
                sets=(*told, *arguments.set),
                environ={},
                allow_faults=arguments.allow_faults,
                examine=examined,
            ).to_run()

        return Plan(usable(read), read, demo=True)

    return serve_demo(plan_for, _mood(arguments))


async def _backend(at: Address, usual: Mood) -> int:
    from sidecar.app.signals import heard
    from sidecar.demo.backend import Backend

    backend, leaving = Backend(usual=usual), asyncio.Event()
    with heard(lambda _name: leaving.set()):
        try:
            await backend.start(at)
        except OSError as error:
            raise CommandError(Exit.BIND, f"cannot listen on {at}: {error.strerror or error}") from error
        where = at if at.is_unix else Address(at.host or "0.0.0.0", backend.port)
        print(f"sidecar: the demo backend listens on http://{where}", file=sys.stderr, flush=True)
        await leaving.wait()
        await backend.close()
    return Exit.DONE


async def _load(url: str, rate: float, requests: int | None) -> int:
    from sidecar.app.signals import heard
    from sidecar.demo.load import Load

    load = Load(url, rate, requests, lambda line: print(line, flush=True))
    with heard(lambda _name: load.stop()):
        await load.run()
    return Exit.DONE
