"""The plain counts of connections."""

from __future__ import annotations

from sidecar.model.connections import Connections


def test_connections_start_at_nothing() -> None:
    counts = Connections()
    assert (counts.active, counts.idle) == (0, 0)
