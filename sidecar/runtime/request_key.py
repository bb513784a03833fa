"""What of a request tells one caller, session or resource from another: the key of a hash balance or of a limit.

Compiled once from the words of the rules file; a key is a short text however long the fields are that it is made of.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from sidecar.model.facts import RequestFacts
from sidecar.policies.contract import Key
from sidecar.runtime.paths import matching_path, segments

CLIENT_IP = 0
HEADER = 1
COOKIE = 2
PATH = 3

# A key lives in a table with a hundred thousand others; a caller may send 32 KiB of header.
_MAX_LENGTH = 64


class RequestKey(Key):
    """The key of a request. A field that is absent counts as empty: all requests without it share one key."""

    __slots__ = ("_one", "_parts")

    def __init__(self, sources: str | Sequence[str], variables: Mapping[str, int] | None = None) -> None:
        """Compile `client_ip`, `header:NAME`, `cookie:NAME`, `path:VARIABLE` or a list of them.

        `variables` are those of the route's path template, each with the index of its segment. ValueError tells an
        unknown source, an unknown variable or an empty list.
        """
        words = [sources] if isinstance(sources, str) else list(sources)
        if not words:
            raise ValueError("a key needs at least one source")
        self.text = ", ".join(words)
        self._parts = tuple([_Part(word, variables or {}) for word in words])
        self._one = self._parts[0] if len(self._parts) == 1 else None

    def of(self, head: RequestFacts, client_ip: str) -> str:
        """The key of one request, whose client has this address."""
        if self._one is not None:
            return self._one.of(head, client_ip)
        # With the length before each part no two lists of values spell one key, so nobody can aim at another's.
        values = [part.of(head, client_ip) for part in self._parts]
        return "".join([f"{len(value)}:{value}" for value in values])


class _Part:
    """One source of a key."""

    __slots__ = ("index", "kind", "name")

    def __init__(self, word: str, variables: Mapping[str, int]) -> None:
        source, _, name = word.partition(":")
        self.index = 0
        self.name = name.encode("latin-1", "replace")
        if word == "client_ip":
            self.kind = CLIENT_IP
        elif source == "header" and name:
            self.kind = HEADER
            self.name = self.name.lower()
        elif source == "cookie" and name:
            self.kind = COOKIE
        elif source == "path" and name:
            if name not in variables:
                raise ValueError(f"`{word}` names no variable of the route's path; write the path as /users/{{{name}}}")
            self.kind = PATH
            self.index = variables[name]
        else:
            raise ValueError(f"`{word}` is not a key; write client_ip, header:NAME, cookie:NAME or path:VARIABLE")

    def of(self, head: RequestFacts, client_ip: str) -> str:
        kind = self.kind
        if kind == CLIENT_IP:
            return client_network(client_ip)
        if kind == HEADER:
            return _bounded(head.header(self.name))
        if kind == COOKIE:
            return _bounded(_cookie(head.header(b"cookie"), self.name))
        found = segments(matching_path(head.path))
        return _bounded(found[self.index] if self.index < len(found) else None)


def client_network(client_ip: str) -> str:
    """The address as a key: IPv4 as it is, IPv6 as its /64, because one subscriber owns all of that."""
    return client_ip if ":" not in client_ip else _network(client_ip)


@lru_cache(maxsize=4096)
def _network(client_ip: str) -> str:
    try:
        address = ipaddress.IPv6Address(client_ip.partition("%")[0])
    except ValueError:
        return client_ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64)) + "/64"


def _cookie(header: bytes | None, name: bytes) -> bytes | None:
    # Several Cookie lines arrive joined with `, `; HTTP/1 clients send one (RFC 6265 5.4), so only `;` separates.
    if header is None:
        return None
    for pair in header.split(b";"):
        found, equals, value = pair.partition(b"=")
        if equals and found.strip(b" \t") == name:
            return value.strip(b' \t"')
    return None


def _bounded(value: bytes | None) -> str:
    if value is None:
        return ""
    if len(value) > _MAX_LENGTH:
        return "#" + blake2b(value, digest_size=16).hexdigest()
    return value.decode("latin-1")
