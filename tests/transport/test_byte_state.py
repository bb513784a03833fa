"""The states of an accepted connection without HTTP."""

from __future__ import annotations

from sidecar.transport.byte_state import CLOSED, CLOSING, OPEN, WAITING


def test_somebody_listens_up_to_open_and_nobody_after_it() -> None:
    assert WAITING < OPEN < CLOSING < CLOSED
