"""What a process that serves asks of the garbage collector."""

from __future__ import annotations

import gc

from sidecar.app import run


def test_what_start_up_made_is_not_looked_at_again_and_the_rest_rarely() -> None:
    thresholds = gc.get_threshold()
    assert gc.get_freeze_count() == 0
    try:
        run._settle_memory()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > thresholds[0]
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
