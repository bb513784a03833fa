"""A small overload result with known figures, for the tests of its tables, JSON and plot."""

from benchmarks.overload_load import Verdict
from benchmarks.overload_result import Point, Result, Slowdown


def verdict(good: int, *, offered: int, refused: int = 0, series: list[int] | None = None) -> Verdict:
    """What callers saw: who was neither answered nor refused has hung up."""
    return Verdict(
        offered=offered,
        good=good,
        refused=refused,
        lost=offered - good - refused,
        p50=0.02,
        p99=1.0 if good + refused < offered else 0.06,
        refused_p50=0.001 if refused else float("nan"),
        refused_p99=0.005 if refused else float("nan"),
        lag_p99=0.002,
        series=series or [good],
    )


def fixed_result() -> Result:
    """A capacity of 100/s, two loads of one second, and a slowdown of 3 seconds within 12."""
    slow = Slowdown(load=0.9, seconds=12.0, begins=3.0, ends=6.0, factor=3.0)
    result = Result(
        date="2026-01-02T03:04:05+0000",
        commit="0123456789ab",
        machine={"processor": "x86_64, Test", "cpus": "2"},
        versions={"nginx": "1.22.1"},
        settings={"command": "python -m benchmarks.overload", "backend": "10 places"},
        capacity=100.0,
        seconds=1.0,
        slowdown=slow,
    )
    for load, collapsed, adaptive, told in ((0.5, 50, 50, 50), (1.0, 95, 94, 96), (2.0, 5, 92, 98)):
        offered = round(100 * load)
        result.ramp += [
            Point("nginx", load, verdict(collapsed, offered=offered), 100, 0.5),
            Point("sidecar adaptive", load, verdict(adaptive, offered=offered, refused=offered - adaptive), 100, 0.5),
            Point("sidecar told", load, verdict(told, offered=offered, refused=offered - told), 100, 0.5),
        ]
    back = [90, 90, 90, 30, 30, 30, 40, 88, 90, 85, 90, 90]
    never = [90, 90, 90, 30, 0, 0, 0, 0, 0, 0, 0, 0]
    for row, series in (("nginx", never), ("sidecar adaptive", back)):
        result.steps.append(Point(row, 0.9, verdict(sum(series), offered=1080, series=series), 1000, 0.6))
    return result
