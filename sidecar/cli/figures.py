"""Figures as people read them in a terminal: few digits, a unit that fits, `-` for what nobody knows."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

UNKNOWN = "-"
_MIB = 1 << 20
_BARS = "▁▂▃▄▅▆▇█"


def age(seconds: float) -> str:
    """How long something lasts so far, in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def left(seconds: float | None) -> str:
    """What is left of a time, never shown as over before it is: `12s`, `2m5s`."""
    if seconds is None:
        return UNKNOWN
    whole = math.ceil(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{whole}s" if not minutes else f"{minutes}m{rest}s" if rest else f"{minutes}m"


def span(seconds: float | None) -> str:
    """A latency: `0.8ms`, `12ms`, `1.2s`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f}ms"
    return f"{seconds * 1000:.0f}ms" if seconds < 0.9995 else f"{seconds:.1f}s"


def rate(per_second: float | None) -> str:
    """Things a second: `0`, `0.4`, `120`, `12.3k`."""
    if per_second is None:
        return UNKNOWN
    if not per_second:
        return "0"
    if per_second < 9.95:
        return f"{per_second:.1f}" if per_second >= 0.05 else "<0.1"
    return f"{per_second:.0f}" if per_second < 9999.5 else f"{per_second / 1000:.1f}k"


def ratio(part: float, whole: float) -> str:
    """A share in percent; what is not nothing is never shown as nothing."""
    if not part or not whole:
        return "0%"
    percent = 100 * part / whole
    return "<0.1%" if percent < 0.1 else f"{percent:.1f}%" if percent < 99.95 else "100%"


def mebibytes(size: float) -> str:
    """Memory."""
    return f"{size / _MIB:.0f}MiB"


def instant(unix: float) -> str:
    """A time of the day as the log writes it, in UTC."""
    return time.strftime("%H:%M:%SZ", time.gmtime(unix))


def bars(values: Sequence[float | None]) -> str:
    """A line of bars, each as high as its value is to the largest."""
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        " " if value is None else _BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] for value in values
    )
