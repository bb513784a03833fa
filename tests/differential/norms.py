"""What each peer is known to change or to refuse of a request that we forward, and why that is no finding.

Owns the table of accepted differences: the page about fuzzing shows it. Whoever adds to it writes the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from tests.differential.reading import Reading


@dataclass(frozen=True, slots=True)
class Refusal:
    """A kind of request that we pass on and a peer does not."""

    title: str
    reason: str
    holds: Callable[[Reading], bool]


@dataclass(frozen=True, slots=True)
class Change:
    """What a peer writes in another way; `made` makes it of what we sent."""

    title: str
    reason: str
    made: Callable[[Reading], Reading]


@dataclass(frozen=True, slots=True)
class Norm:
    """One peer's ways. `fields` are those it writes by itself."""

    fields: frozenset[bytes] = frozenset()
    refusals: tuple[Refusal, ...] = ()
    changes: tuple[Change, ...] = field(default=())

    def may_refuse(self, sent: Reading) -> bool:
        """Whether it is known to refuse such a request."""
        return any(refusal.holds(sent) for refusal in self.refusals)

    def sent(self, sent: Reading) -> Reading:
        """What it is known to make of a request."""
        for change in self.changes:
            sent = change.made(sent)
        return sent


def _host(sent: Reading) -> bytes:
    return sent.all(b"host")[0]


def _nameless(sent: Reading) -> bool:
    return re.fullmatch(rb"\.?(:[0-9]*)?", _host(sent)) is not None


def _leaves_the_root(sent: Reading) -> bool:
    """Whether dot segments, percent-encoded or not, lead above the root."""
    depth = 0
    for segment in unquote_to_bytes(sent.target.partition(b"?")[0]).split(b"/")[1:]:
        depth += {b"": 0, b".": 0, b"..": -1}.get(segment, 1)
        if depth < 0:
            return True
    return False


NGINX = Norm(
    refusals=(
        Refusal(
            "an empty host, or one that is a dot",
            "RFC 9112 section 3.2 has HTTP/1.1 say an empty Host where there is no authority, as in HTTP/1.0 without one",
            _nameless,
        ),
        Refusal(
            "a host with an empty label (`a..b`)",
            "RFC 3986 section 3.2.2 allows it in a reg-name; no DNS name is one",
            lambda sent: b".." in _host(sent),
        ),
        Refusal(
            "`OPTIONS *`",
            "RFC 9110 section 9.3.7: a question about the server; nginx serves paths only",
            lambda sent: sent.target == b"*",
        ),
        Refusal(
            "TRACE",
            "nginx answers 405 itself; a proxy passes it on (RFC 9110 section 9.3.8)",
            lambda sent: sent.method == b"TRACE",
        ),
        Refusal(
            "a path that leads above the root",
            "which path is meant is the origin's to say: Sidecar matches and forwards bytes",
            _leaves_the_root,
        ),
        Refusal(
            "`%` without two hexadecimal digits, and `%00`",
            "as above; nothing here is decoded",
            lambda sent: re.search(rb"%(?![0-9A-Fa-f]{2})|%00", sent.target.partition(b"?")[0]) is not None,
        ),
        Refusal(
            "a method that is not of capitals, `_` and `-`",
            "RFC 9110 section 9.1: a method is any token, and case matters",
            lambda sent: re.fullmatch(rb"[A-Z_-]+", sent.method) is None,
        ),
        Refusal(
            "Authorization twice",
            "RFC 9110 section 5.3 leaves it to the recipient, and who checks it is the endpoint",
            lambda sent: len(sent.all(b"authorization")) > 1,
        ),
    ),
)
HAPROXY = Norm(
    refusals=(
        Refusal(
            "the method PRI",
            "RFC 9113 section 11.6 reserves it for the preface of HTTP/2, which is refused for its version",
            lambda sent: sent.method == b"PRI",
        ),
        Refusal(
            "an upgrade to websocket without its key",
            "the endpoint's to refuse (RFC 6455 section 4.2.2): Sidecar tunnels any protocol",
            lambda sent: b"websocket" in sent.all(b"upgrade") and not sent.all(b"sec-websocket-key"),
        ),
    ),
)
NORMS = {"direct": Norm(), "nginx": NGINX, "haproxy": HAPROXY, "envoy": Norm(), "caddy": Norm()}
