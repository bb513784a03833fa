"""The configuration of every proxy, as alike as their languages allow.

One listener, one route, one upstream with one endpoint and a keep-alive pool; connect 1 s, request 15 s, idle 60 s;
nothing buffered, no access log, `X-Forwarded-For` set; one worker. Limits that only exist on one side (Envoy's circuit
breaker thresholds, connection caps) are lifted out of reach: their defaults would answer errors instead of work.

A row `+policies` adds, as far as each proxy has it, what docs/benchmarks.md lists: two rate limits (all requests; each
caller by its address), a cap on concurrency, a breaker or ejection, retries within a budget and every timeout.
`limit` is requests per second for both rate limits, None: no policies.
"""

import json
from pathlib import Path

from benchmarks.backend import nginx_prologue

POOL = 1024
CONCURRENCY = 10_000
"""Requests at once that the rows with policies let through: more than any load has connections."""
OUT_OF_REACH = 1_000_000_000
"""A limit, per second, that no load meets: the work of limiting is done and nothing is refused."""


def nginx(directory: Path, port: int, backend: int, connections: int, *, limit: int | None = None) -> str:
    """nginx: unbuffered both ways, upstream keep-alive, and reads as large as HAProxy's (its own default is 4 KiB).

    With policies: it has no budget of retries, and ejects nothing when there is one endpoint (whatever `max_fails`).
    """
    zones, limits, fails, again = "", "", "max_fails=0", "proxy_next_upstream off;"
    if limit is not None:
        zones = f"""
    limit_req_status 429;
    limit_req_zone $server_port zone=all:1m rate={limit}r/s;
    limit_req_zone $binary_remote_addr zone=per_client:10m rate={limit}r/s;
    limit_conn_zone $server_port zone=at_once:1m;
    client_header_timeout 15s;
    client_body_timeout 15s;
    send_timeout 60s;"""
        limits = f"""
            limit_req zone=per_client burst={limit} nodelay;
            limit_req zone=all burst={limit} nodelay;
            limit_conn at_once {CONCURRENCY};
            proxy_send_timeout 15s;"""
        fails = "max_fails=5 fail_timeout=30s"
        again = """proxy_next_upstream error timeout http_502 http_503 http_504;
            proxy_next_upstream_tries 3;
            proxy_next_upstream_timeout 15s;"""
    return f"""{nginx_prologue(directory, connections)}
    keepalive_timeout 60s;{zones}
    upstream app {{
        server 127.0.0.1:{backend} {fails};
        keepalive {POOL};
        keepalive_requests 1000000000;
        keepalive_timeout 60s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{{limits}
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
            {again}
        }}
    }}
}}
"""


def haproxy(port: int, backend: int, connections: int, *, limit: int | None = None) -> str:
    """HAProxy: one thread, connections to the endpoint shared by all callers.

    With policies: a rate over one second in two stick tables; it has no budget of retries, and `observe` asks for its
    own check of the endpoint, here every 30 s.
    """
    frontend, upstream, server, tables, retries = "", "", "", "", "retries 0"
    if limit is not None:
        frontend = f"""
    http-request track-sc0 int(1) table all
    http-request track-sc1 src table per_client
    http-request deny deny_status 429 if {{ sc_http_req_rate(1) gt {limit} }}
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}"""
        upstream = """
    timeout queue 500ms
    retry-on conn-failure empty-response response-timeout 502 503 504"""
        server = f" maxconn {CONCURRENCY} check inter 30s observe layer7 error-limit 5 on-error mark-down"
        tables = """backend all
    stick-table type integer size 1 expire 60s store http_req_rate(1s)
backend per_client
    stick-table type ip size 100k expire 60s store http_req_rate(1s)
"""
        retries = "retries 2"
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
    {retries}
frontend public
    bind 127.0.0.1:{port} backlog 4096{frontend}
    default_backend app
