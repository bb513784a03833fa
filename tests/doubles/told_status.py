"""What `GET /status` tells, made up: of a proxy in front of an application, at peace or in trouble.

`status()` is one look; `Service` is a subject whose counters move with every look as if a second had passed.
"""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sidecar.admin.server import AdminServer
from sidecar.telemetry.stats import BOUNDS
from tests.doubles.subject import FakeSubject

BUCKETS = len(BOUNDS) + 1
START = 1_767_268_800.0


def latency(*counts: int) -> dict[str, Any]:
    """So many in each bucket, beginning with the first."""
    return {"buckets": [*counts, *[0] * (BUCKETS - len(counts))]}


def route(name: str, **changes: Any) -> dict[str, Any]:
    """A route at rest."""
    return {
        "name": name,
        "upstream": "app",
        "in_flight": 0,
        "requests": 0,
        "statuses": {},
        "refused": {},
        "shadow_refused": {},
        "retries": {},
        "retries_skipped": {},
        "latency": latency(),
        "policies": {},
        **changes,
    }


def breaker(state: str = "closed", **changes: Any) -> dict[str, Any]:
    """A breaker that has seen nothing."""
    figures = ("requests", "failures", "slow", "consecutive_failures", "leases", "opened")
    told = {"breaker": "upstream.app", "state": state, "forced": "auto", "open_remaining": 0.0, "shadow": False}
    return {**told, **dict.fromkeys(figures, 0), "generation": 1, **changes}


def endpoint(name: str, **changes: Any) -> dict[str, Any]:
    """An endpoint that is up."""
    return {
        "name": name,
        "weight": 1,
        "in_flight": 0,
        "takes_attempts": True,
        "down": False,
        "why_down": "",
        "drained": False,
        "ejection": None,
        "pool": {"in_use": 0, "idle": 0, "waiting": 0, "connecting": 0},
        **changes,
    }


def upstream(name: str = "app", **changes: Any) -> dict[str, Any]:
    """An upstream with two endpoints."""
    endpoints = [endpoint(f"{name}/10.0.0.{number}:3000") for number in (1, 2)]
    told = {"name": name, "attempts": {}, "latency": latency(), "policies": {}, "retry_budgets": []}
    return {**told, "breaker": None, "endpoints": endpoints, **changes}


def status(**changes: Any) -> dict[str, Any]:
    """One look at a proxy that has nothing to complain of."""
    return {
        "version": "1.2.3",
        "compiled": True,
        "phase": "serving",
        "uptime_seconds": 93784.0,
        "time": START,
        "not_ready": [],
        "rules": {"file": "sidecar.yaml", "hash": "3f0c0a3e8f7a4b0c9c1d2e3f4a5b6c7d", "generation": 3},
        "reload": {"last": None, "last_error": None},
        "listeners": [{"name": "public", "address": "0.0.0.0:8080", "connections": 12}],
        "routes": [route("login"), route("api")],
        "upstreams": [upstream()],
        "breakers": {"upstream.app": breaker()},
        "connections": {"downstream": {"active": 0, "idle": 0}, "upstream": {"active": 0, "idle": 0}},
        "pressure": {
            "accepting": True,
            "pauses": 0,
            "descriptors": {"limit": 20000, "for_connections": 18955, "needed": 14},
            "memory": {"shedding": False, "resident_bytes": 61341696, "limit_bytes": 227540992},
        },
        "drain": drain("none"),
        "loop_lag_seconds": 0.001,
        "latency_bounds": list(BOUNDS),
        **changes,
    }


def drain(stage: str, left: float | None = None, **in_flight: int) -> dict[str, Any]:
    """Where the drain stands."""
    flying = {"requests": 0, "tunnels": 0, "websockets": 0, **in_flight}
    return {"stage": stage, "why": "", "deadline_left_seconds": left, "in_flight": flying, "cut": 0}


def failed_reload(*problems: str) -> dict[str, Any]:
    """A reload that these problems have kept from taking over."""
    last = {"result": "failed", "why": "file changed", "time": START, "generation": 3, "problems": list(problems)}
    return {"last": last, "last_error": last}


