"""The examples of where requests go and what they look like there, run as they are written."""

from __future__ import annotations

import pytest

from tests.doubles.backend import Backend
from tests.doubles.clock import Clock
from tests.doubles.running import EXAMPLES, example, running

TIGHT = "tight-limits-for-hostile-clients"
TALKATIVE = b"\r\n".join(
    [b"HTTP/1.1 200 OK", b"Server: old/1.0", b"X-Powered-By: php", b"Vary: Accept", b"X-Own: yes", b"Content-Length: 0"]
)
TALKATIVE += b"\r\n\r\n"


async def test_fields_are_edited_both_ways() -> None:
    async with Backend(TALKATIVE) as backend, running(given=example("header-edits", backend.url)) as proxy:
        async with proxy.peer() as peer:
            answer = await peer.ask(
                b"GET / HTTP/1.1\r\nHost: shop.example.com\r\nX-Internal-User: root\r\nX-Mine: 1\r\n\r\n"
            )
        (request,) = backend.requests
        assert request.get("host") == b"shop.internal"
        assert request.get("x-internal-user") is None
        assert request.get("x-env") == b"development"
        assert request.get("x-mine") == b"1"
        assert request.get("x-forwarded-host") == b"shop.example.com"
        assert (answer.get("server"), answer.get("x-powered-by")) == (None, None)
        assert answer.get("x-content-type-options") == b"nosniff"
        assert answer.get("strict-transport-security") == b"max-age=31536000"
        assert answer.all("vary") == [b"Accept", b"origin"]
        assert answer.get("x-own") == b"yes"


async def test_fields_that_some_frameworks_go_by_are_kept_from_the_backend() -> None:
    names = ("X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X_Method_Override", "Proxy", "x_http_method")
    async with Backend() as backend, running(given=example(TIGHT, backend.url)) as proxy:
        assert (await proxy.ask("/", *(f"{name}: /admin" for name in names), "X-Mine: 1")).status == 200
        (request,) = backend.requests
        assert b"/admin" not in request.head
        assert request.get("x-mine") == b"1"


async def test_the_other_route_has_the_edits_of_the_defaults_only() -> None:
    async with Backend(TALKATIVE) as backend, running(given=example("header-edits", backend.url)) as proxy:
        answer = await proxy.ask("/", "X-Internal-User: root")
        (request,) = backend.requests
        assert request.get("x-internal-user") == b"root"
        assert request.get("x-env") is None
        assert answer.get("server") is None
        assert answer.get("x-content-type-options") == b"nosniff"
        assert answer.get("strict-transport-security") is None
        assert answer.all("vary") == [b"Accept"]


@pytest.mark.parametrize(
    ("target", "upstream", "seen"),
    [
        ("/api/users?q=1", "app", b"/v1/users?q=1"),
        ("/api", "app", b"/v1"),
        ("/api/a%2Fb//c?x=%20/api", "app", b"/v1/a%2Fb//c?x=%20/api"),
        ("/apis", "app", b"/apis"),
        ("/reports/2026", "legacy", b"/cgi-bin/reports/2026"),
        ("/else", "app", b"/else"),
    ],
)
async def test_the_backend_sees_the_rewritten_target(target: str, upstream: str, seen: bytes) -> None:
    async with Backend() as app, Backend() as legacy:
        given = example("rewrite", app.url, sets=[f"upstreams.legacy.endpoints=['{legacy.url}']"])
        async with running(given=given) as proxy:
            assert (await proxy.ask(target)).status == 200
        (request,) = app.requests + legacy.requests
        assert request.target == seen
        assert bool(app.requests) == (upstream == "app")
        assert request.get("x-forwarded-prefix") == (b"/api" if seen.startswith(b"/v1") else None)


async def test_five_of_a_hundred_visitors_meet_the_new_version_and_stay_there() -> None:
    async with Backend() as app, Backend() as new:
        given = example("canary-split", app.url, sets=[f"upstreams.app-v2.endpoints=['{new.url}']"])
        async with running(given=given, clock=Clock(), seed=11) as proxy, proxy.peer() as peer:
            met = set()
            for visitor in range(1000):
                before = len(new.requests)
                await peer.get("/", f"Cookie: a=b; session=visitor-{visitor}")
                if len(new.requests) > before:
                    met.add(visitor)
            assert 25 <= len(met) <= 75  # fifty, and hashing has no luck in it: it is the same each time
            app.requests.clear()
            for visitor in met:
                await peer.get("/", f"Cookie: session=visitor-{visitor}")
            assert app.requests == []
            new.requests.clear()
            for _ in range(1000):
                await peer.get("/")
            # Without a session each is drawn anew, by dice that are seeded here.
            assert 25 <= len(new.requests) <= 80
            new.requests.clear()
            for _ in range(20):
                await peer.get("/", "X-Canary-Version: v2")
            assert len(new.requests) == 20


async def test_each_user_stays_on_one_endpoint() -> None:
    async with Backend() as one, Backend() as two, Backend() as three:
        backends = (one, two, three)
        given = example("hash-by-header", *[backend.url for backend in backends])
        async with running(given=given) as proxy, proxy.peer() as peer:
            for _ in range(3):
                for user in range(60):
                    await peer.get("/", f"X-User: {user}")
        users = [{request.get("x-user") for request in backend.requests} for backend in backends]
        assert sum(len(found) for found in users) == 60
        assert all(users)


# What these show no longer changes what a request meets in a second or two, or needs names that nobody here has.
SHOWN_ELSEWHERE = {
    "behind-a-load-balancer",
    "dns-re-resolution",
    "every-key",
    "minimal",
    "overload",
    "timeouts",
    "two-endpoints-balanced",
    "websockets-and-sse",
}
# Shown in test_access_log, test_draining_phases, test_health_checks, test_hold, test_tracing and test_tracing_export.
SHOWN_BESIDE = {"access-log", "drain", "health-check", "hold", "tracing", "tracing-export"}
# Shown in test_tls_upstreams and test_health_conversation.
SHOWN_BESIDE |= {"tls-upstream", "health-check-send-expect"}
# Shown in test_proxy_protocol and test_unix_sockets.
SHOWN_BESIDE |= {"proxy-protocol", "unix-sockets"}
# Shown in test_tls_listeners, test_tcp_postgres and test_tcp_redis.
SHOWN_BESIDE |= {"tls", "mtls", "tls-several-names", "tcp-postgres", "tcp-redis"}
# Shown in test_front.
SHOWN_BESIDE |= {"forwarded", "https-redirect", "own-answers"}
SHOWN = {
    "adaptive-concurrency",
    "canary-split",
    "circuit-breaker",
    "concurrency",
    "deadline",
    "ejection",
    "fallback-stale",
    "fallback-static",
    "fault",
    "hash-by-header",
    "header-edits",
    "rate-limits",
    "retries",
    "rewrite",
    "slow-start",
    TIGHT,
}


def test_every_example_of_a_policy_is_run_here_or_known_not_to_be() -> None:
    files = {file.stem for file in EXAMPLES.glob("*.yaml")}
    assert files == SHOWN | SHOWN_BESIDE | SHOWN_ELSEWHERE


@pytest.mark.parametrize("name", sorted(SHOWN_ELSEWHERE - {"every-key"}))
async def test_the_other_examples_serve_too(name: str) -> None:
    # The suite's own process is past a container's memory long before it comes here.
    sets = ["overload.max_memory=64GiB"] if name == "overload" else []
    async with Backend() as backend, running(given=example(name, backend.url, sets=sets)) as proxy:
        assert (await proxy.ask()).status == 200
