"""What `GET /status` tells, made up: of a proxy in front of an application, at peace or in trouble.

`status()` is one look; `Told` is a subject that tells it, with whatever a test changes.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Mapping
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
    return {**told, **dict.fromkeys(figures, 0), "generation": 1, "why_open": "", **changes}


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
    told = {"name": name, "attempts": {}, "latency": latency(), "policies": {}, "retry_budgets": [], "certificates": []}
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
        "listeners": [{"name": "public", "address": "0.0.0.0:8080", "connections": 12, "tls": None}],
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

    def status(self) -> Iterator[Mapping[str, Any]]:
        self.shown += 1
        yield status(time=START + self.shown, uptime_seconds=93784.0 + self.shown, **self.changes)

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
