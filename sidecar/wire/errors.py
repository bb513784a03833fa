"""Every way a message on the wire can be refused: one exception, a code from a closed set, and a detail for the log.

Owns the codes. May not know who answers or how: the bridge turns a code into a reply of its own.
"""

BAD_REQUEST = "bad_request"
URI_TOO_LONG = "uri_too_long"
HEADERS_TOO_LARGE = "headers_too_large"
UPSTREAM_PROTOCOL_ERROR = "upstream_protocol_error"

CODES = frozenset({BAD_REQUEST, URI_TOO_LONG, HEADERS_TOO_LARGE, UPSTREAM_PROTOCOL_ERROR})


class BadMessage(ValueError):  # noqa: N818 - it names the message, not the fault
    """The peer sent bytes that are no acceptable HTTP/1.1 message; nothing after them can be read.

    The connection must be closed after whatever answer `code` asks for, because where the next message would begin
    is not known (RFC 9112 section 2.2).
    `code` is one of `CODES`; `detail` is one short sentence free of bytes from the peer, safe to log and to show.
    """

    code: str
    detail: str

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail

    def __reduce__(self) -> tuple[type["BadMessage"], tuple[str, str]]:
        """Pickle by the two arguments, not by the formatted text."""
        return BadMessage, (self.code, self.detail)
