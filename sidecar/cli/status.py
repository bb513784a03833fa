"""`sidecar status`: one look at a running sidecar."""

from __future__ import annotations

import argparse
import json
import time

from sidecar.app.errors import Exit
from sidecar.cli import client as admin_client
from sidecar.cli import looks
from sidecar.cli.status_view import report
from sidecar.cli.terminal import write


def status(arguments: argparse.Namespace) -> int:
    """Print what a running sidecar says of itself: in colour at a terminal, else as text."""
    if arguments.json:
        print(json.dumps(admin_client.status(arguments.admin), indent=2))
        return Exit.DONE
    seen = looks.glance(arguments.admin)
    now = seen.told.get("time", time.time())
    lines = admin_client.understood(arguments.admin, lambda: report(seen.told, seen.events, now))
    write(lines)
    return Exit.DONE
