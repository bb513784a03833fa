"""Written forms that only rules have: addresses, networks, hosts to match and path patterns."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from sidecar.model.address import Address, Url
from sidecar.policies.units import Kind

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
TrustedPeer = Network | Literal["unix"]
UNIX_PEERS: Final = "unix"
EndpointUrl = Url

_HOST = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """What a request's path must be like. `text` is the path without the `=` of an exact one.

    prefix: the path itself and everything below it, by whole segments; `/` is every path.
    exact: the path and nothing else.
    template: as many segments as the text has; a segment `{name}` stands for any one that is not empty.
    """

    kind: Literal["prefix", "exact", "template"]
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `/prefix`, `=/exact` or `/users/{id}`; ValueError says what is wrong with it."""
        exact = text.startswith("=")
        path = text.removeprefix("=")
        if not path.startswith("/"):
            raise ValueError(f"`{text}` is not a path; it begins with / (or =/ for an exact one)")
        if "?" in path or "#" in path:
            raise ValueError(f"`{text}` holds a query or a fragment; a path is matched without them")
        if any(ord(mark) <= 32 or ord(mark) > 126 for mark in path):
            raise ValueError(f"`{text}` holds a character that a request line writes percent-encoded")
        if exact or ("{" not in path and "}" not in path):
            return cls("exact" if exact else "prefix", path if exact or path == "/" else path.rstrip("/") or "/")
        pattern = cls("template", path)
        for segment in path.split("/"):
            if ("{" in segment or "}" in segment) and not _VARIABLE.fullmatch(segment):
                raise ValueError(
                    f"`{segment}` in `{text}` is not a variable; it is a whole segment, as in /users/{{id}}"
                )
        names = pattern.variables
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"`{text}` has the variable `{name}` twice")
        return pattern

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of a template's variables, in order."""
        return tuple(_VARIABLE.findall(self.text)) if self.kind == "template" else ()

    def __str__(self) -> str:
        return f"={self.text}" if self.kind == "exact" else self.text


def parse_network(text: str) -> Network:
    """An address or a network; the bits below the mask must be zero, as they are a slip otherwise."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"`{text}` is not a network; write it as 10.0.0.0/8 or fd00::/8") from None
    raise ValueError(f"`{text}` has bits set below its mask; did you mean `{meant}`?")


def parse_trusted(text: str) -> TrustedPeer:
    """Whom to believe: a network, or `unix` for whoever may connect to a unix socket."""
    return UNIX_PEERS if text == UNIX_PEERS else parse_network(text)


def parse_host(text: str) -> str:
    """A host name to match, in lower case: exact, or `*.` and the name that it is below."""
    host = text.lower().removesuffix(".")
    if host.startswith("[") and host.endswith("]"):
        return f"[{ipaddress.IPv6Address(host[1:-1])}]"
    if re.search(r":[0-9]+$", host):
        raise ValueError(f"`{text}` has a port; a host is matched without it")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise ValueError(f"`{text}` is not a host name; write api.example.com or *.example.com")
    return host


def parse_collector(text: str) -> str:
    """Where telemetry is sent: an http or https URL, which may have a path."""
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - raises where it is none
    except ValueError as error:
        raise ValueError(f"`{text}` is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"`{text}` is not the URL of a collector; write http://collector:4318")
    if url.username is not None or url.query or url.fragment:
        raise ValueError("the URL of a collector has no user, no query and no fragment; use `headers` for credentials")
    if any(ord(mark) <= 32 or ord(mark) > 126 for mark in text):
        raise ValueError(f"`{text}` holds a character that a URL writes percent-encoded")
    return text


ADDRESS = Kind("address", Address.parse, {"type": "string", "pattern": r"^(unix:/.+|.*:[0-9]+)$"})
URL = Kind(
    "URL", Url.parse, {"type": "string", "pattern": r"^(unix:/.+|(http|tcp)://unix:/.+|(https?|tcp|tls)://[^/?#@]+/?)$"}
)
COLLECTOR = Kind("URL", parse_collector, {"type": "string", "pattern": r"^https?://[^?#@]+$"})
NETWORK = Kind("network", parse_trusted, {"type": "string"})
HOST = Kind("host", parse_host, {"type": "string"})
PATH = Kind("path", PathPattern.parse, {"type": "string", "pattern": "^=?/"})
