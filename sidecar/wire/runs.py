"""How far a run of allowed bytes reaches: the innermost loop of every parser here, written for both ways of running.

Owns that loop. May not know what the bytes mean.
"""

import re

# Compiled, the module is a shared object. A loop per byte then takes a nanosecond; interpreted it takes fifty, and a
# regular expression, which stops at the same index, takes its place.
COMPILED = not __file__.endswith(".py")
_COMPILED = COMPILED


class ByteRun:
    """A set of bytes, made once at import; `end` finds the first byte outside it."""

    __slots__ = ("_pattern", "_table")

    def __init__(self, allowed: bytes) -> None:
        self._table = bytes(1 if byte in allowed else 0 for byte in range(256))
        self._pattern = re.compile(b"[^" + re.escape(allowed) + b"]")

    def end(self, data: bytes, start: int, limit: int) -> int:
        """The index of the first byte of `data` from `start` that is not in the set; `limit` when all before it are."""
        if not _COMPILED:
            found = self._pattern.search(data, start, limit)
            return found.start() if found is not None else max(start, limit)
        p = data
        table = self._table
        i = start
        # Four at a time with one branch: a twentieth off a whole head, most of whose bytes are field values.
        while i + 4 <= limit and table[p[i]] & table[p[i + 1]] & table[p[i + 2]] & table[p[i + 3]]:
            i += 4
        while i < limit and table[p[i]]:
            i += 1
        return i
