"""A small result with known figures, for the tests of tables, JSON and chart."""

from benchmarks.result import Footprint, Result, Sample


def fixed_result() -> Result:
    """Two rounds of `small` and one of `latency` through direct, nginx, envoy and sidecar."""
    rates = {
        "direct": (60_000, 64_000),
        "nginx": (50_000, 52_000),
        "envoy": (20_000, 21_000),
        "sidecar": (41_000, 41_000),
    }
    result = Result(
        date="2026-01-02 03:04 UTC",
        commit="0123456789ab",
        machine={"processor": "x86_64, Test", "cpus": "2", "kernel": "Linux 6", "python": "CPython 3.11"},
        versions={"nginx": "1.22.1", "envoy": "1.40.0"},
        settings={"rounds": "2", "seconds": "1", "placement": "proxy on CPU 0"},
    )
    for proxy, (first, second) in rates.items():
        for number, requests in enumerate((first, second)):
            used = None if proxy == "direct" else requests * 20e-6
            result.samples.append(Sample(number, "small", proxy, requests, 1.0, used, 0, 1.0, 2.5))
        result.samples.append(Sample(0, "latency", proxy, 2000, 1.0, None, 0, 0.25, 0.5))
        if proxy != "direct":
            result.footprints.append(Footprint(0, proxy, 30.0, 64 * 1024 * 1024, 2048.0, 0))
    return result
