"""The book that pybreaker listeners read."""

from __future__ import annotations

import pybreaker
import pytest

from sidecar.policies.breaker_book import Book


class _Listener(pybreaker.CircuitBreakerListener):
    def __init__(self) -> None:
        self.heard: list[tuple[str | None, str | None, str]] = []

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        self.heard.append((cb.name, old_state.name if old_state else None, new_state.name))


class _Broken(_Listener):
    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        super().state_change(cb, old_state, new_state)
        raise RuntimeError("a bug of the listener")


def _refuse(label: str, error: Exception) -> None:
    raise AssertionError(f"{label}: {error}")


def test_a_listener_hears_each_transition_by_the_breakers_label() -> None:
    book, listener = Book("upstream.app", _refuse), _Listener()
    book.add_listener(listener)
    book.transition("closed", "open", "3 failures in a row")
    assert book.state == "open"
    book.transition("open", "half_open", "it was open for 30.0s")
    assert book.state == "half_open"
    book.transition("half_open", "closed", "3 probes succeeded")
    assert book.state == "closed"
    assert listener.heard == [
        ("upstream.app", "closed", "open"),
        ("upstream.app", "open", "half-open"),
        ("upstream.app", "half-open", "closed"),
    ]


def test_a_listener_that_raises_is_complained_of_and_keeps_nobody_from_hearing() -> None:
    complaints: list[tuple[str, str]] = []
    book = Book("route.login", lambda label, error: complaints.append((label, str(error))))
    broken, sound = _Broken(), _Listener()
    book.add_listener(broken)
    book.add_listener(sound)
    book.transition("closed", "open", "by hand")
    book.transition("open", "half_open", "it was open for 1.0s")
    assert complaints == [("route.login", "a bug of the listener")] * 2
    assert sound.heard == broken.heard == [("route.login", "closed", "open"), ("route.login", "open", "half-open")]
    assert book.state == "half_open"


def test_a_removed_listener_hears_no_more() -> None:
    book, gone, kept = Book("upstream.app", _refuse), _Listener(), _Listener()
    book.add_listener(gone)
    book.add_listener(kept)
    book.remove_listener(gone)
    book.remove_listener(gone)
    book.transition("closed", "open", "by hand")
    assert gone.heard == []
    assert len(kept.heard) == 1


def test_pybreaker_by_itself_never_opens_and_never_lets_through_what_is_open() -> None:
    book = Book("upstream.app", _refuse)

    def fail() -> None:
        raise OSError("refused")

    for _ in range(20):
        with pytest.raises(OSError, match="refused"):
            book.breaker.call(fail)
    assert book.state == "closed"
    book.transition("closed", "open", "by hand")
    with pytest.raises(pybreaker.CircuitBreakerError):
        book.breaker.call(fail)
    assert book.state == "open"


def test_what_somebody_else_did_to_it_is_put_right_by_the_next_transition() -> None:
    book = Book("upstream.app", _refuse)
    book.breaker.open()
    book.transition("open", "closed", "by hand")
    assert book.state == "closed"
    assert book.breaker.fail_counter == book.breaker.success_counter == 0
