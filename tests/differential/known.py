"""Where Sidecar and its peers part on purpose: what it takes and they refuse, and what it refuses and they take.

Owns both tables, with the reason beside each entry; the page about fuzzing shows them. What a peer behind Sidecar
refuses is in norms.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taking:
    """Something that we take and peers refuse, told by the bytes as they came."""

    title: str
    reason: str
    holds: Callable[[bytes], bool]


TAKEN = (
    Taking(
        "a target in absolute-form",
        "RFC 9112 section 3.2.2: it is accepted, and Host replaced by its authority. HAProxy refuses another Host "
        "beside it, Envoy the scheme https where it does not speak TLS",
        lambda data: re.match(rb"[\r\n]*\S+ https?://", data, re.IGNORECASE) is not None,
    ),
    Taking(
        "the same Content-Length twice",
        "RFC 9110 section 8.6 lets a proxy make it one, which Sidecar, HAProxy and Caddy do; nginx and Envoy refuse it",
        lambda data: len(re.findall(rb"\ncontent-length:", data, re.IGNORECASE)) > 1,
    ),
    Taking(
        "a tab beside a value",
        "RFC 9110 section 5.6.3; nginx knows spaces only. Forwarded with a space where it is a length or a host",
        lambda data: re.search(rb":[ ]*\t|\t[ \t]*\r\n", data) is not None,
    ),
    Taking(
        "an empty line before a request",
        "RFC 9112 section 2.2 asks for it; Caddy refuses it",
        lambda data: data.startswith(b"\r\n"),
    ),
    Taking(
        "HTTP/1.0, and minor versions after 1.1",
        "RFC 9110 section 2.5; Envoy serves 1.1 alone unless somebody says so, and no later one",
        lambda data: re.search(rb" HTTP/1\.[02-9]\r\n", data) is not None,
    ),
)

# By the detail of our refusal. None of these MUST be taken; each has been read in two ways by somebody.
REFUSED: dict[str, str] = {
    "Connection names a field it may not": "RFC 9110 section 7.6.1: nobody may name what is meant for every "
    "recipient; an option that is no token is none",
    "folded field line": "RFC 9112 section 5.2 has a proxy refuse it or replace it",
    "more than one Host": "RFC 9112 section 3.2 demands 400",
    "no Host": "RFC 9112 section 3.2 demands 400",
    "invalid Host": "RFC 9112 section 3.2 demands 400",
    "bare LF in the head": "RFC 9112 section 2.2 leaves it open; the classic of smuggling",
    "bare CR in the head": "RFC 9112 section 2.2 demands that it is not taken for an end",
    "bare CR before the request line": "as above",
    "malformed request line": "RFC 9112 section 3: one space on each side, and two empty lines before it at most",
    "unsupported HTTP version": "RFC 9112 section 2.3: the name in capitals, one digit on each side",
    "HTTP/2 is not spoken here": "RFC 9110 section 2.5: another major version",
    "malformed trailer": "RFC 9112 section 7.1.2: field lines, held to the same as those of a head",
    "trailers too large": "a limit of the rules",
    "illegal byte after a chunk size": "RFC 9112 section 7.1 has no space there; two parsers have disagreed on it",
    "invalid chunk size": "no sign, no prefix, and no more than 16 digits",
    "chunk extension too long": "CVE-2023-39326: work for no payload",
    "chunk longer than its size": "RFC 9112 section 7.1: CRLF after the data",
    "invalid Content-Length": "RFC 9110 section 8.6: digits, of a number that 63 bits hold, in no more than 19",
    "differing Content-Length fields": "RFC 9112 section 6.3 demands 400",
    "both Transfer-Encoding and Content-Length": "RFC 9112 section 6.3: ought to be handled as an error",
    "Transfer-Encoding on HTTP/1.0": "RFC 9112 section 6.1: faulty framing",
    "unknown transfer coding": "RFC 9112 section 6.1: its end cannot be found",
    "control byte in a field value": "RFC 9110 section 5.5",
    "control byte in the head": "RFC 9110 section 5.5",
    "illegal field name": "RFC 9110 section 5.1: a token",
    "whitespace before a colon": "RFC 9112 section 5.1 demands 400",
    "illegal byte in the request target": "RFC 9112 section 3.2: visible ASCII, no fragment",
    "unsupported form of request target": "RFC 9112 section 3.2: of http and https, and `*` for OPTIONS alone",
    "invalid authority in the request target": "RFC 9110 sections 4.2.1 and 4.2.4: no empty host, and no user",
    "CONNECT is not accepted": "RFC 9110 section 9.3.6: of a proxy that a client chose",
    "a TLS handshake on a plain port": "not HTTP",
    "too many fields": "a limit of the rules",
    "head too large": "a limit of the rules",
    "request target too long": "a limit of the rules",
}
