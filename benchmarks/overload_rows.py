"""Who is measured under overload, and how each of them is set up for it.

Three kinds. *As it comes*: no limit is written, so what a proxy does of its own accord. *Adaptive*: it is told that
there is a limit, and finds it. *Told the capacity*: it is given the number of places that the backend really has, and
a short line in front of them, each in the way its manual shows; nobody knows that number of a backend of their own,
and it is another one tomorrow.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import backend, configs, machine, proxies
from benchmarks.processes import free_port
from benchmarks.proxies import DIRECT, MAX_CONNECTIONS, Proxy, Site

PLACES = 10
MEAN_SECONDS = 0.020
SIGMA = 0.5
CAPACITY = PLACES / MEAN_SECONDS
"""Requests per second that the backend does when nothing is wasted."""

PLAIN, ADAPTIVE, TOLD = "as it comes", "adaptive", "told the capacity"

_LINE = 5 * PLACES
_WAIT_MS = 100
"""The line of the rows that are told: as long as a tenth of a second of work, and nobody waits longer. Each has the one
bound or the other, or both, as it can: HAProxy and Caddy bound the wait, Envoy the length."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the plot. `proxy` is None for the backend itself."""

    name: str
    kind: str
    proxy: Proxy | None


def _replaced(text: str, before: str, after: str) -> str:
    """`text` with one place changed. Raises ValueError where it is not there once: the row would be another one."""
    if text.count(before) != 1:
        raise ValueError(f"{before!r} stands {text.count(before)} times in the configuration")
    return text.replace(before, after)


def sidecar(site: Site, concurrency: str = "") -> str:
    """What `sidecar run --upstream` alone gives, and the route's limit."""
    limit = f"\n    concurrency: {concurrency}" if concurrency else ""
    return f"""{configs.sidecar_prologue(site.port, free_port(), MAX_CONNECTIONS)}
upstreams: {{app: {{endpoints: [http://127.0.0.1:{site.backend}]}}}}
routes:
  - name: all
    upstream: app{limit}
"""


def nginx(site: Site, *, told: bool = False) -> str:
    """nginx has a limit and no line: whoever it lets through beyond the places waits in the backend's."""
    text = configs.nginx(site.directory, site.port, site.backend, 2 * MAX_CONNECTIONS)
    if told:
        zone = "limit_conn_status 503;\n    limit_conn_zone $server_port zone=at_once:1m;"
        text = _replaced(
            text, "keepalive_timeout 60s;\n    upstream", f"keepalive_timeout 60s;\n    {zone}\n    upstream"
        )
        text = _replaced(text, "location / {", f"location / {{ limit_conn at_once {2 * PLACES};")
    return text


def haproxy(site: Site, *, told: bool = False) -> str:
    """HAProxy's manual asks for `abortonclose` wherever there is a line: else it works for callers that have gone."""
    text = configs.haproxy(site.port, site.backend, MAX_CONNECTIONS)
    if told:
        text = _replaced(text, "pool-purge-delay 60s", f"pool-purge-delay 60s maxconn {PLACES}")
        text = _replaced(
            text, "    retries 0", f"    retries 0\n    option abortonclose\n    timeout queue {_WAIT_MS}ms"
        )
    return text


def caddy(site: Site, *, told: bool = False) -> str:
    """Caddy counts requests under way for each endpoint and asks again every 10 ms whether there is room."""
    text = configs.caddy(site.port, site.backend)
    if told:
        line = f"lb_try_duration {_WAIT_MS}ms\n        lb_try_interval 10ms"
        # Without `max_fails` an endpoint that never failed passes for one that has failed too often (2.6.2).
        limit = f"max_fails 1\n        unhealthy_request_count {PLACES}\n        {line}"
        text = _replaced(text, "flush_interval -1", f"flush_interval -1\n        {limit}")
    return text


