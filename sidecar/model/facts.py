"""What the left tower may ask of a request: structural, satisfied by the heads that the wire reads.

Keeps decisions free of bytes and sockets: a rule sees these facts and nothing else of a request.
"""

from __future__ import annotations

from typing import Protocol


class RequestFacts(Protocol):
    """A request as routing, keys and retries see it; everything in the bytes that arrived."""

    method: bytes
    path: bytes  # as received, without the query
    authority: bytes  # host and perhaps port; empty when the request named none

    def header(self, name: bytes) -> bytes | None:
        """The value of a field by its lower-case name, several lines joined with `, `; None when absent."""
