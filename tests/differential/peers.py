"""The other proxies, each in front of one backend and as strict as it is when nobody has told it otherwise.

Owns their configurations. Two settings are not nginx's own: it is told to pass fields whose names it would leave out
without a word, so that what it makes of them is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import configs
from benchmarks.backend import nginx_prologue
from benchmarks.processes import Program, free_port
from benchmarks.proxies import find, find_envoy

Start = Callable[[str, Path, int, int], list[str]]


@dataclass(frozen=True, slots=True)
class PeerProxy:
    """A proxy: its program, and the command that runs it on a port in front of another."""

    name: str
    program: Callable[[], str | None]
    command: Start


def _nginx(program: str, folder: Path, port: int, backend: int) -> list[str]:
    text = f"""{nginx_prologue(folder, 512)}
    underscores_in_headers on;
    ignore_invalid_headers off;
    client_max_body_size 0;
    large_client_header_buffers 4 32k;
    upstream app {{ server 127.0.0.1:{backend} max_fails=0; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_next_upstream off;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
        }}
    }}
}}
"""
    path = folder / "nginx.conf"
    path.write_text(text)
    return [program, "-p", str(folder), "-c", str(path)]


def _haproxy(program: str, folder: Path, port: int, backend: int) -> list[str]:
    text = f"""global
    nbthread 1
    maxconn 512
defaults
    mode http
    option http-keep-alive
    http-reuse always
    retries 0
    timeout connect 2s
    timeout server 10s
    timeout client 10s
    timeout http-request 10s
frontend public
    bind 127.0.0.1:{port}
    default_backend app
backend app
    server one 127.0.0.1:{backend}
"""
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return [program, "-db", "-f", str(path)]


def _envoy(program: str, folder: Path, port: int, backend: int) -> list[str]:
    path = folder / "envoy.json"
    path.write_text(configs.envoy(port, backend))
    return [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]


def _caddy(program: str, folder: Path, port: int, backend: int) -> list[str]:
    text = f"""{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{backend} {{
        flush_interval -1
        transport http {{
            compression off
        }}
    }}
}}
"""
    path = folder / "Caddyfile"
    path.write_text(text)
    return [program, "run", "--adapter", "caddyfile", "--config", str(path)]


PEERS = {
    peer.name: peer
    for peer in (
        PeerProxy("nginx", lambda: find("nginx"), _nginx),
        PeerProxy("haproxy", lambda: find("haproxy"), _haproxy),
        PeerProxy("envoy", find_envoy, _envoy),
        PeerProxy("caddy", lambda: find("caddy"), _caddy),
    )
}


@asynccontextmanager
async def started(name: str, program: str, folder: Path, backend: int, path: str = "/") -> AsyncIterator[int]:
    """Runs a peer in front of a backend that answers 200 to a path; the port on which it serves."""
    place = folder / name
    place.mkdir()
    port = free_port()
    environment = {"XDG_DATA_HOME": str(place), "XDG_CONFIG_HOME": str(place)}
    with Program(name, PEERS[name].command(program, place, port, backend), place, environment=environment) as running:
        # In a thread: the backend that it asks is on this loop.
        await asyncio.to_thread(running.wait_until_answers, port, path)
        yield port
