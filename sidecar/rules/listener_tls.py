"""What a rule may say of TLS on a listener. Knows no file: whether what it names can be used is found out above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sidecar.policies.units import Count, OneOrMany, Seconds, Text, demand
from sidecar.rules.upstream_tls import PEM_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRule:
    """A certificate and its key; clients get it when they ask for one of its names."""

    certificate: Annotated[str, PEM_FILE, "PEM file with the certificate and its chain, the certificate first"]
    private_key: Annotated[str, PEM_FILE, "PEM file with its key, not encrypted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls:
    """TLS of a listener; its files are watched and swapped without dropping a connection."""

    certificate: Annotated[str, PEM_FILE, "PEM file with the certificate and its chain, the certificate first"]
    private_key: Annotated[str, PEM_FILE, "PEM file with its key, not encrypted"]
    certificates: Annotated[tuple[IdentityRule, ...], "further ones, chosen by the name that the client asks for"] = ()
    strict_sni: Annotated[bool, "refuse a client that asks for a name of none; false: it gets the first"] = False
    client_ca: Annotated[
        str | None, PEM_FILE, "PEM file; a client has to show a certificate that one of these signed"
    ] = None
    client_certificate: Annotated[
        Literal["required", "optional"], "with client_ca: whether a client without a certificate is refused"
    ] = "required"
    forward_client_certificate: Annotated[
        bool, "tell backends of the client's certificate in X-Forwarded-Client-Cert"
    ] = False
    min_version: Annotated[Literal["1.2", "1.3"], "oldest TLS spoken"] = "1.2"
    alpn: Annotated[
        tuple[Text, ...], OneOrMany(), "protocols offered by ALPN; absent: http/1.1, and none where `protocol: tcp`"
    ] = ()
    handshake_timeout: Annotated[Seconds, "from the accept to the end of the handshake"] = 10.0
    max_handshakes: Annotated[Count, "handshakes at once, in each process; further clients are cut"] = 2048

    def __post_init__(self) -> None:
        verifies = self.client_ca is not None
        demand(
            (
                "client_certificate",
                verifies or self.client_certificate == "required",
                "goes with `client_ca`, and there is none",
            ),
            (
                "forward_client_certificate",
                verifies or not self.forward_client_certificate,
                "goes with `client_ca`: what nobody has checked is not passed on",
            ),
            ("alpn", all(0 < len(one) < 256 and one.isascii() for one in self.alpn), "names are of 1 to 255 bytes"),
            ("handshake_timeout", self.handshake_timeout > 0, "must be more than 0"),
            ("max_handshakes", self.max_handshakes >= 1, "must be at least 1"),
        )
