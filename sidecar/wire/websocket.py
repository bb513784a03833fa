"""Where one WebSocket frame ends and the next begins (RFC 6455 section 5.2), and how an endpoint says that it goes.

Owns the counting of frames in one direction. Reads no payload and judges none: whoever talks past the rules is only
counted wrongly, and only at its own cost. Compiled, because a peer may send frames of two bytes: interpreted, one that
sends nothing else keeps everybody waiting (120 ms for what is read at once).
"""

from __future__ import annotations

# Close, status 1001 "going away" (RFC 6455 section 7.4.1), as a server sends it: final, not masked.
GOING_AWAY = b"\x88\x02\x03\xe9"

_CLOSE = 0x8
_MASKED = 0x80
_LONGEST_HEADER = 14
_LONGEST = (1 << 63) - 1
_SMALL, _MASK_SIZE = 2, 4


class Frames:
    """Follows one direction of a WebSocket from its first byte. `closed`: a whole Close frame has passed, so no other
    frame may follow (section 5.5.1)."""

    __slots__ = ("_closing", "_header", "_left", "closed")

    def __init__(self) -> None:
        self.closed = False
        self._header = b""  # of a frame whose header has not come whole
        self._left = 0  # bytes of payload that are still to come
        self._closing = False

    @property
    def at_boundary(self) -> bool:
        """Whether the next byte begins a frame."""
        return not (self._left or self._header)

    def follow(self, data: bytes) -> None:
        """These bytes have passed."""
        at, size = 0, len(data)
        while at < size:
            at = self._advance(data, at)

    def finish(self, data: bytes) -> int:
        """Follows only what is left of the frame under way, and tells how many bytes of `data` that is."""
        return 0 if self.at_boundary else self._advance(data, 0)

    def _advance(self, data: bytes, at: int) -> int:
        """From place `at` to the end of this frame or of `data`; the place after it."""
        size = len(data)
        if not self._left:
            header, begin, known = data, at, len(self._header)
            if known:
                header, begin = self._header + data[at : at + _LONGEST_HEADER], 0
            length = _header_size(header, begin)
            if begin + length > len(header):
                self._header = header[begin:]
                return size
            self._header = b""
            self._left = _payload_size(header, begin)
            self._closing = header[begin] & 0x0F == _CLOSE
            at += length - known
        step = min(self._left, size - at)
        self._left -= step
        if self._closing and not self._left:
            self.closed = True
        return at + step


def is_websocket(upgrade: bytes) -> bool:
    """Whether a 101 with this value of Upgrade begins a WebSocket."""
    return upgrade.strip().lower() == b"websocket"


def _header_size(data: bytes, at: int) -> int:
    """How long the header is that begins at `at`; more than there is while that cannot be told."""
    if len(data) < at + _SMALL:
        return _SMALL
    length = data[at + 1] & 0x7F
    extended = 8 if length == 127 else 2 if length == 126 else 0
    return _SMALL + extended + (_MASK_SIZE if data[at + 1] & _MASKED else 0)


def _payload_size(data: bytes, at: int) -> int:
    length = data[at + 1] & 0x7F
    at += _SMALL
    if length == 127:
        return min(int.from_bytes(data[at : at + 8], "big"), _LONGEST)  # the top bit is 0 in every length there is
    return length if length < 126 else data[at] << 8 | data[at + 1]
