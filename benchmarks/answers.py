"""Just enough of an HTTP/1.1 client to tell where an answer ends: for generators whose timing must be their own."""


class AnswerReader:
    """Counts the bytes of one answer after another on one connection. Answers must carry a Content-Length."""

    __slots__ = ("_buffer", "_missing", "status")

    def __init__(self) -> None:
        self._buffer = b""
        self._missing: int | None = None
        self.status = 0

    def feed(self, received: bytes) -> bool:
        """Take what arrived; True when the answer is complete. Raises ValueError on anything unexpected."""
        if self._missing is None:
            self._buffer += received
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            head, received = self._buffer[:end], self._buffer[end + 4 :]
            self._buffer = b""
            self._missing = self._read_head(head)
        self._missing -= len(received)
        if self._missing < 0:
            raise ValueError("more bytes than the answer announced")
        if self._missing:
            return False
        self._missing = None
        return True

    def _read_head(self, head: bytes) -> int:
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ", 2)[1])
        for line in lines:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                return int(value)
        raise ValueError("an answer without Content-Length")
