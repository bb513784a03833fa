"""A proxy that leaks: it runs the command that follows with an admin that keeps something of every look at /livez."""

from __future__ import annotations

import runpy
import sys

from sidecar.admin.views import Views

KILOBYTES = 100
LINE = 18  # where it leaks

_kept: list[bytearray] = []
_livez = Views.livez


async def _leaking(views: Views, request: object) -> object:
    _kept.append(bytearray(KILOBYTES * 1024))
    return await _livez(views, request)  # type: ignore[arg-type]


if __name__ == "__main__":
    Views.livez = _leaking  # type: ignore[assignment,method-assign]
    # `leaking.py PYTHON -m MODULE ARGUMENT…`: in this process, as that one would.
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
