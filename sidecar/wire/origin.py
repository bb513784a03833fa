"""Where a downstream connection comes from: made once when it is accepted, read by every request on it.

Owns the facts and the field lines that follow from them alone. May not know requests.
"""

from ipaddress import IPv6Address


class Origin:
    """The peer of an accepted connection.

    `peer_ip` is canonical text, empty for a Unix socket; `scheme` is `b"http"` or `b"https"`; `trusted` is whether
    the peer's forwarding fields are believed; `listener` and `port` say where it came in. `certificate` describes the
    certificate that a TLS client has shown, as X-Forwarded-Client-Cert has it; empty when it is not to be told.
    `x_forwarded` is whether upstreams are told by X-Forwarded-*; `forwarded` is the element of Forwarded that they are
    told (all but the host, which each request names), empty when they are not.
    """

    # fmt: off
    __slots__ = (
        "certificate", "forwarded", "listener", "peer_ip", "peer_line", "peer_token", "port", "proto_line", "scheme",
        "trusted", "x_forwarded",
    )
    # fmt: on

    def __init__(
        self,
        peer_ip: str,
        scheme: bytes = b"http",
        trusted: bool = False,
        port: int = 0,
        listener: str = "",
        certificate: bytes = b"",
        x_forwarded: bool = True,
        forwarded: bool = False,
        by: str = "",
    ) -> None:
        """`forwarded`: whether upstreams are told by Forwarded, and `by` whom (RFC 7239 section 5.1); empty: nobody."""
        self.peer_ip = peer_ip
        self.scheme = scheme
        self.trusted = trusted
        self.port = port
        self.listener = listener
        self.certificate = certificate
        self.x_forwarded = x_forwarded
        self.forwarded = _element(peer_ip, scheme, by) if forwarded else b""
        self.peer_token = peer_ip.encode("ascii")
        # What most requests get, who come with no chain of their own.
        self.peer_line = b"X-Forwarded-For: " + self.peer_token + b"\r\n" if peer_ip else b""
        self.proto_line = b"X-Forwarded-Proto: " + scheme + b"\r\n"


def _element(peer_ip: str, scheme: bytes, by: str) -> bytes:
    # RFC 7239 section 6.2: a peer without an address, as that of a Unix socket, is `unknown`.
    parts = [b"for=" + (node(peer_ip) if peer_ip else b"unknown"), b"proto=" + scheme]
    if by:
        parts.append(b"by=" + by.encode("ascii"))
    return b";".join(parts)


def node(address: str) -> bytes:
    """An address as Forwarded writes it: IPv6 in brackets and quotes (RFC 7239 section 6)."""
    return b'"[%b]"' % str(IPv6Address(address)).encode("ascii") if ":" in address else address.encode("ascii")
