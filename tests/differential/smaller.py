"""The least that still shows a finding: the half left out, then less, down to single bytes, as long as it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def smaller(data: bytes, shows: Callable[[bytes], Awaitable[object]], most: int = 300) -> bytes:
    """`data` without what can be left out; `shows` is asked at most `most` times."""
    size, left = len(data) // 2, most
    while size and left > 0:
        at = 0
        while at < len(data) and left > 0:
            shorter = data[:at] + data[at + size :]
            left -= 1
            if shorter and await shows(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
