"""The bounded copy of a request's body: what came before a connection was there, and what a repeat would need.

The only place where body bytes are kept. Nothing here is ever larger than the bound plus one read.
"""

from __future__ import annotations


class BodyBuffer:
    """Keeps the pieces of a body until it is told to let go or they outgrow `limit` bytes."""

    __slots__ = ("kept", "limit", "pieces", "size")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.pieces: list[bytes] = []
        self.size = 0
        self.kept = True  # what came so far is all here

    def add(self, data: bytes) -> None:
        """One more piece; ignored once let go."""
        if self.kept:
            self.pieces.append(data)
            self.size += len(data)

    def full(self) -> bool:
        """Whether it holds more than its bound."""
        return self.size > self.limit

    def let_go(self) -> None:
        """Forgets everything: from now on the body only passes by."""
        self.kept = False
        self.pieces = []
        self.size = 0

    def take(self) -> bytes:
        """All kept pieces as one, kept still."""
        if len(self.pieces) > 1:
            self.pieces = [b"".join(self.pieces)]
        return self.pieces[0] if self.pieces else b""
