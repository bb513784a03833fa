"""Which endpoints are available: active checks, passive ejection, a slow start, and what to do when none is.

Here is what a rule may say about it. The machines: health_check.py, ejection.py, slow_start.py, hold.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sidecar.policies.units import Count, Mode, Off, OneOrMany, PerSecond, Ratio, Seconds, StatusRange, Text, demand

# Bytes that a check may say, and of an answer, how many it waits for.
MAX_WORDS = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckSpec:
    """Ask each endpoint, every so often, whether it is well."""

    path: Annotated[str | None, "GET this path; or set tcp"] = None
    tcp: Annotated[bool, "only connect, or say `send` and hear `expect`"] = False
    send: Annotated[Text | None, "with tcp: sent when connected, its characters as bytes (ISO 8859-1)"] = None
    expect: Annotated[Text | None, "with tcp: how the answer has to begin"] = None
    interval: Annotated[Seconds, "between two checks, from begin to begin"] = 5.0
    timeout: Annotated[Seconds, "for one check"] = 1.0
    healthy_after: Annotated[Count, "successes in a row that make an endpoint available"] = 2
    unhealthy_after: Annotated[Count, "failures in a row that make it unavailable"] = 3
    expect_status: Annotated[tuple[StatusRange, ...], OneOrMany(), "statuses that count as well"] = ((200, 399),)
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("path", self.tcp or self.path is not None, "is missing; a check needs a `path`, or `tcp: true`"),
            ("tcp", not (self.tcp and self.path is not None), "and `path` exclude each other"),
            ("path", self.path is None or self.path.startswith("/"), "must begin with /"),
            ("path", self.path is None or _printable(self.path), "holds a space or a control character"),
            *_spoken(self.tcp, self.send, self.expect),
            ("interval", self.interval >= 0.1, "must be at least 100ms"),
            ("timeout", self.timeout > 0, "must be more than 0"),
            ("healthy_after", self.healthy_after >= 1, "must be at least 1"),
            ("unhealthy_after", self.unhealthy_after >= 1, "must be at least 1"),
            ("expect_status", bool(self.expect_status), "is empty, so no endpoint could ever be well"),
        )


def _spoken(tcp: bool, send: str | None, expect: str | None) -> list[tuple[str, bool, str]]:
    rules: list[tuple[str, bool, str]] = []
    for key, text in (("send", send), ("expect", expect)):
        if text is not None:
            rules += [
                (key, tcp, "goes with `tcp: true`"),
                (key, text != "", "is empty; drop the key"),
                (key, all(ord(mark) < 256 for mark in text), "holds a character that is no single byte; write \\xNN"),
                (key, len(text) <= MAX_WORDS, f"is longer than {MAX_WORDS >> 10} KiB"),
            ]
    rules.append(("send", send is None or expect is not None, "proves nothing without an answer to `expect`"))
    return rules


def _printable(path: str) -> bool:
    return all(33 <= ord(mark) < 127 for mark in path)


@dataclass(frozen=True, slots=True, kw_only=True)
class EjectionSpec:
    """Take an endpoint out for a while after too many failures in a row; never the last one."""

    consecutive_failures: Annotated[Count, "failures in a row that eject"] = 5
    base: Annotated[Seconds, "how long the first ejection lasts; the n-th lasts n times as long"] = 30.0
    max: Annotated[Seconds, "longest ejection"] = 300.0
    max_ejected_ratio: Annotated[Ratio, "largest share of the endpoints ejected at once"] = 0.5
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("consecutive_failures", self.consecutive_failures >= 1, "must be at least 1"),
            ("base", self.base > 0, "must be more than 0"),
            ("max", self.max >= self.base, "must be at least base"),
            ("max_ejected_ratio", self.max_ejected_ratio > 0, "is 0, so nothing could be ejected; drop `ejection`"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowStart:
    """Let a new or recovered endpoint's share grow over a while."""

    SHORT: ClassVar[str] = "duration"

    duration: Annotated[Seconds | None, Off(), "how long the share grows; 0 switches it off"] = None
    mode: Mode = "enforce"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSpec:
    """When no endpoint is available, hold requests for a while instead of refusing them at once."""

    timeout: Annotated[Seconds, "longest hold of one request"] = 10.0
    max_requests: Annotated[Count, "requests held at once"] = 1000
    release: Annotated[PerSecond | None, "held requests let go per second; absent: all within a second"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("timeout", self.timeout > 0, "must be more than 0; to hold nothing, drop `hold`"),
            ("max_requests", self.max_requests >= 1, "must be at least 1; to hold nothing, drop `hold`"),
            ("release", self.release is None or self.release > 0, "must be more than 0, or nothing would be let go"),
        )
