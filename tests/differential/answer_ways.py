"""What peers in front of Sidecar are known to do to answers; the page about fuzzing shows it.

Owns the table. Whoever adds to it writes the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.their_answers import Passed


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of answer that does not come through a peer as it went in, and why."""

    title: str
    reason: str
    holds: Callable[[Passed], bool]


@dataclass(frozen=True, slots=True)
class Ways:
    """One peer's. `fields` are those that it writes by itself."""

    fields: frozenset[bytes] = frozenset()
    known: tuple[Way, ...] = ()

    def differs(self, answer: Passed) -> bool:
        """Whether it is known not to pass such an answer on as it is."""
        return any(way.holds(answer) for way in self.known)


_ONCE_FOR_NGINX = (b"content-type", b"content-encoding", b"location", b"etag", b"last-modified", b"expires", b"refresh")


def _interim(answer: Passed) -> bool:
    return re.match(rb"HTTP/1\.1 1[0-9]{2} ", answer.sent) is not None


def _doubled(answer: Passed) -> bool:
    lowered = b"\r\n" + answer.head.fields.lower()
    return any(lowered.count(b"\r\n" + name + b":") > 1 for name in _ONCE_FOR_NGINX)


WAYS = {
    "direct": Ways(),
    "nginx": Ways(
        known=(
            Way("interim answers", "nginx 1.22 takes the first head for the last", _interim),
            Way("twice a field of which nginx keeps one (Content-Type, Location)", "it keeps the last", _doubled),
        ),
    ),
    "haproxy": Ways(
        known=(
            Way(
                "a body cut short behind an interim answer",
                "HAProxy 2.6 writes the last chunk itself: to its client the body is whole",
                lambda answer: _interim(answer) and not answer.whole,
            ),
        ),
    ),
    "envoy": Ways(fields=frozenset({b"x-envoy-upstream-service-time"})),
    "caddy": Ways(
        fields=frozenset({b"content-type"}),  # guessed from the body where there is none, dropped from a 304
        known=(
            Way(
                "a body cut short",
                "Caddy 2.6 writes the last chunk itself: to its client the body is whole",
                lambda answer: not answer.whole,
            ),
        ),
    ),
}