class Told(FakeSubject):
    """A subject whose status is what a test says; each look is a second later than the one before."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.changes = changes
        self.shown = 0

    def status(self) -> Mapping[str, object]:
        self.shown += 1
        return status(time=START + self.shown, uptime_seconds=93784.0 + self.shown, **self.changes)

    def tell(
        self, kind: str, subject: str, text: str, *, alarming: bool = False, after: float = 0.0, **fields: object
    ) -> None:
        """Something has happened."""
        number = len(self.told_events) + 1
        told = {"id": number, "time": START + after, "kind": kind, "subject": subject, "text": text}
        event = {**told, "fields": fields, "alarming": alarming}
        self.told_events.append(event)
        for listener in tuple(self.listeners):
            listener(event)


class Service(Told):
    """A shop behind a sidecar, told from its counters: every look finds a second's traffic more."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        self.failing = False
        self._rng = random.Random(seed)
        self._routes = [
            route("login", policies={"login/rate_limits": {"shadow": False, "limits": _limits(), "waiting": 0}}),
            route("search", policies={"search/concurrency": _concurrency(12)}),
            route("orders", upstream="orders"),
            route("everything-else"),
        ]
        self._app = upstream(retry_budgets=[{"ratio": 0.2, "min_per_second": 10.0, "available": 163.2}])
        self._app["policies"] = {"app/hold": {"shadow": False, "max_requests": 100, "held": 0, "seconds": 0.0}}
        self._orders = upstream("orders")
        self._breakers = {
            name: breaker(breaker=name, requests=250) for name in ("upstream.app", "upstream.orders", "route.login")
        }
        self._opened = 0

    def status(self) -> Mapping[str, object]:
        rng = self._rng
        for told, pace in zip(self._routes, (40, 180, 25, 90), strict=True):
            self._pass(told, round(pace * rng.uniform(0.85, 1.15)))
        limit = self._routes[0]["policies"]["login/rate_limits"]["limits"]
        limit["all"]["remaining"] = rng.randint(120, 170)
        busy = 64 if self.failing else rng.randint(18, 30)
        self._routes[1]["policies"]["search/concurrency"].update(in_flight=busy, queued=128 if self.failing else 0)
        self._trouble()
        self.changes = {
            "routes": self._routes,
            "upstreams": [self._app, self._orders],
            "breakers": self._breakers,
            "connections": {"downstream": {"active": busy + 21, "idle": 148}, "upstream": {"active": busy, "idle": 44}},
            "loop_lag_seconds": rng.uniform(0.0004, 0.0014),
        }
        return super().status()

    def _pass(self, told: dict[str, Any], count: int) -> None:
        hit = self.failing and told["name"] == "orders"
        told["requests"] += count
        told["in_flight"] = round(count / (4 if hit else 9))
        for _ in range(count):
            place = min(max(round(self._rng.gauss(11 if hit else 5.2, 1.5)), 0), BUCKETS - 1)
            told["latency"]["buckets"][place] += 1
        _count(told["statuses"], "2xx", 0 if hit else count)
        _count(told["statuses"], "5xx", count if hit else 0)
        upstream_ = self._orders if told["upstream"] == "orders" else self._app
        upstream_["attempts"]["success"] = upstream_["attempts"].get("success", 0) + (0 if hit else count)
        upstream_["latency"]["buckets"][4] += count
        if told["name"] == "login":
            _count(told["refused"].setdefault("login/per-client", {}), "rate_limited", self._rng.randint(2, 4))
        if hit:
            _count(told["refused"].setdefault("orders/circuit_breaker", {}), "circuit_open", round(count * 0.8))
            _count(told["refused"].setdefault("orders/timeout.attempt", {}), "attempt_timeout", round(count * 0.2))
            _count(self._orders["attempts"], "attempt_timeout", round(count * 0.2))
            _count(told["retries"], "attempt_timeout", 2)
        if self.failing and told["name"] == "search":
            _count(
                told["refused"].setdefault("search/concurrency", {}), "concurrency_limited", self._rng.randint(8, 14)
            )

    def _trouble(self) -> None:
        first = self._orders["endpoints"][0]
        for one in (*self._app["endpoints"], *self._orders["endpoints"]):
            busy = 0 if one["down"] else self._rng.randint(4, 12)
            one.update(in_flight=busy, pool={"in_use": busy, "idle": 14 - busy, "waiting": 0, "connecting": 0})
        self._opened = self._opened + 1 if self.failing else 0
        left = float(30 - self._opened % 30)
        first.update(down=self.failing, takes_attempts=not self.failing)
        first["why_down"] = "127.0.0.1:3000: Connection refused" if self.failing else ""
        figures = {"requests": 48, "failures": 41, "slow": 12, "opened": 1} if self.failing else {"requests": 250}
        self._breakers["upstream.orders"] = breaker(
            "open" if self.failing else "closed",
            breaker="upstream.orders",
            open_remaining=left if self.failing else 0.0,
            **figures,
        )


def _count(counts: dict[str, int], key: str, more: int) -> None:
    if more:
        counts[key] = counts.get(key, 0) + more


def _limits() -> dict[str, Any]:
    per_client = {"rate": "10/s", "burst": 20, "key": ["client_ip"], "mode": "enforce", "keys": 312, "max_keys": 100000}
    return {"per-client": per_client, "all": {"rate": "200/s", "burst": 200, "mode": "enforce", "remaining": 170}}


def _concurrency(in_flight: int) -> dict[str, Any]:
    return {"shadow": False, "max": 64, "in_flight": in_flight, "max_queue": 128, "queued": 0}


@asynccontextmanager
async def served(subject: FakeSubject, token: str | None = None) -> AsyncIterator[str]:
    """The admin address of a subject, as the beginning of every URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = AdminServer(subject, loopback=True, token=token)
    await server.start([listening])
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        await server.close()
