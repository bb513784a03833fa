"""A storm of every ending through every policy at once, and afterwards every permit is back.

On the real clock, so that timeouts, waits and leases end where they like; what is asserted is only what is left.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from tests.doubles.backend import OK, Backend, Call, GoneError, refusing
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, running

REQUESTS = 4000
WORKERS = 40
LEAVE_RATIO = 0.2

RULES = """
version: 1
listeners: [{{name: public, address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
log: {{access: 'off'}}
defaults:
  timeout: {{request: 400ms, attempt: 40ms, idle: 40ms}}
  retry: {{max_attempts: 3, backoff: {{base: 5ms, max: 20ms}}, max_body_bytes: 64B}}
upstreams:
  app:
    endpoints: ['{one}', '{two}', 'http://127.0.0.1:{refused}']
    pool: {{max_connections: 12}}
    ejection: {{consecutive_failures: 3, base: 50ms, max: 100ms}}
    slow_start: 100ms
    hold: null
    circuit_breaker: {{failure_ratio: 0.7, min_requests: 20, window: 1s, open_for: 50ms, max_open_for: 100ms}}
  other:
    endpoints: ['{two}']
    circuit_breaker: {{consecutive_failures: 5, open_for: 30ms, max_open_for: 60ms, half_open_requests: 2}}
routes:
  - name: queued
    match: {{path: /queued}}
    upstream: app
    concurrency: {{max: 6, max_queue: 6, max_wait: 50ms}}
    circuit_breaker: {{failure_ratio: 0.9, min_requests: 10, window: 1s, open_for: 20ms, max_open_for: 40ms}}
    fallback: {{on: [circuit_open, timeout, retries_exhausted, 503], status: 200, body: fallen}}
  - name: limited
    match: {{path: /limited}}
    upstream: other
    rate_limits:
      - {{name: each, rate: 5/s, burst: 3, key: "header:x-user", max_wait: 200ms, max_keys: 4}}
      - {{name: all, rate: 20/s, burst: 8, max_wait: 60ms}}
    concurrency: {{max: 8, max_queue: 8}}
    fallback: {{on: [no_endpoint, timeout, 502, 503], stale: {{max_age: 1m, max_bytes: 64KiB}}}}
  - name: split
    split: [{{upstream: app, weight: 1}}, {{upstream: other, weight: 1}}]
    concurrency: {{max: 2, max_queue: 1, max_wait: 30ms}}
    fault: {{delay: {{ratio: 0.2, duration: 20ms}}, abort: {{ratio: 0.05, status: 500}}}}
"""

KINDS = {
    "ok": 30,
    "unavailable": 15,
    "reset": 12,
    "close": 8,
    "truncated": 8,
    "reset-in-body": 8,
    "garbage": 6,
    "stall": 6,
    "stall-in-body": 4,
    "early": 3,
}


async def misbehave(call: Call) -> None:
    """Fails in the way that the target's last part names."""
    kind = call.request.target.rpartition(b"/")[2]
    if kind in (b"ok", b"unavailable"):
        await call.body()
        await call.send(OK if kind == b"ok" else b"HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
        return
    call.close()
    if kind in (b"truncated", b"reset-in-body", b"stall-in-body"):
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    elif kind == b"garbage":
        await call.send(b"\x00\x01 what is this \r\n\r\n")
    elif kind == b"early":
        await call.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    if kind in (b"reset", b"reset-in-body"):
        call.reset()
    elif kind in (b"stall", b"stall-in-body"):
        await call.wait_gone()


def request(dice: random.Random) -> bytes:
    """Any request; an upload may be larger than what is kept of it, and may never end."""
    route = dice.choice(["/queued", "/limited", "/any"])
    kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
    fields = f"Host: a\r\nX-User: {dice.randrange(6)}\r\n"
    if dice.random() < 0.1:
        fields += f"X-Request-Timeout-Ms: {dice.choice([1, 20, 60])}\r\n"
    if dice.random() < 0.6:
        return f"GET {route}/{kind} HTTP/1.1\r\n{fields}\r\n".encode()
    method = dice.choice(["POST", "PUT", "DELETE"])
    length = dice.choice([6, 200])
    sent = length if dice.random() < 0.9 else 3
    return f"{method} {route}/{kind} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n".encode() + b"x" * sent


async def one(peer: Peer, dice: random.Random) -> bool:
    """One request; whether its connection can carry another."""
    data = request(dice)
    await peer.send(data)
    unfinished = data.endswith(b"\r\n\r\nxxx")
    if unfinished or dice.random() < LEAVE_RATIO:
        for _ in range(dice.randrange(200)):
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            peer.reset()
        elif dice.random() < 0.5:
            with suppress(RuntimeError):  # uvloop's word for: it is closed already
                peer.half_close()
        return False
    answer = await peer.answer(data.split(b" ", 1)[0])
    assert answer.status in (200, 413, 429, 500, 502, 503, 504)
    return answer.get("connection") is None


async def work(port: int, count: int, seed: int) -> None:
    """Sends `count` requests, one after the other, over as many connections as it takes."""
    dice = random.Random(seed)
    left = count
    while left:
        async with await Peer.connect(port) as peer:
            with suppress(GoneError, ConnectionError):
                going = True
                while left and going:
                    left -= 1
                    going = await one(peer, dice)


async def assert_all_is_back(proxy: RunningProxy) -> None:
    """Waits until the last exchange is over, and finds no place, lease or reservation taken."""
    await proxy.quiet()
    told = await proxy.status()
    for route in told["routes"]:
        assert route["in_flight"] == 0
        for name, policy in route["policies"].items():
            assert policy.get("in_flight", 0) == 0, (name, policy)
            assert policy.get("queued", 0) == 0, (name, policy)
            assert policy.get("waiting", 0) == 0, (name, policy)
    assert {label: breaker["leases"] for label, breaker in told["breakers"].items()} == {
        "upstream.app": 0,
        "upstream.other": 0,
        "route.queued": 0,
    }
    for upstream in told["upstreams"]:
        for endpoint in upstream["endpoints"]:
            assert endpoint["in_flight"] == 0
            assert (endpoint["pool"]["in_use"], endpoint["pool"]["waiting"]) == (0, 0)


async def test_every_permit_is_back_after_a_storm() -> None:
    with refusing() as refused:
        async with Backend(misbehave) as one_backend, Backend(misbehave) as two_backend:
            text = RULES.format(one=one_backend.url, two=two_backend.url, refused=refused)
            given = load_text(text, "rules.yaml", Given(allow_faults=True))
            async with running(given=given, seed=9) as proxy:
                async with asyncio.TaskGroup() as workers:
                    for seed in range(WORKERS):
                        workers.create_task(work(proxy.port, REQUESTS // WORKERS, seed))
                await assert_all_is_back(proxy)
                # A storm in which something never happened proves nothing of it.
                told = await proxy.status()
                rejections = {reason for route in told["routes"] for reason in route["rejections"]}
                assert {"rate_limited", "concurrency_limited", "circuit_open", "fault_injected"} <= rejections
                assert sum(sum(route["retries"].values()) for route in told["routes"]) > 0
                assert any(route["fallbacks"] for route in told["routes"])
                assert {status for _, status in proxy.requests()} >= {200, 429, 499, 503}
