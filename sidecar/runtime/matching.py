"""One route's conditions, compiled: what a request must be like for the route to take it.

A host is compared without case, port and final dot; `*.example.com` is every name below example.com at any depth, and
not example.com itself. A path is compared in the form of `paths.py`. A method is compared as it came, since methods
have case (RFC 9110 9.1). A header's name has no case, its value is compared whole, several lines joined with `, `.
"""

from __future__ import annotations

import ipaddress

from sidecar.model.facts import RequestFacts
from sidecar.rules.schema import MatchRule
from sidecar.runtime.paths import matching_path, segments

ANY_PATH = 0
PREFIX = 1
EXACT = 2
TEMPLATE = 3

_KINDS = {"prefix": PREFIX, "exact": EXACT, "template": TEMPLATE}
# Compiled, what others import from here has to stay a Python number; these are its typed copies.
_PREFIX = PREFIX
_EXACT = EXACT
_COMPILED = not __file__.endswith(".py")


class Matcher:
    """The conditions of one route. `always` is true when there are none; `variables` are the path's, with positions.

    The other fields are the conditions as the index of `routing.py` sorts them: `host_below` with its leading dot,
    `segments` those of a template, None for a variable.
    """

    __slots__ = (
        "_below",
        "always",
        "headers",
        "host",
        "host_below",
        "kind",
        "methods",
        "needs_host",
        "needs_path",
        "path",
        "rule",
        "segments",
        "variables",
    )

    def __init__(self, rule: MatchRule) -> None:
        self.rule = rule
        host = (rule.host or "").encode("ascii")
        self.host_below = host[1:] if host.startswith(b"*.") else b""
        self.host = b"" if self.host_below else host
        path = matching_path(rule.path.text.encode("ascii"))
        self.kind = _KINDS[rule.path.kind]
        if self.kind == PREFIX and path == b"/":
            self.kind = ANY_PATH
        # As in the rules, a slash at the end of a prefix changes nothing, not even one that normalising has left over.
        self.path = path.removesuffix(b"/") if self.kind == PREFIX else path
        self._below = self.path + b"/"
        self.segments, self.variables = _template(rule)
        self.methods = frozenset([method.encode("ascii") for method in rule.methods])
        self.headers = tuple([(name.encode("ascii"), value.encode("latin-1")) for name, value in rule.headers.items()])
        self.needs_host = bool(host)
        self.needs_path = self.kind != ANY_PATH
        self.always = not (self.needs_host or self.needs_path or self.methods or self.headers)

    def matches(self, head: RequestFacts, path: bytes, host: bytes) -> bool:
        """Whether the request is this route's; `path` and `host` in their matching forms, where this asks for them."""
        if self.always:
            return True
        if self.needs_path and not self._path_fits(path):
            return False
        if self.methods and head.method not in self.methods:
            return False
        if self.needs_host and not self._host_fits(host):
            return False
        for name, value in self.headers:  # noqa: SIM110 - a generator costs more than the loop
            if head.header(name) != value:
                return False
        return True

    def refusal(self, head: RequestFacts, path: bytes, host: bytes) -> str | None:
        """Why the request is not this route's, in an operator's words; None when it is."""
        rule = self.rule
        if self.needs_path and not self._path_fits(path):
            return f"path {_shown(path)} is not {rule.path}"
        if self.methods and head.method not in self.methods:
            return f"method {_shown(head.method)} is not {' or '.join(rule.methods)}"
        if self.needs_host and not self._host_fits(host):
            return f"host {_shown(host) or '(none)'} is not {rule.host}"
        for name, value in self.headers:
            found = head.header(name)
            if found != value:
                given = "absent" if found is None else f"`{_shown(found)}`"
                return f"header {_shown(name)} is {given}, not `{_shown(value)}`"
        return None

    def _path_fits(self, path: bytes) -> bool:
        kind = self.kind
        if kind == _PREFIX:
            return path == self.path or path.startswith(self._below)
        if kind == _EXACT:
            return path == self.path
        found = segments(path)
        if len(found) != len(self.segments) or not path.startswith(b"/"):
            return False
        for wanted, segment in zip(self.segments, found, strict=True):
            if wanted is not None and wanted != segment:
                return False
        return True

    def _host_fits(self, host: bytes) -> bool:
        if self.host_below:
            return host.endswith(self.host_below) and len(host) > len(self.host_below)
        return host == self.host


def matching_host(authority: bytes) -> bytes:
    """The host of an authority as rules are compared with it: lower case, no port, no final dot, IPv6 at its shortest.

    `api.example.com.` names the same host as `api.example.com`, so it must not dodge the route of it.
    """
    if _COMPILED and _is_plain(authority):
        return authority
    host = authority.lower()
    if host.startswith(b"["):
        return _shortest_ipv6(host.partition(b"]")[0][1:])
    return host.partition(b":")[0].removesuffix(b".")


def _is_plain(authority: bytes) -> bool:
    # A bracket, a colon or a capital letter anywhere, or a dot at the end, is for the long way.
    data = authority
    byte = 0
    for at in range(len(authority)):
        byte = data[at]
        if 0x41 <= byte <= 0x5B or byte == 0x3A:
            return False
    return byte != 0x2E


def _shortest_ipv6(text: bytes) -> bytes:
    try:
        return b"[%b]" % str(ipaddress.IPv6Address(text.decode("latin-1"))).encode("ascii")
    except ValueError:
        return b"[%b]" % text


def _template(rule: MatchRule) -> tuple[tuple[bytes | None, ...], dict[str, int]]:
    """The segments of a template, None for a variable, and where each variable stands."""
    if rule.path.kind != "template":
        return (), {}
    wanted: list[bytes | None] = []
    variables: dict[str, int] = {}
    for index, segment in enumerate(segments(matching_path(rule.path.text.encode("ascii")))):
        if segment.startswith(b"{") and segment.endswith(b"}"):
            variables[segment[1 : len(segment) - 1].decode("ascii")] = index
            wanted.append(None)
        else:
            wanted.append(segment)
    return tuple(wanted), variables


def _shown(text: bytes) -> str:
    return text.decode("ascii", "backslashreplace")
