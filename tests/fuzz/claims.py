"""What must hold of every message that leaves, whatever came in: shared by the targets, each claim an assertion.

Written against the RFCs and plain bytes, with neither the product's parser nor its lists, so that one mistake does not
excuse the other.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from sidecar.wire.errors import CODES, BadMessage

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x22\x24-\x7e]+ HTTP/1\.1")
STATUS_LINE = re.compile(rb"HTTP/1\.1 [1-5][0-9][0-9] [\t\x20-\x7e\x80-\xff]*")
# RFC 9110 sections 7.6.1 and 11.7, RFC 7540 section 3.2.1: of one connection, or said to the next hop alone.
OF_ONE_HOP = frozenset(
    b"connection keep-alive proxy-connection te transfer-encoding upgrade http2-settings proxy-authenticate "
    b"proxy-authorization proxy-authentication-info".split()
)
# Who asks, since when and in which trace: what a stranger said of it never goes on as it came.
SAID_ANEW = frozenset(
    b"forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-client-cert via x-request-id "
    b"x-request-timeout-ms x-sidecar-attempt traceparent tracestate b3 x-b3-traceid x-b3-spanid x-b3-parentspanid "
    b"x-b3-sampled x-b3-flags".split()
)
# What a hop may write anew, always by its own decision.
OWN = {b"connection", b"upgrade", b"te", b"transfer-encoding"}

Lines = list[tuple[bytes, bytes]]


def refused(error: BadMessage, codes: AbstractSet[str] = CODES) -> tuple[str, str, str]:
    """What a refusal came to, after a look at the refusal itself: it says whose fault it is."""
    assert type(error) is BadMessage, "a refusal is of one class"
    assert error.code in codes, "a code from the closed set"
    assert error.detail.isascii(), "no byte of the peer in what is logged"
    assert error.detail.isprintable(), "no byte of the peer in what is logged"
    return ("refused", error.code, error.detail)


def lines_of(block: bytes) -> Lines:
    """The lines of a block as name and trimmed value, after a look at each: nothing may end one early."""
    if not block:
        return []
    assert block.endswith(b"\r\n"), "a block ends with its last line"
    found = []
    for line in block[:-2].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        assert colon, "a line has a name"
        assert TOKEN.fullmatch(name), "a name is a token"
        assert VALUE.fullmatch(value), "a value holds no control byte"
        found.append((name.lower(), value.strip(b" \t")))
    return found


def values_of(lines: Lines, name: bytes) -> list[bytes]:
    """The values of the lines of one name."""
    return [value for known, value in lines if known == name]


def forwardable(lines: Lines) -> None:
    """No line in a block that belonged to the connection it came on."""
    for name, _ in lines:
        assert name not in OF_ONE_HOP, "hop-by-hop fields end here"


def framed(lines: Lines) -> tuple[int, bool]:
    """How a head that is sent frames its body: the length or -1, and whether chunked; only in one way at once."""
    lengths, codings = values_of(lines, b"content-length"), values_of(lines, b"transfer-encoding")
    assert len(lengths) <= 1, "one Content-Length"
    assert codings in ([], [b"chunked"]), "one coding, which is ours"
    assert not (lengths and codings), "never both"
    for length in lengths:
        assert length.isdigit(), "digits alone"
        assert length == b"0" or not length.startswith(b"0"), "no octal look"
    return int(lengths[0]) if lengths else -1, bool(codings)


def sent_head(data: bytes, start: re.Pattern[bytes]) -> tuple[bytes, Lines]:
    """Start line and lines of a head that is sent, after a look at both; nothing follows it."""
    first, _, rest = data.partition(b"\r\n")
    assert start.fullmatch(first), "a start line with two spaces and no control byte"
    assert rest.endswith(b"\r\n"), "an empty line at the end"
    assert not rest.startswith(b"\r\n") or rest == b"\r\n", "one empty line"
    lines = lines_of(rest[:-2])
    named = {item.strip().lower() for value in values_of(lines, b"connection") for item in value.split(b",")}
    for name, _ in lines:
        assert name not in OF_ONE_HOP or name in OWN, "hop-by-hop fields end here"
        if name in (b"te", b"upgrade"):
            assert name in named, "what this hop adds is named in Connection"
    assert named <= {b"te", b"upgrade", b"close", b"keep-alive"}, "Connection is this hop's own"
    return first, lines


def sent_request(data: bytes) -> Lines:
    """The lines of a request that goes upstream."""
    first, lines = sent_head(data, REQUEST_LINE)
    assert not first.startswith(b"CONNECT "), "no tunnel"
    assert len(values_of(lines, b"host")) == 1, "exactly one Host"
    assert not values_of(lines, b"keep-alive"), "an old option"
    framed(lines)
    return lines


def sent_response(data: bytes) -> Lines:
    """The lines of an answer that goes to the client."""
    _, lines = sent_head(data, STATUS_LINE)
    framed(lines)
    return lines
