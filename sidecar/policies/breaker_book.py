"""A breaker's state in pybreaker's terms, so that any pybreaker listener hears of it.

A Book is told of transitions by our machine and drives a pybreaker.CircuitBreaker with `open()`, `half_open()` and
`close()`; nothing ever comes back from it. Its `call()` is never used: it does not see the failure of a coroutine, and
half open it lets every caller through. What somebody else does to the wrapped breaker decides nothing either, and the
next transition puts it right. Not on the path of a request: transitions only.

pybreaker tells its listeners before it has stored the new state, so one that raises would leave it between two states
and keep the rest from hearing. Each is therefore contained: its error goes to `complain`, and a bug in a listener
breaks no request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pybreaker

from sidecar.model.observer import BreakerObserver

Complain = Callable[[str, Exception], None]

_WORDS = {pybreaker.STATE_CLOSED: "closed", pybreaker.STATE_OPEN: "open", pybreaker.STATE_HALF_OPEN: "half_open"}
_NEVER_BY_ITSELF = 10 * 365 * 86400.0  # seconds; pybreaker's own timeout may not be infinite


class Book(BreakerObserver):
    """One breaker's book: an observer of its transitions, and the place where listeners register."""

    __slots__ = ("_complain", "_contained", "breaker", "label")

    def __init__(self, label: str, complain: Complain) -> None:
        """`label` is the breaker's name for listeners (`cb.name`). `complain` gets it and what a listener raised."""
        self.label = label
        self.breaker = pybreaker.CircuitBreaker(name=label, state_storage=_Store(), reset_timeout=_NEVER_BY_ITSELF)
        self._complain = complain
        self._contained: list[_Contained] = []

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        return _WORDS[self.breaker.current_state]

    def transition(self, before: str, after: str, why: str) -> None:
        """See BreakerObserver."""
        if after == "open":
            self.breaker.open()
        elif after == "half_open":
            self.breaker.half_open()
        else:
            self.breaker.close()

    def add_listener(self, listener: pybreaker.CircuitBreakerListener) -> None:
        """From now on `listener.state_change` hears of every transition."""
        contained = _Contained(listener, self.label, self._complain)
        self._contained.append(contained)
        self.breaker.add_listener(contained)

    def remove_listener(self, listener: pybreaker.CircuitBreakerListener) -> None:
        """It hears no more. One that was never added is no error."""
        for contained in [one for one in self._contained if one.listener is listener]:
            self._contained.remove(contained)
            self.breaker.remove_listener(contained)


class _Contained(pybreaker.CircuitBreakerListener):
    """One listener, whose errors stay its own."""

    def __init__(self, listener: pybreaker.CircuitBreakerListener, label: str, complain: Complain) -> None:
        self.listener = listener
        self._label = label
        self._complain = complain

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        try:
            self.listener.state_change(cb, old_state, new_state)
        except Exception as error:  # noqa: BLE001 - whatever a user's listener raises, requests go on
            self._complain(self._label, error)


class _Store(pybreaker.CircuitBreakerStorage):
    """The state as our machine last told it. Counts nothing, so that pybreaker by itself never opens or closes; keeps
    the wall time that pybreaker opens with for listeners to read, and no decision looks at it."""

    def __init__(self) -> None:
        super().__init__("sidecar")
        self._state: str = pybreaker.STATE_CLOSED
        self._opened_at: Any = None

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state

    @property
    def counter(self) -> int:
        return 0

    @property
    def success_counter(self) -> int:
        return 0

    @property
    def opened_at(self) -> Any:
        return self._opened_at

    @opened_at.setter
    def opened_at(self, datetime: Any) -> None:
        self._opened_at = datetime
