"""The least that still shows a finding: lines dropped, then bytes, as long as it does."""

from __future__ import annotations

from collections.abc import Callable


def smaller(data: bytes, shows: Callable[[bytes], bool], most: int = 2000) -> bytes:
    """`data` with everything left out that can be; `shows` is asked at most `most` times."""
    left = most
    size = max(1, len(data) // 2)
    while size and left > 0:
        at = 0
        while at < len(data) and left > 0:
            shorter = data[:at] + data[at + size :]
            left -= 1
            if shorter and shows(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
