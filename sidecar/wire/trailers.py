"""Trailer sections: parsed like fields, and only what may travel as a trailer is passed on.

Owns which trailers are dropped. May not know the chunked coding around them.
"""

from sidecar.wire.errors import BadMessage
from sidecar.wire.fieldnames import HOP_BY_HOP, REWRITTEN, TOKEN_BYTES, VALUE_BYTES
from sidecar.wire.message import HeadLimits

# RFC 9110 section 6.5.1: fields for framing, routing, request modifiers, authentication, response control and content
# format must not be trailers; a recipient that merges one into its head is being steered.
_FORBIDDEN = (
    HOP_BY_HOP
    | REWRITTEN
    | frozenset(
        b"host content-length trailer forwarded cache-control expect max-forwards pragma range if-match if-none-match "
        b"if-modified-since if-unmodified-since if-range authorization www-authenticate authentication-info cookie "
        b"set-cookie age date expires location retry-after vary warning content-encoding content-type content-range "
        b"idempotency-key x-real-ip".split()
    )
)


def forwardable_trailers(section: bytes, limits: HeadLimits, code: str, too_large: str) -> bytes:
    """The lines of a trailer section (its empty line included) that may be passed on, verbatim.

    Raises `BadMessage` with `code` for syntax no head would be accepted with, and with `too_large` beyond `limits`.
    """
    lines = section[:-4].split(b"\r\n")
    if len(lines) > limits.max_fields:
        raise BadMessage(too_large, "too many trailers")
    kept: list[bytes] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, TOKEN_BYTES) or value.translate(None, VALUE_BYTES):
            raise BadMessage(code, "malformed trailer")
        # Backends of the CGI family take `_` for `-` (RFC 3875 section 4.1.18).
        if name.lower().replace(b"_", b"-") not in _FORBIDDEN:
            kept.append(line + b"\r\n")
    return b"".join(kept)
