"""Where a redirect leads: Location (RFC 9110 section 10.2.2), made of the request's own target.

Owns which part of a request goes into it. A Location is always absolute, so a path of `//other.example` stays a path;
what it is made of has passed the parser: an authority without userinfo, space or control, a target of visible ASCII
(`authority.py`, `fieldnames.TARGET_BYTES`).
"""

from sidecar.wire.message import RequestHead

_DEFAULT_PORTS = {b"http": b"80", b"https": b"443"}


class Location:
    """What a rule says of it; the request says the rest. Empty, or a port of 0, for what the request says."""

    __slots__ = ("_host", "_keeps_port", "_path", "_port", "_scheme")

    def __init__(self, scheme: str = "", host: str = "", port: int = 0, path: str = "") -> None:
        self._scheme = scheme.encode("ascii")
        self._host = host.encode("ascii")
        self._port = b"%d" % port if port else b""
        self._path = path.encode("ascii")
        # Another scheme or host rarely listens on the same port.
        self._keeps_port = not (scheme or host or port)

    def of(self, head: RequestHead, scheme: bytes) -> bytes | None:
        """The URL for a request that the client made by `scheme`; None where neither rule nor request names a host."""
        asked, port = split_authority(head.authority)
        host = self._host or asked
        if not host:
            return None
        scheme = self._scheme or scheme
        if not self._keeps_port:
            port = self._port
        colon = b":" if port and port != _DEFAULT_PORTS.get(scheme) else b""
        return b"".join((scheme, b"://", host, colon, port if colon else b"", self._target(head)))

    def _target(self, head: RequestHead) -> bytes:
        path = self._path
        if not path:
            # RFC 9112 section 3.2.4: `*` is what an OPTIONS of an empty path is sent as.
            return b"" if head.origin_target == b"*" else head.origin_target
        return path + b"?" + head.query if head.query and b"?" not in path else path


def split_authority(authority: bytes) -> tuple[bytes, bytes]:
    """Host and port of an authority that the parser has taken; each perhaps empty. Brackets stay."""
    host, colon, port = authority.rpartition(b":")
    if not colon or port.endswith(b"]"):
        return authority, b""
    return host, port
