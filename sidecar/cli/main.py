"""The `sidecar` command: how a command starts, and how it ends.

Each command's module is imported when it is asked for, so that `sidecar status` does not wait for an HTTP server's
import, and `sidecar probe`, which runs every few seconds, for next to nothing. Every failure is a sentence on standard
error and one of the exit codes; never a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module

from sidecar.cli.probe import at_once

# What it is to a file that there is no more room.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_COMMANDS = {
    "run": ("sidecar.cli.run", "run"),
    "demo": ("sidecar.cli.demo", "demo"),
    "worker": ("sidecar.cli.run", "worker"),
    "check": ("sidecar.cli.check", "check"),
    "schema": ("sidecar.cli.check", "schema"),
    "drill": ("sidecar.cli.drill", "drill"),
    "explain": ("sidecar.cli.explain", "explain"),
    "status": ("sidecar.cli.status", "status"),
    "top": ("sidecar.cli.top", "top"),
    "reload": ("sidecar.cli.verbs", "reload"),
    "drain": ("sidecar.cli.verbs", "drain"),
    "inject": ("sidecar.cli.inject", "inject"),
    "uninject": ("sidecar.cli.inject", "uninject"),
    "probe": ("sidecar.cli.probe", "probe"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = at_once(words[1:]) if words[:1] == ["probe"] else None
        return _run(words) if code is None else code
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    if os.getpid() == 1:
        _be_ended()
    from sidecar.app.errors import CommandError, Exit
    from sidecar.cli.parser import parser

    try:
        arguments = parser(inner=words[:1] == ["worker"]).parse_args(words)
    except SystemExit as leaving:  # argparse's way to end: usage is 2 already, --help and -V are 0
        return int(leaving.code or 0)
    module, name = _COMMANDS[arguments.command]
    if sys.stdout is None:  # closed by whoever started us, as in `>&-`
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open as long as the process
    try:
        code = int(getattr(import_module(module), name)(arguments))
        sys.stdout.flush()
    except CommandError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return int(error.code)
    except BrokenPipeError:
        # `sidecar schema | head` is no failure.
        _write_no_more()
        return int(Exit.DONE)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _write_no_more()
        print(f"sidecar: cannot write: {error.strerror}", file=sys.stderr)
        return int(Exit.FAILED)
    return code


def _be_ended() -> None:
    """SIGTERM ends process 1 of a container too, until the command hears it: the kernel spares one that has no handler,
    and whoever stops the container then would wait for its whole patience."""
    import signal

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _write_no_more() -> None:
    """The interpreter's own flush at exit must not complain either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
