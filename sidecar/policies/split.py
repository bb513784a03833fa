"""Which of a route's upstreams takes a request: by share, and for one key always the same (`split` in the rules).

The shares are laid side by side in the order in which they are written:

    split: [{upstream: app, weight: 95}, {upstream: app-v2, weight: 5}]

    0                                                       95    100
    ├──────────────────────────── app ───────────────────────┼ app-v2 ┤

A key is hashed to a point of that line, and keeps it; a request without one gets a random point. So a changed weight
moves exactly the keys between a border's old and new place: 95/5 to 90/10 moves 5 % of the keys, all of them to
app-v2. With three or more shares a border in between moves too: put what grows next to what it grows from.

Knows neither upstreams nor requests; a share's place in the list is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from random import Random

_BITS = 64


class Split:
    """The shares of one route. `shares` are names with weights, as written; `total` is their sum."""

    __slots__ = ("_borders", "_rng", "shares", "total")

    def __init__(self, shares: Sequence[tuple[str, int]], rng: Random) -> None:
        """ValueError when a weight is negative, or when none is above 0."""
        if any(weight < 0 for _, weight in shares) or not any(weight for _, weight in shares):
            raise ValueError("a split needs weights of at least 0, one of them above")
        borders: list[int] = []
        for _, weight in shares:
            borders.append((borders[-1] if borders else 0) + weight)
        self.shares = tuple(shares)
        self.total = borders[-1]
        self._borders = tuple(borders)
        self._rng = rng

    def pick(self, key: str | None) -> int:
        """The index of the share that takes a request. No key, or an empty one, is drawn by weight each time.

        Requests that lack the field their key is made of share the empty key; as one they would all move at once.
        """
        point = self._point(key) if key else int(self._rng.random() * self.total)
        for index, border in enumerate(self._borders):
            if point < border:
                return index
        raise AssertionError("a point lies below the sum of the shares")

    def _point(self, key: str) -> int:
        # Not Python's hash(): it differs in every process, and all of them must agree. Scaled and not `% total`: the
        # point is a fraction of the line, so it stays where it is when the sum of the weights changes.
        digest = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=_BITS // 8, person=b"split").digest()
        return int.from_bytes(digest, "big") * self.total >> _BITS
