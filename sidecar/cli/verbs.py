"""`sidecar reload` and `drain`: the verbs of a running sidecar's admin address."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from sidecar.app.errors import CommandError, Exit
from sidecar.cli.client import TIMEOUT, asked
from sidecar.cli.sheets import clean
from sidecar.policies.units import parse_duration, show_duration

# Ten thousand routes take seconds to read, and a reload may wait for the one before it.
_RELOAD_TIMEOUT = 60.0


def reload(arguments: argparse.Namespace) -> int:
    """Have a running sidecar read its rules again; print what changed, or every problem."""
    told = asked(arguments.admin, "POST", "/reload", "result", _RELOAD_TIMEOUT)
    lines = told["problems"] if told["result"] == "failed" else [*told["changes"], *told["warnings"]]
    for line in lines:
        print(clean(line))
    if told["result"] == "failed":
        raise CommandError(Exit.FAILED, f"the rules cannot be used; generation {told['generation']} stays in force")
    note = f" ({clean(told['note'])})" if told["note"] else ""
    print(f"{told['result']}: generation {told['generation']}{note}")
    return Exit.DONE


def drain(arguments: argparse.Namespace) -> int:
    """Ask a running sidecar to drain; with a wait, see it to the end."""
    if arguments.wait is None:
        asked(arguments.admin, "POST", "/drain", "draining")
        print("draining")
        return Exit.DONE
    try:
        seconds = parse_duration(arguments.wait)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--wait: {error}") from error
    target = f"/drain?wait={quote(f'{seconds:f}s')}"
    if not asked(arguments.admin, "POST", target, "drained", seconds + TIMEOUT)["drained"]:
        raise CommandError(Exit.CUT, f"not drained after {show_duration(seconds)}; it goes on")
    print("drained")
    return Exit.DONE
