"""What the decision says to do next, and who does it.

The steps are plain integers: a verdict of the hot path allocates nothing.
"""

from __future__ import annotations

from typing import Protocol

from sidecar.policies.contract import Key

ATTEMPT = 1  # start an attempt on `Decision.endpoint`
REJECT = 2  # answer by ourselves, because of `Decision.reason`
DELIVER = 3  # relay the answer that has begun
STOP = 4  # an answer that had begun cannot be completed: cut it
WAIT = 5  # nothing until `Decision.wait_until`, or until woken; then `Decision.resumed`
SUBSTITUTE = 6  # answer by the route's fallback instead of with the answer that has begun, if it has anything to say
RESPOND = 7  # answer in the words of the route, which leads to no upstream


class Driver(Protocol):
    """Whoever carries out the steps. It lets go of the decision, or takes NOBODY's place there, when the exchange is
    over: the two know each other, and only the garbage collector would free them."""

    def key(self, key: Key) -> str:
        """The value that a key of the rules has for this request."""

    def woken(self) -> None:
        """What the exchange waited for is there: call `resumed` soon, in a turn of its own."""


class _Nobody:
    """Carries out nothing."""

    __slots__ = ()

    def key(self, key: Key) -> str:
        """Nobody has none."""
        return ""

    def woken(self) -> None:
        """Nobody waits."""


NOBODY = _Nobody()