def envoy(site: Site, kind: str = PLAIN) -> str:
    """Envoy as it comes has circuit breakers of 1024. Told: as many connections as places, and a line of requests
    pending for one. Adaptive: its filter with the settings that its manual shows."""
    document: dict[str, Any] = json.loads(configs.envoy(site.port, site.backend))
    resources = document["static_resources"]
    (cluster,) = resources["clusters"]
    del cluster["circuit_breakers"]
    if kind == TOLD:
        limits = {"max_connections": PLACES, "max_pending_requests": _LINE}
        cluster["circuit_breakers"] = {"thresholds": [limits]}
    elif kind == ADAPTIVE:
        manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"].insert(0, _ENVOY_ADAPTIVE)
    return json.dumps(document, indent=1)


_ENVOY_ADAPTIVE = {
    "name": "envoy.filters.http.adaptive_concurrency",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
        "gradient_controller_config": {
            "sample_aggregate_percentile": {"value": 90},
            "concurrency_limit_params": {"concurrency_update_interval": "0.1s"},
            "min_rtt_calc_params": {"jitter": {"value": 10}, "interval": "60s", "request_count": 50},
        },
    },
}


def _written(site: Site, name: str, text: str) -> str:
    path = site.directory / name
    path.write_text(text)
    return str(path)


def _sidecar(concurrency: str = "") -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        return [program, "-m", "sidecar", "run", "-c", _written(site, "sidecar.yaml", sidecar(site, concurrency))]

    return command


def _nginx(*, told: bool) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        path = _written(site, "nginx.conf", nginx(site, told=told))
        return backend.command(program, site.directory, Path(path))

    return command


def _haproxy(*, told: bool) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        return [program, "-db", "-f", _written(site, "haproxy.cfg", haproxy(site, told=told))]

    return command


def _caddy(*, told: bool) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        return [
            program,
            "run",
            "--adapter",
            "caddyfile",
            "--config",
            _written(site, "Caddyfile", caddy(site, told=told)),
        ]

    return command


def _envoy(kind: str) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return [program, "-c", _written(site, "envoy.json", envoy(site, kind)), *options]

    return command


_TOLD_SIDECAR = f"{{max: {PLACES}, max_queue: {_LINE}, max_wait: {_WAIT_MS}ms}}"


def _rows() -> Sequence[Row]:
    def row(name: str, kind: str, command: Callable[[str, Site], list[str]]) -> Row:
        model = next(proxy for proxy in proxies.PROXIES if proxy.name == name.partition(" ")[0])
        return Row(name, kind, Proxy(name, model.program, model.version, command, model.environment))

    return (
        Row(DIRECT, PLAIN, None),
        row("nginx", PLAIN, _nginx(told=False)),
        row("haproxy", PLAIN, _haproxy(told=False)),
        row("caddy", PLAIN, _caddy(told=False)),
        row("envoy", PLAIN, _envoy(PLAIN)),
        row("sidecar", PLAIN, _sidecar()),
        row("envoy adaptive", ADAPTIVE, _envoy(ADAPTIVE)),
        row("sidecar adaptive", ADAPTIVE, _sidecar("{max: adaptive}")),
        row("nginx told", TOLD, _nginx(told=True)),
        row("haproxy told", TOLD, _haproxy(told=True)),
        row("caddy told", TOLD, _caddy(told=True)),
        row("envoy told", TOLD, _envoy(TOLD)),
        row("sidecar told", TOLD, _sidecar(_TOLD_SIDECAR)),
    )


ROWS = _rows()
NAMES = tuple([row.name for row in ROWS])


def versions(rows: Sequence[Row]) -> dict[str, str]:
    """What each program of `rows` calls its version."""
    found = {}
    for row in rows:
        program = row.proxy.program() if row.proxy is not None else None
        if row.proxy is not None and program is not None:
            found[row.name.partition(" ")[0]] = row.proxy.version(program)
    return {**found, "python": machine.describe()["python"]}
