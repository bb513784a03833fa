"""`sidecar run` and `sidecar demo`: from what was typed to rules that can run, then over to the process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from sidecar.app.errors import CommandError, Exit
from sidecar.rules.load import Loaded, load_rules
from sidecar.rules.problems import ConfigError

# At a terminal nobody waits to be taken out of a load balancer's rotation, so a drain announces nothing.
_AT_A_TERMINAL = ("drain.announce=0s",)


def run(arguments: argparse.Namespace) -> int:
    """Run the proxy until it is told to leave."""
    if arguments.config is None and not arguments.upstream and not os.environ.get("SIDECAR_UPSTREAM"):
        raise CommandError(Exit.USAGE, "nothing to front: give --upstream URL, or rules with -c FILE")
    loaded = usable(
        arguments.config,
        upstreams=arguments.upstream,
        listen=arguments.listen,
        admin=arguments.admin,
        sets=(*(_AT_A_TERMINAL if arguments.config is None else ()), *arguments.set),
        environ=os.environ,
        allow_faults=arguments.allow_faults,
    )
    from sidecar.app.run import serve

    return serve(runnable(loaded), arguments.config)


def demo(arguments: argparse.Namespace) -> int:
    """Run the proxy in front of the demo backend."""
    from sidecar.app.run import serve_demo

    def rules_for(url: str) -> Loaded:
        loaded = usable(
            None,
            upstreams=[url],
            listen=arguments.listen,
            admin=arguments.admin,
            sets=(*_AT_A_TERMINAL, "log.format=text", *arguments.set),
            environ={},
            allow_faults=arguments.allow_faults,
        )
        return runnable(loaded)

    return serve_demo(rules_for)


def usable(
    path: str | None,
    *,
    upstreams: Sequence[str],
    listen: str | None,
    admin: str | None,
    sets: Sequence[str],
    environ: Mapping[str, str],
    allow_faults: bool,
) -> Loaded:
    """Valid rules; else every problem is printed and CommandError ends the command with 1."""
    try:
        return load_rules(
            path,
            upstreams=upstreams,
            listen=listen,
            admin=admin,
            sets=sets,
            environ=environ,
            allow_faults=allow_faults,
        )
    except ConfigError as error:
        raise _told(error) from error


def runnable(loaded: Loaded) -> Loaded:
    """Valid rules that this version may run on; else as `usable`."""
    try:
        return loaded.to_run()
    except ConfigError as error:
        raise _told(error) from error


def _told(error: ConfigError) -> CommandError:
    """How the command ends, after every problem was printed."""
    for problem in error.problems:
        print(problem, file=sys.stderr)
    errors = sum(problem.severity == "error" for problem in error.problems)
    return CommandError(Exit.FAILED, f"the rules cannot be used: {errors} error{'s' if errors != 1 else ''}")
