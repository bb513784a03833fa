"""The chunked coding (RFC 9112 section 7.1), strictly: sizes, extensions, data and trailers.

Owns its grammar and its limits. May not know what the payload is for. Extensions are checked and dropped, as the RFC
allows a recipient that knows none of them: they end at this hop.
"""

from sidecar.wire import fieldnames
from sidecar.wire.errors import BAD_REQUEST, HEADERS_TOO_LARGE, BadMessage
from sidecar.wire.message import HeadLimits
from sidecar.wire.runs import ByteRun
from sidecar.wire.trailers import forwardable_trailers

# A chunk extension is rarely more than a signature of a hundred bytes. What an attacker gains by more: work for each
# payload byte (CVE-2023-39326), so the total is held to a floor plus what the payload itself has paid for.
MAX_EXTENSION = 256
FREE_EXTENSION_BYTES = 16384

# 2^63 - 1 in hexadecimal has 16 digits; leading zeros count, since nobody honest pads further.
_MAX_DIGITS = 16
_MAX_SIZE = (1 << 63) - 1

_HEX = ByteRun(b"0123456789abcdefABCDEF")
_VALUE = ByteRun(fieldnames.VALUE_BYTES)

_SIZE = 0
_DATA = 1
_DATA_END = 2
_TRAILER = 3
_END = 4

# The longest line that is still searched for its end: digits, an extension, CRLF.
_MAX_LINE = _MAX_DIGITS + MAX_EXTENSION + 2


class ChunkedBody:
    """Reads one chunked body; `code` is what a fault is raised with.

    `limits.max_bytes` and `limits.max_fields` hold for the trailer section.
    """

    __slots__ = (
        "_code",
        "_extension_bytes",
        "_held",
        "_left",
        "_limits",
        "_state",
        "consumed",
        "done",
        "received",
        "trailers",
    )

    def __init__(self, limits: HeadLimits, code: str = BAD_REQUEST) -> None:
        self._limits = limits
        self._code = code
        self._state = _SIZE
        self._left = 0
        self._held = b""
        self._extension_bytes = 0
        self.done = False
        self.consumed = 0
        self.received = 0
        self.trailers = b""

    def feed(self, data: bytes, start: int = 0) -> bytes:
        """The payload of every chunk in `data` from `start`, joined. Raises `BadMessage` on any fault of the coding."""
        first = b""
        pieces: list[bytes] | None = None
        i = start
        end = len(data)
        while i < end and not self.done:
            if self._state == _DATA:
                piece = data[i : i + self._left] if end - i > self._left else data[i:]
                i += len(piece)
                self._left -= len(piece)
                self.received += len(piece)
                if self._left == 0:
                    self._state = _DATA_END
                if not first:
                    first = piece
                elif pieces is None:
                    pieces = [first, piece]
                else:
                    pieces.append(piece)
            elif self._state == _SIZE:
                i = self._read_size(data, i)
            elif self._state == _DATA_END:
                i = self._read_data_end(data, i)
            else:
                i = self._read_trailers(data, i)
        self.consumed = i
        return first if pieces is None else b"".join(pieces)

    def finish_at_close(self) -> bool:
        """Whether the last chunk and the trailer section have come (RFC 9112 section 8)."""
        return self.done

    def _read_size(self, data: bytes, at: int) -> int:
        """One size line from `at`, continued from what was held; answers where its bytes end."""
        source = data
        begin = at
        if self._held:
            # The line was cut by a read: rare, and at most a few hundred bytes are copied.
            source = self._held + data[at : at + _MAX_LINE + 1]
            begin = 0
        limit = len(source)
        stop = _HEX.end(source, begin, limit)
        if stop - begin > _MAX_DIGITS or (stop == begin and begin < limit):
            raise BadMessage(self._code, "invalid chunk size")
        close = self._extension_end(source, stop, limit)
        if close - stop > MAX_EXTENSION:
            raise BadMessage(self._code, "chunk extension too long")
        if close + 1 >= limit:
            if close < limit and source[close] != 13:
                raise BadMessage(self._code, "illegal byte after a chunk size")
            self._held = source[begin:]
            return len(data)
        if source[close] != 13 or source[close + 1] != 10:
            raise BadMessage(self._code, "illegal byte after a chunk size")
        self._begin_chunk(int(source[begin:stop], 16), close - stop)
        consumed = at + (close + 2 - begin) - len(self._held)
        self._held = b""
        return consumed

    def _extension_end(self, source: bytes, at: int, limit: int) -> int:
        # RFC 9112 section 7.1.1. Only what begins with `;` (bad whitespace before it tolerated nowhere: two parsers
        # have disagreed on `5 ` before) is an extension; its insides are not read further than to be sane bytes.
        if at >= limit or source[at] != 59:
            return at
        return _VALUE.end(source, at, limit)

    def _begin_chunk(self, size: int, extension_bytes: int) -> None:
        if size > _MAX_SIZE:
            raise BadMessage(self._code, "invalid chunk size")
        self._extension_bytes += extension_bytes
        if self._extension_bytes > FREE_EXTENSION_BYTES + self.received:
            raise BadMessage(self._code, "chunk extensions outweigh the payload")
        self._left = size
        self._state = _DATA if size else _TRAILER

    def _read_data_end(self, data: bytes, at: int) -> int:
        # `_held` is the CR when a read ended between the two bytes.
        if not self._held:
            if data[at] != 13:
                raise BadMessage(self._code, "chunk longer than its size")
            at += 1
            if at == len(data):
                self._held = b"\r"
                return at
        if data[at] != 10:
            raise BadMessage(self._code, "chunk longer than its size")
        self._held = b""
        self._state = _SIZE
        return at + 1

    def _read_trailers(self, data: bytes, at: int) -> int:
        """The trailer section up to its empty line, kept until it is whole: it is short or refused."""
        held = len(self._held)
        limit = self._limits.max_bytes
        source = self._held + data[at : at + limit + 2 - held] if held else data[at : at + limit + 2]
        if source.startswith(b"\r\n"):
            end = 2
        else:
            found = source.find(b"\r\n\r\n", max(0, held - 3))
            end = found + 4 if found >= 0 else -1
        if end < 0:
            if len(source) > limit:
                raise BadMessage(self._too_large(), "trailers too large")
            self._check_line_ends(source, held)
            self._held = source
            return len(data)
        if end > 2:
            self.trailers = forwardable_trailers(source[:end], self._limits, self._code, self._too_large())
        self._held = b""
        self._state = _END
        self.done = True
        return at + end - held

    def _check_line_ends(self, source: bytes, held: int) -> None:
        # A sender that ends lines in a bare LF waits for an answer, and would never send what is waited for here.
        fresh = source[held - 1 :] if held else source
        if held and fresh[0] == 10:
            fresh = fresh[1:]  # judged when it came
        if b"\n" in fresh.replace(b"\r\n", b""):
            raise BadMessage(self._code, "bare LF in the trailers")

    def _too_large(self) -> str:
        return HEADERS_TOO_LARGE if self._code == BAD_REQUEST else self._code
