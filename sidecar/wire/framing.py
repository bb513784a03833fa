"""Where a body ends and whether the connection survives it, with the clause that says so beside each branch.

Owns those decisions as functions of already parsed facts. May not know field syntax or how bodies are read.
Faults are returned as text, empty when there is none: the parser knows on whose behalf to raise.
"""

from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE

# What Transfer-Encoding said.
CODING_ABSENT = 0
CODING_CHUNKED = 1
CODING_OTHER = 2

# RFC 9110 section 8.6 sets no bound; beyond 2^63 - 1 every peer that counts in 64 bits may wrap around.
MAX_LENGTH = (1 << 63) - 1

# The compiler makes these C integers; the ones above must stay objects for others to import.
_ABSENT = CODING_ABSENT
_CHUNKED_CODING = CODING_CHUNKED
_OTHER = CODING_OTHER


def coding_of(value: bytes) -> int:
    """What a Transfer-Encoding value asks for: exactly `chunked`, or anything else.

    `chunked, identity`, `xchunked`, `chunked;x` and repeated codings are read differently by different peers, which
    is how requests are smuggled; this proxy never asks for any other coding (RFC 9112 section 7), so it knows none.
    """
    return _CHUNKED_CODING if value == b"chunked" or value.lower() == b"chunked" else _OTHER


def transfer_fault(coding: int, content_length: int, minor_version: int) -> str:
    """What makes the framing fields of one head unacceptable, or an empty string."""
    if coding == _ABSENT:
        return ""
    if coding == _OTHER:
        # RFC 9112 section 6.1: an unknown coding cannot be read to its end, and a guess desynchronises.
        return "unknown transfer coding"
    if content_length >= 0:
        # RFC 9112 section 6.3 item 3: "ought to be handled as an error".
        return "both Transfer-Encoding and Content-Length"
    if minor_version == 0:
        # RFC 9112 section 6.1: Transfer-Encoding on HTTP/1.0 is faulty framing.
        return "Transfer-Encoding on HTTP/1.0"
    return ""


def request_framing(coding: int, content_length: int) -> int:
    """How a request's body ends."""
    if coding == _CHUNKED_CODING:
        return CHUNKED  # RFC 9112 section 6.3 item 4
    if content_length > 0:
        return LENGTH  # item 6
    return NO_BODY  # item 7; a length of zero needs no reader either


def bodiless(status: int, request_method: bytes) -> bool:
    """Whether a response ends with its head whatever its fields say (RFC 9112 section 6.3 item 1)."""
    return status < 200 or status == 204 or status == 304 or request_method == b"HEAD"


def response_framing(status: int, request_method: bytes, coding: int, content_length: int) -> int:
    """How a response's body ends."""
    if bodiless(status, request_method):
        return NO_BODY
    if coding == _CHUNKED_CODING:
        return CHUNKED  # item 4
    if content_length > 0:
        return LENGTH  # item 6
    if content_length == 0:
        return NO_BODY
    return UNTIL_CLOSE  # item 8


def persists(minor_version: int, close: bool, keep_alive: bool) -> bool:
    """Whether the sender of a head keeps the connection open after it (RFC 9112 section 9.3).

    `close` and `keep_alive` are whether Connection named those options; close wins.
    """
    if close:
        return False
    return minor_version >= 1 or keep_alive


def response_persists(
    status: int, framing: int, coding: int, content_length: int, minor_version: int, close: bool, keep_alive: bool
) -> bool:
    """Whether an upstream connection can be used again after this response."""
    if framing == UNTIL_CLOSE:
        return False  # RFC 9112 section 6.3 item 8: the close is the end of the body
    if status == 101:
        return False  # RFC 9110 section 15.2.2: it speaks another protocol from here on
    if (status < 200 or status == 204) and (coding != _ABSENT or content_length > 0):
        # RFC 9110 section 8.6 forbids both; an upstream that sends them may send that body too, and its bytes would
        # be taken for the next answer.
        return False
    return persists(minor_version, close, keep_alive)


def downstream_framing(framing: int, minor_version: int) -> int:
    """How a response read with `framing` is sent to a client speaking HTTP/1.`minor_version`.

    A close-delimited body is sent chunked, so that the connection survives and a cut-off body does not look complete.
    A client of HTTP/1.0 cannot read chunks (RFC 9112 section 7.1.2) and gets the close instead.
    """
    if framing in (CHUNKED, UNTIL_CLOSE):
        return CHUNKED if minor_version >= 1 else UNTIL_CLOSE
    return framing
