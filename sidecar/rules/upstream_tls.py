"""What a rule may say of TLS towards an upstream. Knows no file: whether what it names can be used is found above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sidecar.model.address import Address
from sidecar.policies.units import Kind, demand

# The schemes of endpoints that speak TLS.
SECURE = frozenset(("https", "tls"))


def parse_server_name(text: str) -> str:
    """The name, or the IP address, that a certificate must be for, in lower case."""
    authority = f"[{text}]:443" if ":" in text and not text.startswith("[") else f"{text}:443"
    try:
        host = Address.parse(authority).host
    except ValueError:
        host = ""
    if not host:
        raise ValueError(f"`{text}` is not a name of a server; write app.internal or 10.0.0.1, without a port")
    return host.lower().removesuffix(".")


def parse_file(text: str) -> str:
    """The path as it is; an empty one is what a variable leaves that is not set."""
    if not text:
        raise ValueError("this is empty, and names no file")
    return text


PEM_FILE = Kind("path of a file", parse_file, {"type": "string", "minLength": 1})
SERVER_NAME = Kind("server name", parse_server_name, {"type": "string"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTls:
    """TLS towards an upstream's https endpoints."""

    ca: Annotated[str | None, PEM_FILE, "PEM file with the authorities believed; absent: the system's"] = None
    server_name: Annotated[str | None, SERVER_NAME, "name asked for and checked; absent: the endpoint's host"] = None
    verify: Annotated[bool, "check the certificate"] = True
    certificate: Annotated[str | None, PEM_FILE, "PEM file with our own certificate and its chain"] = None
    private_key: Annotated[str | None, PEM_FILE, "PEM file with its key"] = None
    min_version: Annotated[Literal["1.2", "1.3"], "oldest TLS spoken"] = "1.2"

    def __post_init__(self) -> None:
        paired = (self.certificate is None) == (self.private_key is None)
        demand(
            ("certificate", paired, "and `private_key` go together"),
            ("ca", self.verify or self.ca is None, "is not looked at with `verify: false`; drop one of them"),
        )
