"""Where to listen and where to connect, as values that print back the way they were written.

Owns the text forms `host:port`, `[v6]:port`, `:port`, `unix:/path` and the endpoint forms `http://host:port`,
`http://unix:/path`, `tcp://host:port`. Knows no socket and no resolver: a host name stays a name here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, Self

_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
_PORT = re.compile(r"[0-9]{1,5}")
# sun_path is 108 bytes on Linux with its terminator; a longer one fails only at bind, far from the line that wrote it.
_MAX_UNIX_PATH_BYTES = 107
_DEFAULT_PORTS = {"http": 80, "https": 443}
# The schemes of endpoints that carry bytes without HTTP.
RAW = frozenset(("tcp", "tls"))
_SCHEMES = ("http", "https", "tcp", "tls")
_SECURE = ("https", "tls")


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP host and port, or the path of a unix socket. An empty host means every interface."""

    host: str = ""
    port: int = 0
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port`, `[v6]:port`, `:port` or `unix:/path`; ValueError says what is wrong with it."""
        if text.startswith("unix:"):
            return cls(path=_unix_path(text))
        host, colon, port = text.rpartition(":")
        if not colon or text.endswith("]"):
            hint = f"did you mean `:{text}`?" if _PORT.fullmatch(text) else "write host:port, [v6]:port or unix:/path"
            raise ValueError(f"`{text}` has no port; {hint}")
        return cls(host=_host(host, text), port=_port(port, text))

    @property
    def is_unix(self) -> bool:
        """Whether this is the path of a unix socket."""
        return self.path is not None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it: 127.0.0.0/8, ::1, localhost or a unix socket."""
        if self.path is not None or self.host == "localhost":
            return True
        literal = ip_literal(self.host)
        return literal is not None and literal.is_loopback

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Url:
    """An endpoint: how to speak and where to connect. It has no path, because the request's path is kept as it came."""

    scheme: Literal["http", "https", "tcp", "tls"]
    address: Address

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `http://host[:port]`, `https://host[:port]`, `tcp://host:port`, `tls://host:port`, `http://unix:/path`,
        `tcp://unix:/path` or `unix:/path`; ValueError says what is wrong with it."""
        if text.startswith("unix:"):
            return cls("http", Address.parse(text))
        scheme, separator, rest = text.partition("://")
        if not separator:
            raise ValueError(f"`{text}` is not a URL{_meant(text)}")
        if scheme not in _SCHEMES:
            raise ValueError(f"`{text}` has the scheme `{scheme}`; only {', '.join(_SCHEMES)} are spoken")
        if rest.startswith("unix:"):
            if scheme in _SECURE:
                meant = "http" if scheme == "https" else "tcp"
                raise ValueError(f"`{text}` is a unix socket, over which TLS is not spoken; write {meant}://{rest}")
            return cls(scheme, Address.parse(rest))  # type: ignore[arg-type]
        authority = rest.removesuffix("/")
        if any(mark in authority for mark in "/?#"):
            raise ValueError(f"`{text}` has a path or a query; an endpoint is scheme, host and port only")
        if "@" in authority:
            raise ValueError("an endpoint carries no user name or password")
        if not re.search(r":[^\]]*$", authority):
            if scheme not in _DEFAULT_PORTS:
                raise ValueError(f"`{text}` has no port; write {scheme}://host:port")
            authority = f"{authority}:{_DEFAULT_PORTS[scheme]}"
        address = Address.parse(authority)
        if not address.host:
            raise ValueError(f"`{text}` has no host")
        if address.port == 0:
            raise ValueError(f"`{text}` has the port 0; nothing can be reached there")
        return cls(scheme, address)  # type: ignore[arg-type]

    @property
    def is_raw(self) -> bool:
        """Whether bytes are spoken there without HTTP."""
        return self.scheme in RAW

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}"


def ip_literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address a host text spells, or None when it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unix_path(text: str) -> str:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError(f"`{text}` needs an absolute path to a socket, as in unix:/run/sidecar.sock")
    if "\0" in path or len(path.encode(errors="replace")) > _MAX_UNIX_PATH_BYTES:
        raise ValueError(f"the path of `{text[:40]}…` cannot be a unix socket: at most {_MAX_UNIX_PATH_BYTES} bytes")
    return path


def _host(host: str, text: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        inner = host[1:-1]
        if ":" not in inner or ip_literal(inner) is None:
            raise ValueError(f"`{inner}` in `{text}` is not an IPv6 address")
        return inner
    if ":" in host:
        raise ValueError(f"`{text}` is ambiguous; write an IPv6 address in brackets, as in [::1]:8080")
    if host and (len(host) > 253 or not _HOST.fullmatch(host)):
        raise ValueError(f"`{host}` in `{text}` is not a host name")
    if re.fullmatch(r"[0-9.]+", host) and ip_literal(host) is None:
        raise ValueError(f"`{host}` in `{text}` is not an IPv4 address")
    return host


def _port(port: str, text: str) -> int:
    if not port.isascii() or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"`{port}` in `{text}` is not a port; a port is a number from 0 to 65535")
    return int(port)


def _meant(text: str) -> str:
    """What to write instead of a URL without a scheme."""
    try:
        Url.parse(f"http://{text}")
    except ValueError:
        return "; write http://host:port or https://host:port"
    return f"; did you mean `http://{text}`?"
