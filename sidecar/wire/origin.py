"""Where a downstream connection comes from: made once when it is accepted, read by every request on it.

Owns the facts and the field lines that follow from them alone. May not know requests.
"""


class Origin:
    """The peer of an accepted connection.

    `peer_ip` is canonical text, empty for a Unix socket; `scheme` is `b"http"` or `b"https"`; `trusted` is whether
    the peer's forwarding fields are believed; `listener` and `port` say where it came in. `certificate` describes the
    certificate that a TLS client has shown, as X-Forwarded-Client-Cert has it; empty when it is not to be told.
    """

    # fmt: off
    __slots__ = (
        "certificate", "listener", "peer_ip", "peer_line", "peer_token", "port", "proto_line", "scheme", "trusted",
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
    ) -> None:
        self.peer_ip = peer_ip
        self.scheme = scheme
        self.trusted = trusted
        self.port = port
        self.listener = listener
        self.certificate = certificate
        self.peer_token = peer_ip.encode("ascii")
        # What most requests get, who come with no chain of their own.
        self.peer_line = b"X-Forwarded-For: " + self.peer_token + b"\r\n" if peer_ip else b""
        self.proto_line = b"X-Forwarded-Proto: " + scheme + b"\r\n"
