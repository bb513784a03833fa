"""What each peer is known to change or to refuse of a request that we forward, and why that is no finding.

Owns the table of accepted differences: the page about fuzzing shows it. Whoever adds to it writes the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote_from_bytes, unquote_to_bytes

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
    """One peer's ways. `fields` are those it writes by itself, `fills_host` whether an empty Host is among them."""

    fields: frozenset[bytes] = frozenset()
    fills_host: bool = False
    refusals: tuple[Refusal, ...] = ()
    changes: tuple[Change, ...] = ()

    def may_refuse(self, sent: Reading) -> bool:
        """Whether it is known to refuse such a request."""
        return any(refusal.holds(sent) for refusal in self.refusals)

    def written(self, sent: Reading) -> frozenset[bytes]:
        """The fields of a request that it writes by itself."""
        return self.fields | {b"host"} if self.fills_host and not _host(sent) else self.fields

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


def _upgrades_to_websocket(sent: Reading) -> bool:
    return any(b"websocket" in value.lower() for value in sent.all(b"upgrade"))


_SERVER_ASKED = Change(
    "OPTIONS with an absolute-form that has no path",
    "RFC 9112 section 3.2.4: it asks about the server, `*`; this one asks about `/`",
    lambda sent: replace(sent, target=b"/") if sent.target == b"*" else sent,
)
_ONCE_FOR_NGINX = (
    b"authorization if-match if-none-match if-modified-since if-unmodified-since if-range content-range expect".split()
)
NGINX = Norm(
    refusals=(
        Refusal(
            "an empty host, or one that is a dot",
            "RFC 9112 section 3.2: HTTP/1.1 says so where there is no authority",
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
            "twice a field of which nginx takes one (Authorization, If-None-Match and the like)",
            "RFC 9110 section 5.3 leaves it to the recipient, and who checks it is the endpoint",
            lambda sent: any(len(sent.all(name)) > 1 for name in _ONCE_FOR_NGINX),
        ),
    ),
    changes=(_SERVER_ASKED,),
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
            lambda sent: _upgrades_to_websocket(sent) and not sent.all(b"sec-websocket-key"),
        ),
    ),
)
# What the parser of Envoy knows by name; the option that lets others pass is off unless somebody sets it.
_KNOWN_TO_ENVOY = frozenset(
    b"GET POST PUT HEAD OPTIONS DELETE PATCH TRACE CONNECT PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK ACL BIND "
    b"CHECKOUT LINK MERGE MKACTIVITY MKCALENDAR NOTIFY PURGE REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND "
    b"UNLINK UNSUBSCRIBE".split()
)
ENVOY = Norm(
    fields=frozenset({b"x-envoy-expected-rq-timeout-ms", b"x-envoy-internal", b"x-envoy-external-address", b"referer"}),
    refusals=(
        Refusal(
            "`OPTIONS *`",
            "a route of Envoy's matches a path, and `*` is none",
            lambda sent: sent.target == b"*",
        ),
        Refusal(
            "a method that its parser has no name for",
            "RFC 9110 section 9.1: a method is any token; whether it is known is the endpoint's to say",
            lambda sent: sent.method not in _KNOWN_TO_ENVOY,
        ),
        Refusal(
            "an upgrade",
            "Envoy takes those that its configuration names; here the endpoint says what it takes",
            lambda sent: bool(sent.all(b"upgrade")),
        ),
    ),
    changes=(_SERVER_ASKED,),
)


def _as_go_writes(sent: Reading) -> Reading:
    """A path with a byte that RFC 3986 has escaped is decoded and escaped anew, all of it."""
    path, mark, query = sent.target.partition(b"?")
    if re.fullmatch(rb"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/%]*", path) is None:
        path = quote_from_bytes(unquote_to_bytes(path), safe="$&+,/:;=@").encode()
    return replace(sent, target=path + mark + query)


def _with_one_agent(sent: Reading) -> Reading:
    agents = sent.all(b"user-agent")[:1]
    others = [one for one in sent.fields if one[0] != b"user-agent"]
    return replace(sent, fields=(*others, *[(b"user-agent", agent) for agent in agents if agent]))


CADDY = Norm(
    fills_host=True,
    refusals=(
        Refusal(
            "`OPTIONS *`",
            "Caddy answers it itself",
            lambda sent: sent.target == b"*",
        ),
        Refusal(
            "an Expect of anything but 100-continue",
            "RFC 9110 section 10.1.1: a server may answer 417; the endpoint is asked",
            lambda sent: any(value.lower() != b"100-continue" for value in sent.all(b"expect")),
        ),
        Refusal(
            "`%` without two hexadecimal digits",
            "which path is meant is the origin's to say: nothing here is decoded",
            lambda sent: re.search(rb"%(?![0-9A-Fa-f]{2})", sent.target.partition(b"?")[0]) is not None,
        ),
        Refusal(
            "a method of more than 32 letters",
            "a limit of Caddy's; here the whole head has one",
            lambda sent: len(sent.method) > 32,
        ),
    ),
    changes=(
        _SERVER_ASKED,
        Change(
            "a path with a byte that RFC 3986 escapes",
            "Go decodes such a path and escapes it anew; Sidecar passes bytes on",
            _as_go_writes,
        ),
        Change("more than one User-Agent, or an empty one", "Go sends the first, and no empty one", _with_one_agent),
    ),
)
NORMS = {"direct": Norm(), "nginx": NGINX, "haproxy": HAPROXY, "envoy": ENVOY, "caddy": CADDY}
