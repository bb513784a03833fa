"""How long to wait before a retry.

Full jitter: U(0, min(cap, base·2ⁿ)), n = 0 for the first retry (AWS Architecture Blog, "Exponential Backoff And
Jitter": of the forms compared there, the one with the least work for clients and backend). What failed together does
not come back together. A Retry-After moves the wait, within limits. Owns no clock; randomness is passed in.
"""

from __future__ import annotations

from random import Random

NO_HINT = -1.0

# A Retry-After may lengthen a wait by this and no more: a backend (or whoever forges its answers) must not be able to
# park our exchanges, each with its memory and its place in a concurrency limit, for as long as it likes.
MAX_BEYOND = 5.0
_MAX_BEYOND = MAX_BEYOND  # compiled, a C number that nobody can import


class Backoff:
    """The waits of one retry rule. `base` is the upper bound of the first wait, `cap` that of every one, in seconds."""

    __slots__ = ("base", "cap", "rng")

    def __init__(self, base: float, cap: float, rng: Random) -> None:
        self.base = base
        self.cap = cap
        self.rng = rng

    def wait(self, retry: int, hint: float) -> float:
        """Seconds before a retry; `retry` is 0 for the first.

        `hint` is what the answer's Retry-After asked for, in seconds, or NO_HINT: the wait is then
        clamp(hint, computed, computed + 5 s)."""
        bound = self.base
        # Doubled step by step, because 2.0 ** retry overflows where this has long stopped.
        while retry > 0 and bound < self.cap:
            bound *= 2.0
            retry -= 1
        computed: float = self.rng.random() * min(bound, self.cap)
        if hint <= computed:
            return computed
        longest = computed + _MAX_BEYOND
        return min(longest, hint)
