"""What a listener counts of its connections before a request comes."""

from __future__ import annotations

from sidecar.telemetry.listener_stats import HANDSHAKE_BOUNDS, ListenerStats


def test_handshakes_are_counted_by_what_came_of_them() -> None:
    stats = ListenerStats()
    for result in ("ok", "ok", "resumed", "plain_http"):
        stats.handshake(result, 0.01)
    assert stats.handshakes == {"ok": 2, "resumed": 1, "plain_http": 1}


def test_only_those_that_came_to_a_connection_are_measured() -> None:
    stats = ListenerStats()
    stats.handshake("ok", HANDSHAKE_BOUNDS[0])
    stats.handshake("ok", 20.0)
    stats.handshake("timeout", 10.0)
    assert (stats.buckets[0], stats.buckets[-1], sum(stats.buckets)) == (1, 1, 2)
    assert stats.seconds == HANDSHAKE_BOUNDS[0] + 20.0


def test_proxy_headers_are_counted_by_what_they_came_to() -> None:
    stats = ListenerStats()
    for result in ("ok", "ok", "malformed"):
        stats.announced(result)
    assert stats.proxy_headers == {"ok": 2, "malformed": 1}
