"""The loads: what each one sends, the wrk command that sends it, and how wrk's verdict is read.

wrk reports through its own `done` hook as one line of JSON: the figures it computes itself, without the rounding and
the units of its printed summary. No other hook is defined, so it builds the request once and runs no Lua per request.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

REQUEST_HEADERS = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Language", "en-GB,en;q=0.8,de;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "https://app.example.com/accounts/48151623/overview"),
    ("Authorization", "Bearer 6f1d0c5e9b7a4d3c8e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b"),
    ("Cookie", "session=9c2f7e4b1a6d4f0e8b3c5a7d9e1f2b4c; theme=dark; consent=1"),
    ("Cache-Control", "no-cache"),
    ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
)
"""With Host, which every client adds, ten headers: what a browser application sends to its API."""

PACED_RATE = 2000
"""Requests per second of the `latency` load: a tenth of what the slower peers can carry, so that nobody queues."""

MEMORY = "memory"
LATENCY = "latency"
IDLE_CONNECTIONS = 2000


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of traffic. `paced` loads send at PACED_RATE by the clock; the others as fast as answers come back."""

    name: str
    says: str
    path: str = "/small"
    connections: int = 64
    body_bytes: int = 0
    closes: bool = False
    paced: bool = False


LOADS = (
    Load("small", "150-byte JSON answer, 64 connections"),
    Load("one", "the same over a single connection", connections=1),
    Load("c512", "the same over 512 connections", connections=512),
    Load("post16k", "POST of 16 KiB, 64 connections", path="/post", body_bytes=16 * 1024),
    Load("get64k", "64 KiB answer, 64 connections", path="/64k"),
    Load("get1m", "1 MiB answer, 16 connections", path="/1m", connections=16),
    Load("chunked", "16 KiB chunked answer, 64 connections", path="/chunked"),
    Load("connect", "a new connection for each request, 64 at a time", closes=True),
    Load(LATENCY, f"fixed {PACED_RATE} requests/s over 64 connections, measured from the due time", paced=True),
)

NAMES = (*(load.name for load in LOADS), MEMORY)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a load generator counted. `errors` are answers other than 2xx/3xx plus every socket error and timeout."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float


DONE = """done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nVERDICT {"requests": %d, "microseconds": %d, "p50": %.1f, "p99": %.1f, ',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99)))
  io.write(string.format(
    '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\\n',
    e.connect, e.read, e.write, e.status, e.timeout))
end"""
"""wrk's hook that prints the verdict."""


class OutputError(Exception):
    """A load generator printed something else than its verdict."""


def wrk_script(load: Load) -> str:
    """The Lua file for `load`: the request's method and body, and the hook that prints the verdict."""
    lines = []
    if load.body_bytes:
        lines += ['wrk.method = "POST"', f'wrk.body = string.rep("x", {load.body_bytes})']
        lines.append('wrk.headers["Content-Type"] = "application/octet-stream"')
    return "\n".join([*lines, DONE]) + "\n"


def wrk_command(wrk: str, load: Load, port: int, seconds: int, script: str, scheme: str = "http") -> list[str]:
    """One thread, keep-alive unless the load closes. wrk takes whole seconds."""
    command = [wrk, "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script]
    for name, value in REQUEST_HEADERS:
        command += ["-H", f"{name}: {value}"]
    if load.closes:
        command += ["-H", "Connection: close"]
    return [*command, f"{scheme}://127.0.0.1:{port}{load.path}"]


def read_wrk(output: str) -> Verdict:
    """The verdict in what wrk printed. Raises OutputError when there is none."""
    values = _verdict_line(output)
    return Verdict(
        requests=int(values["requests"]),
        seconds=values["microseconds"] / 1e6,
        errors=int(sum(values[kind] for kind in ("connect", "read", "write", "status", "timeout"))),
        p50_ms=values["p50"] / 1e3,
        p99_ms=values["p99"] / 1e3,
    )


def read_paced(output: str) -> Verdict:
    """The verdict of `python -m benchmarks.paced`. Raises OutputError when there is none."""
    values = _verdict_line(output)
    return Verdict(
        requests=int(values["requests"]),
        seconds=values["seconds"],
        errors=int(values["errors"]),
        p50_ms=values["p50_ms"],
        p99_ms=values["p99_ms"],
    )


def request_bytes(path: str, *, headers: Sequence[tuple[str, str]] = REQUEST_HEADERS) -> bytes:
    """The GET that wrk sends, for the generators of our own."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _verdict_line(output: str) -> dict[str, float]:
    for line in output.splitlines():
        if line.startswith("VERDICT "):
            values = json.loads(line.removeprefix("VERDICT "))
            if isinstance(values, dict):
                return {str(name): float(value) for name, value in values.items()}
    raise OutputError(f"no verdict in: {output[-500:]!r}")