backend app{upstream}
    server one 127.0.0.1:{backend} pool-purge-delay 60s{server}
{tables}"""


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


def envoy(port: int, backend: int, *, limit: int | None = None) -> str:
    """Envoy, as JSON. With policies: two local rate limits, caps, retries within a budget and outlier detection."""
    route: dict[str, object] = {"cluster": "app", "timeout": "15s", "idle_timeout": "60s"}
    filters: list[dict[str, object]] = []
    thresholds: dict[str, object] = {
        "max_connections": OUT_OF_REACH,
        "max_pending_requests": OUT_OF_REACH,
        "max_requests": OUT_OF_REACH,
    }
    if limit is not None:
        filters += [_envoy_limit("all", limit, per_client=False), _envoy_limit("per_client", limit, per_client=True)]
        route["retry_policy"] = {
            "retry_on": "connect-failure,reset,gateway-error",
            "num_retries": 2,
            "per_try_timeout": "10s",
        }
        route["max_stream_duration"] = {"max_stream_duration": "600s"}
        thresholds["max_requests"] = CONCURRENCY
        thresholds["retry_budget"] = {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3}
    filters.append({"name": "router", "typed_config": {"@type": f"{_TYPE}http.router.v3.Router"}})
    routes = [{"match": {"prefix": "/"}, "route": route}]
    hosts: list[dict[str, object]] = [{"name": "all", "domains": ["*"], "routes": routes}]
    document = {
        "static_resources": {
            "listeners": [_envoy_listener(port, filters, hosts)],
            "clusters": [_envoy_cluster(backend, thresholds, policies=limit is not None)],
        }
    }
    return json.dumps(document, indent=1)


def _envoy_limit(name: str, limit: int, *, per_client: bool) -> dict[str, object]:
    bucket = {"max_tokens": limit, "tokens_per_fill": limit, "fill_interval": "1s"}
    all_requests = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}, "runtime_key": "unused"}
    settings: dict[str, object] = {
        "@type": f"{_TYPE}http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": name,
        "token_bucket": bucket,
        "filter_enabled": all_requests,
        "filter_enforced": all_requests,
        # Sidecar tells callers of their limits as well (RateLimit, RateLimit-Policy).
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
    }
    if per_client:
        # An entry without a value stands for every value, each with a bucket of its own.
        settings["descriptors"] = [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}]
        settings["rate_limits"] = [{"actions": [{"remote_address": {}}]}]
        settings["max_dynamic_descriptors"] = 100_000
        settings["always_consume_default_token_bucket"] = False
    return {"name": f"envoy.filters.http.local_ratelimit.{name}", "typed_config": settings}


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


def sidecar(port: int, admin: int, backend: int, connections: int, *, limit: int | None = None) -> str:
    """Sidecar. With policies: two rate limits, concurrency, breaker, ejection, retries in a budget, all timeouts."""
    guards, corridor = "", "\n    retry: null"
    timeouts = "{request: 15s, idle: 60s}"
    if limit is not None:
        timeouts = "{request: 15s, attempt: 10s, idle: 60s, total: 10m}"
        guards = """
    ejection: {consecutive_failures: 5, base: 30s}
    circuit_breaker: {failure_ratio: 0.5, min_requests: 10, window: 10s}"""
        corridor = f"""
    rate_limits:
      - {{name: per-client, rate: {limit}/s, burst: {limit}, key: client_ip}}
      - {{name: all, rate: {limit}/s, burst: {limit}}}
    concurrency: {{max: {CONCURRENCY}, max_queue: 100, max_wait: 500ms}}
    retry:
      max_attempts: 3
      on: [connect_failure, reset, 502, 503, 504]
      budget: {{ratio: 0.2, min_per_second: 10}}"""
    return f"""{sidecar_prologue(port, admin, connections)}
upstreams:
  app:
    endpoints: [http://127.0.0.1:{backend}]
    connect_timeout: 1s
    pool: {{max_connections: {POOL}, idle_timeout: 60s}}{guards}
defaults: {{timeout: {timeouts}}}
routes:
  - name: all
    match: {{path: /}}
    upstream: app{corridor}
"""


def sidecar_prologue(port: int, admin: int, connections: int) -> str:
    """The part of Sidecar's rules about itself: one listener, errors only in its log."""
    return f"""version: 1
listeners:
  - name: public
    address: 127.0.0.1:{port}
    timeouts: {{headers: 15s, body: 15s, idle: 60s}}
    max_connections: {connections}
admin: {{address: 127.0.0.1:{admin}}}
log: {{level: error, access: off}}
drain: {{announce: 0s, deadline: 2s}}"""
