"""What the product tells of itself is heard as it is told, with its instant, and counted as ever."""

from __future__ import annotations

import logging

from sidecar.drill.heard import Heard, HeardStats, logging_aside
from sidecar.drill.record import Count, Event, Reading
from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord


class Scene:
    """One who hears, at an instant that the test sets."""

    def __init__(self) -> None:
        self.now = 1.5
        self.heard = Heard(lambda: self.now, lambda name: {"app/here": "app/there"}.get(name, name))
        self.stats = HeardStats(self.heard, lambda: 1000.0 + self.now)


def test_counts_of_a_route_are_heard_and_kept() -> None:
    scene = Scene()
    route = scene.stats.route("all")
    route.rejected("app/circuit_breaker", Reason.CIRCUIT_OPEN)
    route.shadow_rejected("all/rate_limits", Reason.RATE_LIMITED)
    scene.now = 2.0
    route.retried("503")
    route.retry_skipped("budget")
    route.fell_back("stale", "circuit_open")
    assert scene.heard.counts == [
        Count(1.5, "rejected", "all", "circuit_open", "app/circuit_breaker"),
        Count(1.5, "shadow_rejected", "all", "rate_limited", "all/rate_limits"),
        Count(2.0, "retried", "all", "503"),
        Count(2.0, "retry_skipped", "all", "budget"),
        Count(2.0, "fell_back", "all", "circuit_open", "stale"),
    ]
    assert scene.stats.route("all") is route
    assert route.retries == {"503": 1}
    assert scene.stats.unrouted.rejections == {}


def test_counts_of_an_upstream_are_heard_and_kept() -> None:
    scene = Scene()
    upstream = scene.stats.upstream("app")
    upstream.attempt_finished("success", 0.1)
    upstream.connected("ok")
    upstream.checked("app/here", "timeout")
    upstream.hold_counted("held")
    told = [(count.kind, count.of, count.why) for count in scene.heard.counts]
    assert told == [
        ("attempt", "app", "success"),
        ("connected", "app", "ok"),
        ("check", "app", "timeout"),
        ("hold", "app", "held"),
    ]
    assert scene.stats.upstream("app") is upstream
    assert upstream.attempts == {"success": 1}


def test_events_call_endpoints_what_the_rules_call_them() -> None:
    scene = Scene()
    with logging_aside([]):
        scene.stats.events.tell("health", "app/here", "app/here is down", {"to": "down"}, alarming=True)
        scene.stats.breaker("upstream.app").transition("closed", "open", "3 failures")
    assert scene.heard.events[0] == Event(1.5, "health", "app/there", "app/there is down", {"to": "down"}, True)
    assert scene.heard.events[1].kind == "breaker"
    assert scene.heard.events[1].fields["to"] == "open"
    assert scene.stats.events.recent[0].time == 1001.5


def test_a_reading_is_kept_when_it_is_another() -> None:
    scene = Scene()
    value = 1.0
    scene.stats.readings = lambda: [("breaker_state", ("upstream.app", "open"), value)]
    scene.heard.read(scene.stats)
    scene.heard.read(scene.stats)
    value, scene.now = 0.0, 3.0
    scene.heard.read(scene.stats)
    label = ("upstream.app", "open")
    assert scene.heard.readings == [
        Reading(1.5, "breaker_state", label, 1.0),
        Reading(3.0, "breaker_state", label, 0.0),
    ]


def test_of_each_request_the_last_that_was_told_is_kept() -> None:
    scene = Scene()
    assert scene.heard.exchanges.wants(200, False, 0.1)
    for status in (502, 200):
        record = ExchangeRecord()
        record.request_id, record.status = b"drill-7", status
        scene.heard.exchanges.exchange(record)
    assert scene.heard.exchanges.by_id["drill-7"].status == 200


def test_the_products_log_is_silent_meanwhile_but_for_its_errors() -> None:
    log = logging.getLogger("sidecar")
    before = log.handlers[:], log.propagate
    errors: list[str] = []
    with logging_aside(errors):
        logging.getLogger("sidecar.events").warning("nobody needs to know")
        logging.getLogger("sidecar.proxy").error("an exchange failed", exc_info=ValueError("so"))
        for _ in range(100):
            log.error("again")
    assert errors[0] == "an exchange failed: ValueError('so')"
    assert len(errors) == 20
    assert (log.handlers, log.propagate) == before
