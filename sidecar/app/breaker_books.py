"""Who hears of circuit breakers: the counts, and a book of pybreaker's for each breaker, where listeners register.

Not on the path of a request. A listener is called on the loop's thread, inside the request that moved the breaker, so
it must not wait; what it raises is logged and breaks nothing.

    class Pager(pybreaker.CircuitBreakerListener):
        def state_change(self, cb, old_state, new_state):
            queue.put_nowait(f"{cb.name}: {new_state.name}")

    proxy.breaker_books.add_listener(Pager())                       # of every breaker, also those of a later reload
    proxy.breaker_books["upstream.app"].add_listener(Pager())       # of this one
    proxy.breaker_books["upstream.app"].state                       # closed, open or half_open
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping

import pybreaker

from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.policies.breaker_book import Book
from sidecar.telemetry.stats import Stats


class BreakerBooks(Mapping[str, Book]):
    """The books by the breakers' labels, and the observers of a runtime.

    A book lives as long as rules name its breaker, over every reload; so do the listeners in it.
    """

    def __init__(self, stats: Stats, log: logging.Logger) -> None:
        self._stats = stats
        self._log = log
        self._books: dict[str, Book] = {}
        self._listeners: list[pybreaker.CircuitBreakerListener] = []

    def __getitem__(self, label: str) -> Book:
        return self._books[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._books)

    def __len__(self) -> int:
        return len(self._books)

    def add_listener(self, listener: pybreaker.CircuitBreakerListener) -> None:
        """From now on it hears of every breaker, also of those that later rules bring."""
        self._listeners.append(listener)
        for book in self._books.values():
            book.add_listener(listener)

    def remove_listener(self, listener: pybreaker.CircuitBreakerListener) -> None:
        """It hears no more of any breaker. One that was never added is no error."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        for book in self._books.values():
            book.remove_listener(listener)

    def keep_only(self, labels: Collection[str]) -> None:
        """Forget the books of breakers that the rules no longer name, and the listeners of these alone."""
        self._books = {label: book for label, book in self._books.items() if label in labels}

    # What a runtime asks of its observers.

    def route(self, name: str) -> RouteObserver:
        """The observer of a route."""
        return self._stats.route(name)

    def upstream(self, name: str) -> UpstreamObserver:
        """The observer of an upstream."""
        return self._stats.upstream(name)

    def breaker(self, label: str) -> BreakerObserver:
        """The observer of a circuit breaker, which tells the counts first and then its book."""
        book = self._books.get(label)
        if book is None:
            book = self._books[label] = Book(label, self._complain)
            for listener in self._listeners:
                book.add_listener(listener)
        return _Both(self._stats.breaker(label), book)

    def _complain(self, label: str, error: Exception) -> None:
        self._log.error("a listener of the circuit breaker %s failed", label, exc_info=error)


class _Both(BreakerObserver):
    __slots__ = ("_first", "_second")

    def __init__(self, first: BreakerObserver, second: BreakerObserver) -> None:
        self._first = first
        self._second = second

    def transition(self, before: str, after: str, why: str) -> None:
        self._first.transition(before, after, why)
        self._second.transition(before, after, why)
