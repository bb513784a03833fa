"""The rules of the soak: everything on, and three versions that follow each other while it runs.

The second has other limits than the first, and fixed ones; the third cannot be used at all. `/probe` goes to a backend
of its own, that nobody restarts: what the steady client sees there is the proxy's doing.
"""

from dataclasses import dataclass
from pathlib import Path

HEADERS_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens."""

    plain: int
    secure: int
    admin: int
    backend: int
    steady: int


def rules(ports: Ports, certificate: Path, key: Path, *, other: bool = False) -> str:
    """A version that can be used; `other` has other limits."""
    rate, places = ("8/s", "150") if other else ("5/s", "adaptive")
    timeouts = f"{{headers: {HEADERS_SECONDS}s, body: {HEADERS_SECONDS}s, idle: 30s}}"
    return f"""version: 1
listeners:
  - {{name: plain, address: "127.0.0.1:{ports.plain}", timeouts: {timeouts}}}
  - name: secure
    address: 127.0.0.1:{ports.secure}
    timeouts: {timeouts}
    tls: {{certificate: {certificate}, private_key: {key}}}
admin: {{address: "127.0.0.1:{ports.admin}"}}
log: {{level: info, format: json, access: errors}}
tracing: {{headers: true, sample: 1}}
drain: {{announce: 0s, deadline: 5s}}
overload: {{max_memory: 1GiB}}
upstreams:
  app:
    endpoints: [http://127.0.0.1:{ports.backend}]
    connect_timeout: 1s
    pool: {{max_connections: 256, idle_timeout: 5s, max_lifetime: 20s}}
    health_check: {{path: /healthz, interval: 1s, timeout: 1s, healthy_after: 1, unhealthy_after: 2}}
    ejection: {{consecutive_failures: 10, base: 1s, max: 5s}}
    hold: {{timeout: 5s, max_requests: 500, release: 200/s}}
    circuit_breaker: {{failure_ratio: 0.5, min_requests: 50, window: 5s, open_for: 1s, max_open_for: 2s}}
  steady:
    endpoints: [http://127.0.0.1:{ports.steady}]
    pool: {{idle_timeout: 5s}}
defaults:
  timeout: {{request: 20s, attempt: 10s, idle: 20s, total: 60s}}
  retry:
    max_attempts: 3
    on: [connect_failure, reset, attempt_timeout, 502, 503, 504]
    backoff: {{base: 25ms, max: 500ms}}
    budget: {{ratio: 0.2, min_per_second: 10}}
routes:
  - {{name: probe, match: {{path: /probe}}, upstream: steady, rewrite: {{strip_prefix: /probe}}}}
  - name: limited
    match: {{path: /limited}}
    upstream: app
    rate_limits: [{{name: per-caller, rate: {rate}, burst: 10, key: "header:x-caller", max_keys: 2000}}]
  - name: flaky
    match: {{path: /flaky}}
    upstream: app
    circuit_breaker: {{failure_ratio: 0.5, min_requests: 5, window: 2s, open_for: 500ms}}
    fallback: {{on: [circuit_open, retries_exhausted, 503], status: 200, body: degraded}}
  - name: cached
    match: {{path: /cached}}
    upstream: app
    fallback:
      on: [circuit_open, no_endpoint, timeout, retries_exhausted, 502, 503, 504]
      stale: {{max_age: 10m, max_bytes: 2MiB}}
  - {{name: streams, match: {{path: /events}}, upstream: app}}
  - {{name: sockets, match: {{path: /ws}}, upstream: app}}
  - name: everything
    upstream: app
    concurrency: {{max: {places}, max_queue: 200, max_wait: 2s}}
    request_headers: {{set: {{x-soak: "1"}}, remove: [x-debug]}}
    response_headers: {{preset: secure}}
"""


def unusable(text: str) -> str:
    """A version with two mistakes in it."""
    return text.replace("max_queue:", "max_queu:").replace("connect_timeout: 1s", "connect_timeout: soon")
