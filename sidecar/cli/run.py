"""`sidecar run`: from what was typed to rules that can run, then over to the process."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable

from sidecar.app.errors import CommandError, Exit
from sidecar.app.surroundings import examined
from sidecar.rules.load import Loaded, load_rules
from sidecar.rules.problems import ConfigError

# At a terminal nobody waits to be taken out of a load balancer's rotation, so a drain announces nothing.
AT_A_TERMINAL = ("drain.announce=0s",)
TEXT = "log.format=text"
_STDOUT, _STDERR = 1, 2


def run(arguments: argparse.Namespace) -> int:
    """Run the proxy until it is told to leave. Where it cannot, the service manager hears why."""
    try:
        return _sound(arguments)
    except CommandError as error:
        if os.environ.get("NOTIFY_SOCKET") and not arguments.takeover:  # else somebody else is the service, and serves
            _tell_manager(error)
        raise


def _sound(arguments: argparse.Namespace) -> int:
    try:
        return _run(arguments)
    except CommandError:
        raise
    except Exception as error:
        # Python's own end has the code of rules that cannot be used, after which nobody starts it again.
        logging.getLogger("sidecar").exception("it ends by a fault that nobody expected")
        raise CommandError(Exit.BROKEN, f"an unexpected fault: {type(error).__name__}: {error}") from error


def _tell_manager(error: CommandError) -> None:
    from sidecar.transport.activation import failed, notify

    cause = error.__cause__
    number = cause.errno if isinstance(cause, OSError) else None
    problems = cause.problems if isinstance(cause, ConfigError) else ()
    first = [f": {problem}" for problem in problems if problem.severity == "error"][:1]
    notify(os.environ, failed(f"{error}{''.join(first)}", int(error.code), number))


def _run(arguments: argparse.Namespace) -> int:
    if arguments.config is None and not arguments.upstream and not os.environ.get("SIDECAR_UPSTREAM"):
        raise CommandError(Exit.USAGE, "nothing to front: give --upstream URL, or rules with -c FILE")
    environ = dict(os.environ)
    told = () if arguments.config is not None else (*AT_A_TERMINAL, *((TEXT,) if looked_at() else ()))

    def read() -> Loaded:
        return load_rules(
            arguments.config,
            upstreams=arguments.upstream,
            listen=arguments.listen,
            admin=arguments.admin,
            sets=(*told, *arguments.set),
            environ=environ,
            allow_faults=arguments.allow_faults,
            examine=examined,
        ).to_run()

    loaded = usable(read)
    from sidecar.app.instance import Plan
    from sidecar.app.run import serve

    return serve(Plan(loaded, read, arguments.config, arguments.workers, arguments.takeover))


def worker(arguments: argparse.Namespace) -> int:
    """Run one worker of several; typed by a supervisor only."""
    from sidecar.app.loop import on_a_loop
    from sidecar.app.worker import work

    return on_a_loop(work(arguments.descriptor))


def looked_at() -> bool:
    """Whether people see both logs as they come."""
    return os.isatty(_STDOUT) and os.isatty(_STDERR)


def usable(read: Callable[[], Loaded]) -> Loaded:
    """The rules that `read` finds valid; else every problem is printed and CommandError ends the command with 1."""
    try:
        return read()
    except ConfigError as error:
        raise _told(error) from error


def _told(error: ConfigError) -> CommandError:
    """How the command ends, after every problem was printed."""
    for problem in error.problems:
        print(problem, file=sys.stderr)
    errors = sum(problem.severity == "error" for problem in error.problems)
    return CommandError(Exit.FAILED, f"the rules cannot be used: {errors} error{'s' if errors != 1 else ''}")
