"""What has been found, as small as it could be made, with what it was: mended, or in a table since.

Owns the list. Every comparison begins with it, and mutation starts from it as from other seeds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Bytes of one connection, and a sentence on them."""

    said: str
    data: bytes


FINDINGS = (
    Finding(
        "A tab before a length went on as it came; nginx reads it into the number and refuses. Written anew.",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\t5\r\n\r\nhello",
    ),
    Finding(
        "A tab behind a length, likewise.",
        b"POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 5 \t\r\n\r\nhelloGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    Finding("A tab beside a host, likewise.", b"GET / HTTP/1.1\r\nhost:\t h\t\r\n\r\n"),
    Finding(
        "A later minor version was refused, which RFC 9110 section 2.5 has read as the latest that is known. Taken.",
        b"POST / HTTP/1.2\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    Finding(
        "HAProxy wants the key of a websocket. In its table.",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: webSocket\r\n\r\n",
    ),
    Finding("nginx takes one Expect. In its table.", b"GET / HTTP/1.1\r\nHost: h\r\nExpect: \r\nExpect:\r\n\r\n"),
    Finding(
        "OPTIONS without a path asks about the server, to others about `/`. In their tables.",
        b"OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    Finding(
        "HTTP/1.0 without a Host went on with an empty one, which nginx refuses. With the endpoint's.",
        b"GET / HTTP/1.0\r\n\r\n",
    ),
)
