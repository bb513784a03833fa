"""Whoever registered hears of every transition, and the counts hear of it too."""

from __future__ import annotations

import logging

import pybreaker
import pytest

from sidecar.app.breaker_books import BreakerBooks
from sidecar.telemetry.stats import Stats
from tests.doubles.backend import Backend
from tests.doubles.running import rules_text, running


class Listener(pybreaker.CircuitBreakerListener):
    def __init__(self) -> None:
        self.heard: list[tuple[str | None, str]] = []

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        self.heard.append((cb.name, new_state.name))


class Broken(Listener):
    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        raise RuntimeError("a bug of the listener")


@pytest.fixture
def books() -> BreakerBooks:
    return BreakerBooks(Stats(), logging.getLogger("sidecar"))


async def test_a_breaker_that_opens_under_traffic_tells_its_listeners_and_the_counts() -> None:
    listener = Listener()
    rules = rules_text(
        "http://127.0.0.1:1",
        upstream="hold: null, circuit_breaker: {consecutive_failures: 1, open_for: 100s}",
        route="retry: null",
    )
    async with running(rules=rules) as proxy:
        proxy.proxy.breaker_books.add_listener(listener)
        assert proxy.proxy.breaker_books["upstream.app"].state == "closed"
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 502
            refused = await peer.get("/")
        assert (refused.status, refused.get("retry-after") is not None) == (503, True)
        assert listener.heard == [("upstream.app", "open")]
        assert proxy.proxy.breaker_books["upstream.app"].state == "open"
        assert proxy.stats.breakers["upstream.app"].transitions == {("closed", "open"): 1}


async def test_a_command_by_hand_is_a_transition_like_any_other() -> None:
    listener = Listener()
    async with Backend() as backend, running(backend.url) as proxy:
        proxy.proxy.breaker_books["upstream.app"].add_listener(listener)
        assert proxy.proxy.oversight.command_breaker("upstream.app", "open")
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 503
        assert proxy.proxy.oversight.command_breaker("upstream.app", "auto")
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 200
    assert listener.heard == [("upstream.app", "open"), ("upstream.app", "closed")]


def test_a_listener_of_all_hears_of_breakers_that_come_later(books: BreakerBooks) -> None:
    listener = Listener()
    books.breaker("route.a")
    books.add_listener(listener)
    books.breaker("route.b").transition("closed", "open", "why")
    books.breaker("route.a").transition("closed", "open", "why")
    books.remove_listener(listener)
    books.breaker("route.a").transition("open", "half_open", "why")
    assert listener.heard == [("route.b", "open"), ("route.a", "open")]
    assert (list(books), len(books)) == (["route.a", "route.b"], 2)


def test_a_listener_that_was_never_added_can_be_removed(books: BreakerBooks) -> None:
    books.breaker("route.a")
    books.remove_listener(Listener())
    assert books["route.a"].state == "closed"


def test_a_book_and_its_listeners_live_on_over_a_reload_while_the_rules_name_its_breaker(books: BreakerBooks) -> None:
    listener = Listener()
    books.breaker("route.a")
    books.breaker("route.b")
    kept = books["route.a"]
    kept.add_listener(listener)
    books.keep_only(["route.a"])
    books.breaker("route.a").transition("closed", "open", "why")
    assert books["route.a"] is kept
    assert listener.heard == [("route.a", "open")]
    assert "route.b" not in books


def test_a_bug_of_a_listener_is_logged_and_breaks_nothing(
    books: BreakerBooks, caplog: pytest.LogCaptureFixture
) -> None:
    books.add_listener(Broken())
    books.breaker("upstream.app").transition("closed", "open", "why")
    assert books["upstream.app"].state == "open"
    (record,) = [one for one in caplog.records if one.name == "sidecar"]
    assert "upstream.app" in record.getMessage()
    assert record.exc_info is not None


def test_routes_and_upstreams_are_observed_by_the_counts_alone() -> None:
    stats = Stats()
    books = BreakerBooks(stats, logging.getLogger("sidecar"))
    assert books.route("a") is stats.route("a")
    assert books.upstream("app") is stats.upstream("app")
