"""The configuration of every proxy, as alike as their languages allow.

One listener, one route, one upstream with one endpoint and a keep-alive pool; connect 1 s, request 15 s, idle 60 s;
nothing buffered, no access log, `X-Forwarded-For` set; one worker. Limits that only exist on one side (Envoy's circuit
breaker thresholds, connection caps) are lifted out of reach: their defaults would answer errors instead of work.
"""

import json
from pathlib import Path

from benchmarks.backend import nginx_prologue

POOL = 1024


def nginx(directory: Path, port: int, backend: int, connections: int) -> str:
    """nginx: unbuffered both ways, upstream keep-alive, and reads as large as HAProxy's (its own default is 4 KiB)."""
    return f"""{nginx_prologue(directory, connections)}
    keepalive_timeout 60s;
    upstream app {{
        server 127.0.0.1:{backend} max_fails=0;
        keepalive {POOL};
        keepalive_requests 1000000000;
        keepalive_timeout 60s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffering off;
            proxy_buffer_size 16k;
            proxy_buffers 8 16k;
            proxy_busy_buffers_size 32k;
            proxy_request_buffering off;
            proxy_connect_timeout 1s;
            proxy_read_timeout 15s;
            proxy_next_upstream off;
        }}
    }}
}}
"""


def haproxy(port: int, backend: int, connections: int) -> str:
    """HAProxy: one thread, connections to the endpoint shared by all callers."""
    return f"""global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    option forwardfor
    option http-keep-alive
    http-reuse always
    timeout connect 1s
    timeout server 15s
    timeout client 60s
    timeout http-request 15s
    timeout http-keep-alive 60s
    retries 0
frontend public
    bind 127.0.0.1:{port} backlog 4096
    default_backend app
backend app
    server one 127.0.0.1:{backend} pool-purge-delay 60s
"""


def caddy(port: int, backend: int) -> str:
    """Caddy: flushes at once; its pool keeps as many idle connections as the others may."""
    return f"""{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
http://127.0.0.1:{port}, http://localhost:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{backend} {{
        flush_interval -1
        transport http {{
            dial_timeout 1s
            response_header_timeout 15s
            keepalive 60s
            keepalive_idle_conns {POOL}
            keepalive_idle_conns_per_host {POOL}
            compression off
        }}
    }}
}}
"""


_TYPE = "type.googleapis.com/envoy.extensions.filters."
OUT_OF_REACH = 1_000_000_000
"""A limit, per second, that no load meets: the work of limiting is done and nothing is refused."""


def envoy(port: int, backend: int, *, policies: bool, limit: int = OUT_OF_REACH) -> str:
    """Envoy, as JSON. With `policies`: a local rate limit, retries within a budget and outlier detection as well."""
    route: dict[str, object] = {"cluster": "app", "timeout": "15s", "idle_timeout": "60s"}
    filters: list[dict[str, object]] = []
    thresholds: dict[str, object] = {
        "max_connections": OUT_OF_REACH,
        "max_pending_requests": OUT_OF_REACH,
        "max_requests": OUT_OF_REACH,
    }
    if policies:
        bucket = {"max_tokens": limit, "tokens_per_fill": limit, "fill_interval": "1s"}
        all_requests = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}, "runtime_key": "unused"}
        filters.append(
            {
                "name": "envoy.filters.http.local_ratelimit",
                "typed_config": {
                    "@type": f"{_TYPE}http.local_ratelimit.v3.LocalRateLimit",
                    "stat_prefix": "limit",
                    "token_bucket": bucket,
                    "filter_enabled": all_requests,
                    "filter_enforced": all_requests,
                },
            }
        )
        route["retry_policy"] = {"retry_on": "connect-failure,reset,gateway-error", "num_retries": 2}
        thresholds["retry_budget"] = {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3}
    filters.append({"name": "router", "typed_config": {"@type": f"{_TYPE}http.router.v3.Router"}})
    routes = [{"match": {"prefix": "/"}, "route": route}]
    hosts: list[dict[str, object]] = [{"name": "all", "domains": ["*"], "routes": routes}]
    document = {
        "static_resources": {
            "listeners": [_envoy_listener(port, filters, hosts)],
            "clusters": [_envoy_cluster(backend, thresholds, policies=policies)],
        }
    }
    return json.dumps(document, indent=1)


def _envoy_address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_listener(port: int, filters: list[dict[str, object]], hosts: list[dict[str, object]]) -> dict[str, object]:
    manager = {
        "@type": f"{_TYPE}network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "use_remote_address": True,
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "request_headers_timeout": "15s",
        "http_filters": filters,
        "route_config": {"name": "routes", "virtual_hosts": hosts},
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {
        "name": "public",
        "address": _envoy_address(port),
        "tcp_backlog_size": 4096,
        "filter_chains": [chain],
    }


def _envoy_cluster(backend: int, thresholds: dict[str, object], *, policies: bool) -> dict[str, object]:
    endpoint = {"endpoint": {"address": _envoy_address(backend)}}
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"idle_timeout": "60s"},
    }
    cluster: dict[str, object] = {
        "name": "app",
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [thresholds]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if policies:
        cluster["outlier_detection"] = {"consecutive_5xx": 5, "base_ejection_time": "30s"}
    return cluster


def sidecar(port: int, admin: int, backend: int, connections: int, *, policies: bool, limit: int = OUT_OF_REACH) -> str:
    """Sidecar. With `policies`: rate limit, retries within a budget, circuit breaker and ejection as well."""
    guards = """
    ejection: {consecutive_failures: 5, base: 30s}
    circuit_breaker: {failure_ratio: 0.5, min_requests: 10, window: 10s}"""
    corridor = f"""
    rate_limits: [{{name: all, rate: {limit}/s, burst: {limit}}}]
    retry:
      max_attempts: 3
      on: [connect_failure, reset, 502, 503, 504]
      budget: {{ratio: 0.2, min_per_second: 10}}"""
    bare = """
    retry: null"""
    return f"""version: 1
listeners:
  - name: public
    address: 127.0.0.1:{port}
    timeouts: {{headers: 15s, body: 15s, idle: 60s}}
    max_connections: {connections}
admin: {{address: 127.0.0.1:{admin}}}
log: {{level: error, access: off}}
drain: {{announce: 0s, deadline: 2s}}
upstreams:
  app:
    endpoints: [http://127.0.0.1:{backend}]
    connect_timeout: 1s
    pool: {{max_connections: {POOL}, idle_timeout: 60s}}{guards if policies else ""}
defaults: {{timeout: {{request: 15s, idle: 60s}}}}
routes:
  - name: all
    match: {{path: /}}
    upstream: app{corridor if policies else bare}
"""
