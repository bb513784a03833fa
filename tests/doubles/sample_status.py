"""One status as /status tells it, small and complete, and what it is in other states: for whoever renders one."""

from __future__ import annotations

from typing import Any

from sidecar.telemetry.latency import latency

ROUTE: dict[str, Any] = {
    "name": "all",
    "upstream": "app",
    "in_flight": 2,
    "requests": 7,
    "statuses": {"2xx": 6, "5xx": 1},
    "rejections": {"rate_limited": 4, "no_endpoint": 1},
    "rejected_by": {"all/per-client": 4},
    "shadow_rejected_by": {"all/concurrency": 9, "all/per-client": 1},
    "refused": {"all/per-client": {"rate_limited": 4}, "": {"no_endpoint": 1}},
    "shadow_refused": {"all/concurrency": {"concurrency_limited": 9}, "all/per-client": {"rate_limited": 1}},
    "retries": {"reset": 1},
    "retries_skipped": {},
    "fallbacks": {},
    "latency": latency([0] * 4 + [7] + [0] * 12, 0.05),
    "policies": {
        "all/rate_limits": {
            "shadow": False,
            "limits": {
                "per-client": {"rate": "10/s", "burst": 10, "key": ["client_ip", "path:id"], "keys": 3},
                "whole": {"rate": "20/s", "burst": 20, "key": [], "remaining": 3},
            },
            "waiting": 0,
        },
        "all/concurrency": {"shadow": True, "max": 5, "in_flight": 2, "max_queue": 10, "queued": 1},
        "all/fault": {"shadow": False, "delay_ratio": None},
        "app/circuit_breaker": {"shadow": False, "breaker": "upstream.app", "state": "open"},
    },
}
BREAKER: dict[str, Any] = {
    "breaker": "upstream.app",
    "state": "open",
    "forced": "auto",
    "open_remaining": 11.2,
    "failures": 6,
    "slow": 1,
    "requests": 10,
    "shadow": False,
    "why_open": "6 of 10 attempts failed within 10s",
}
BY_HAND: dict[str, Any] = BREAKER | {
    "breaker": "route.all",
    "forced": "open",
    "open_remaining": None,
    "failures": 0,
    "slow": 0,
    "requests": 0,
    "shadow": True,
    "why_open": "by hand",
}
ENDPOINT: dict[str, Any] = {
    "name": "app/127.0.0.1:3000",
    "in_flight": 2,
    "weight": 1,
    "takes_attempts": True,
    "pool": {"in_use": 2, "idle": 5, "waiting": 0, "connecting": 0},
    "down": False,
    "why_down": "",
    "drained": False,
    "ejection": {"state": "available", "seconds_left": 0.0},
}
UPSTREAM: dict[str, Any] = {
    "name": "app",
    "attempts": {"success": 6, "5xx": 2, "reset": 1},
    "latency": latency([0] * 4 + [9] + [0] * 12, 0.05),
    "policies": {
        "app/circuit_breaker": {"shadow": False, "breaker": "upstream.app", "state": "open"},
        "app/hold": {"shadow": False, "max_requests": 100, "held": 0, "releasing": 0, "seconds": 0.0},
    },
    "retry_budgets": [{"ratio": 0.2, "min_per_second": 10.0, "available": 9.146}],
    "endpoints": [ENDPOINT],
}
LISTENER: dict[str, Any] = {
    "name": "public",
    "address": "0.0.0.0:8443",
    "protocol": "http",
    "connections": 4,
    "proxy_protocol": True,
    "proxy_headers": {"ok": 14, "untrusted": 2},
    "tls": {
        "handshakes": {"ok": 6, "left": 1, "resumed": 3, "plain_http": 2},
        "certificates": [
            {"names": ["a.test"], "subject": "CN=a", "fingerprint": "a1", "not_after": 1_700_000_100.0 + 4.5 * 86400},
            {"names": ["b.test"], "subject": "CN=b", "fingerprint": "b2", "not_after": 1_700_000_099.0},
        ],
    },
}
CALM: dict[str, Any] = {
    "accepting": True,
    "descriptors": {"limit": 1024, "for_connections": 900, "needed": 14},
    "memory": {"shedding": False, "resident_bytes": 61 << 20, "limit_bytes": 217 << 20},
}
STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "phase": "serving",
    "uptime_seconds": 200.5,
    "time": 1_700_000_100.0,
    "not_ready": ["upstream app: no endpoint is available"],
    "rules": {"hash": "0123456789abcdef", "generation": 3},
    "reload": {"last": None, "last_error": None},
    "routes": [ROUTE],
    "breakers": {"upstream.app": BREAKER, "route.all": BY_HAND},
    "upstreams": [UPSTREAM],
    "connections": {"downstream": {"active": 2, "idle": 1}, "upstream": {"active": 2, "idle": 5}},
    "pressure": CALM,
    "drain": {"stage": "none", "why": "", "deadline_left_seconds": None, "in_flight": {"requests": 0}, "cut": 0},
    "loop_lag_seconds": 0.0034,
}
# The same with nothing to look after.
WELL: dict[str, Any] = STATUS | {
    "not_ready": [],
    "routes": [ROUTE | {"rejections": {}, "refused": {}, "shadow_refused": {}, "policies": {}}],
    "breakers": {"upstream.app": BREAKER | {"state": "closed", "open_remaining": 0.0}},
}
# What a supervisor tells while no worker is there.
ALONE: dict[str, Any] = {
    "phase": "starting",
    "uptime_seconds": 3.0,
    "time": 1_700_000_100.0,
    "not_ready": ["serving: no worker serves"],
    "rules": {"hash": "0123456789abcdef", "generation": 1},
    "reload": None,
    "routes": [],
    "upstreams": [],
    "breakers": {},
    "workers": [],
}
EVENTS: list[dict[str, Any]] = [
    {"id": 1, "time": 1_700_000_000.0, "kind": "reload", "subject": "rules", "text": "reloaded", "fields": {}},
    {
        "id": 2,
        "time": 1_700_000_090.0,
        "kind": "breaker",
        "subject": "upstream.app",
        "text": "closed to open: 6 of 10 attempts failed",
        "fields": {},
        "alarming": True,
    },
]
