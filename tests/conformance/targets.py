"""The proxies under test, each configured as its own manual shows for a reverse proxy, with nothing held back.

One listener and one upstream per lane, so that what one case leaves in a pool meets no other case. HTTP/1.1 and
keep-alive towards the backend, nothing buffered, WebSocket upgrades, X-Forwarded-For and Via. All else, hardening
included, is as each vendor ships it; only what counts failures of the backend is off, since the cases are failures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import backend, machine, proxies
from benchmarks.processes import Program, free_port
from benchmarks.proxies import find, find_envoy, find_sidecar, nginx_version, sidecar_version

Lane = tuple[int, int]
"""Ports of a listener and of the backend behind it."""

_TYPE = "type.googleapis.com/envoy.extensions."


class NotInstalledError(Exception):
    """The proxy is not on this machine."""


@dataclass(frozen=True)
class Target:
    """A proxy: its program, its version, and how it is started on these lanes."""

    name: str
    program: Callable[[], str | None]
    version: Callable[[str], str]
    text: Callable[[Path, Sequence[Lane]], str]
    command: Callable[[str, Path, Path], list[str]]

    def found(self) -> str:
        """Path of its program. Raises NotInstalledError."""
        program = self.program()
        if program is None:
            raise NotInstalledError(f"{self.name} is not installed")
        return program

    def told(self) -> str:
        """What it says of its version."""
        return self.version(self.found())

    def start(self, directory: Path, lanes: Sequence[Lane]) -> Program:
        """Starts it; a context manager that ends it. Raises NotInstalledError."""
        program = self.found()
        path = directory / f"{self.name}.conf"
        path.write_text(self.text(directory, lanes))
        state = {"XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
        return Program(self.name, self.command(program, directory, path), directory, environment=state)


def nginx(directory: Path, lanes: Sequence[Lane]) -> str:
    """nginx."""
    maps = """
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    map $http_via $via { default "$http_via, $server_protocol nginx"; '' "$server_protocol nginx"; }
    map $host $name { default $host; '' "a"; }
    access_log off;"""
    servers = "".join(
        f"""
    upstream app{port} {{ server 127.0.0.1:{behind} max_fails=0; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://app{port};
            proxy_http_version 1.1;
            proxy_set_header Host $name;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Via $via;
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}"""
        for port, behind in lanes
    )
    return f"{backend.nginx_prologue(directory, 1024)}{maps}{servers}\n}}\n"


def haproxy(_: Path, lanes: Sequence[Lane]) -> str:
    """HAProxy."""
    pairs = "".join(
        f"""
frontend public{port}
    bind 127.0.0.1:{port}
    http-request add-header Via "%[req.ver] haproxy"
    default_backend app{port}
backend app{port}
    server one 127.0.0.1:{behind}
"""
        for port, behind in lanes
    )
    return f"""global
    maxconn 1000
defaults
    mode http
    option forwardfor
    http-reuse safe
    timeout connect 1s
    timeout server 15s
    timeout client 15s
    timeout http-request 15s
{pairs}"""


def caddy(_: Path, lanes: Sequence[Lane]) -> str:
    """Caddy."""
    sites = "".join(
        f"""
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{behind} {{
        flush_interval -1
        header_up +Via "{{http.request.proto}} caddy"
    }}
}}
"""
        for port, behind in lanes
    )
    return "{\n    admin off\n    auto_https off\n    log {\n        level ERROR\n    }\n}\n" + sites


def envoy(_: Path, lanes: Sequence[Lane]) -> str:
    """Envoy, as JSON."""
    document = {
        "static_resources": {
            "listeners": [_envoy_listener(port) for port, _ in lanes],
            "clusters": [_envoy_cluster(port, behind) for port, behind in lanes],
        }
    }
    return json.dumps(document)


def _envoy_address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_listener(port: int) -> dict[str, object]:
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": f"app{port}"}}]
    router = {"name": "router", "typed_config": {"@type": f"{_TYPE}filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{_TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "use_remote_address": True,
        "via": "1.1 envoy",
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "a"},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": f"public{port}", "address": _envoy_address(port), "filter_chains": [chain]}


def _envoy_cluster(port: int, behind: int) -> dict[str, object]:
    options = {
        "@type": f"{_TYPE}upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
    }
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _envoy_address(behind)}}]}]
    return {
        "name": f"app{port}",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": f"app{port}", "endpoints": endpoints},
    }


def sidecar(_: Path, lanes: Sequence[Lane]) -> str:
    """Sidecar."""
    listeners = "".join(f"  - {{name: public{port}, address: '127.0.0.1:{port}'}}\n" for port, _ in lanes)
    upstreams = "".join(
        f"  app{port}: {{endpoints: ['http://127.0.0.1:{behind}'], circuit_breaker: null}}\n" for port, behind in lanes
    )
    routes = "".join(
        f"  - {{name: all{port}, match: {{path: /, listener: public{port}}}, upstream: app{port}}}\n"
        for port, _ in lanes
    )
    return f"""version: 1
listeners:
{listeners}admin: {{address: '127.0.0.1:{free_port()}'}}
log: {{level: error, access: off}}
drain: {{announce: 0s, deadline: 1s}}
upstreams:
{upstreams}routes:
{routes}"""


TARGETS = {
    target.name: target
    for target in (
        Target(
            "sidecar",
            find_sidecar,
            sidecar_version,
            sidecar,
            lambda program, _, path: [program, "-m", "sidecar", "run", "-c", str(path)],
        ),
        Target("nginx", lambda: find("nginx"), nginx_version, nginx, backend.command),
        Target(
            "haproxy",
            lambda: find("haproxy"),
            proxies.haproxy_version,
            haproxy,
            lambda program, _, path: [program, "-db", "-f", str(path)],
        ),
        Target(
            "envoy",
            find_envoy,
            proxies.envoy_version,
            envoy,
            lambda program, _, path: [
                program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error",
            ],
        ),
        Target(
            "caddy",
            lambda: find("caddy"),
            lambda program: machine.first_line([program, "version"]).partition(" ")[0],
            caddy,
            lambda program, _, path: [program, "run", "--adapter", "caddyfile", "--config", str(path)],
        ),
    )
}  # fmt: skip
"""By name; ours first."""
