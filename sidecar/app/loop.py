"""The event loop that a process runs on. By itself, so that a worker need not import what only others run."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import Coroutine
from typing import Any

from sidecar.app import logs

_STDERR = 2


def on_a_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run `work` to its end on uvloop, or on asyncio's own loop where there is none."""
    logs.hold_standard_streams()  # before the loop opens anything
    if not faulthandler.is_enabled():
        faulthandler.enable(_STDERR)  # whoever aborts a process that hangs, as a watchdog does, reads where it hung
    sys.unraisablehook = logs.except_names(sys.unraisablehook)
    try:
        import uvloop
    except ImportError:
        print("uvloop is not installed: asyncio's own loop runs instead, at a fraction of the speed", file=sys.stderr)
        return asyncio.run(work)
    return uvloop.run(work)
