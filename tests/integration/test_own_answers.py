"""What the proxy says for itself always says who, why and which rule; and a bug costs one exchange only."""

from __future__ import annotations

import pytest

from sidecar.model.observer import RouteObserver
from sidecar.model.reason import Reason
from tests.doubles.backend import Backend, refusing
from tests.doubles.peer import Answer
from tests.doubles.running import rules_text, running
from tests.doubles.steps import stall


def assert_own(answer: Answer, status: int, reason: str, rule: str | None = None) -> None:
    """The form of a local answer, whole."""
    problem = answer.problem
    assert answer.status == status
    assert problem["type"] == f"urn:sidecar:problem:{reason}"
    assert problem["status"] == status
    assert problem["reason"] == reason
    assert problem["title"]
    assert problem.get("rule") == rule
    proxy_status = (answer.get("proxy-status") or b"").decode()
    assert proxy_status.startswith("sidecar; error=")
    assert f'details="{reason}' in proxy_status
    assert answer.get("cache-control") == b"no-store"
    assert answer.get("content-length") == str(len(answer.body)).encode()
    assert answer.get("server") is None


async def test_no_route_is_an_answer_of_its_own() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, route="match: {path: /api}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            assert_own(await peer.get("/other"), 404, "no_route")
            # The connection stays: nothing was wrong with it.
            assert (await peer.get("/api/x")).status == 200
            assert len(backend.requests) == 1


async def test_head_gets_the_head_of_it_only() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, route="match: {path: /api}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            answer = await peer.ask(b"HEAD /other HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (answer.status, answer.body) == (404, b"")
            assert int(answer.get("content-length") or b"0") > 0
            assert (await peer.get("/api")).body == b"ok"


async def test_a_timeout_names_the_rule() -> None:
    async with Backend(stall) as backend:
        rules = rules_text(backend.url, route="timeout: {attempt: 100ms}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            answer = await peer.get("/", "X-Request-Id: mine")
            assert_own(answer, 504, "attempt_timeout", "everything/timeout.attempt")
            assert answer.problem["request_id"] == "mine"
            assert answer.get("x-request-id") == b"mine"


async def test_a_bad_request_closes_the_connection() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.ask(b"GET / HTTP/1.1\r\n\r\n")
        assert_own(answer, 400, "bad_request")
        assert answer.get("connection") == b"close"
        assert await peer.rest() == b""
        assert backend.requests == []


async def test_nothing_of_the_request_is_repeated_in_the_answer() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.ask(b"GET / HTTP/1.1\r\nHost: a\r\n<script>secret</script>: 1\r\n\r\n")
        assert answer.status == 400
        assert b"secret" not in answer.raw
        assert backend.requests == []


async def test_the_address_of_the_backend_is_not_told() -> None:
    with refusing() as port:
        async with running(f"http://127.0.0.1:{port}", sets=["upstreams.app.hold=null"]) as proxy, proxy.peer() as peer:
            answer = await peer.get()
            assert_own(answer, 502, "connect_failure")
            assert str(port).encode() not in answer.raw


class Buggy(RouteObserver):
    """An observer of ours that fails once, at one place, after doing its work."""

    def __init__(self, observer: RouteObserver, where: str) -> None:
        self._observer = observer
        self._where = where
        self._left = 1

    def _told(self, name: str) -> None:
        if name == self._where and self._left:
            self._left = 0
            raise ZeroDivisionError("a bug of ours")

    def started(self) -> None:
        self._observer.started()
        self._told("started")

    def finished(self, method: bytes, status: int, seconds: float, trace_id: bytes, sampled: bool) -> None:
        self._observer.finished(method, status, seconds, trace_id, sampled)
        self._told("finished")

    def rejected(self, rule: str, reason: Reason) -> None:
        self._observer.rejected(rule, reason)


@pytest.mark.parametrize("where", ["started", "finished"])
async def test_a_bug_ends_one_exchange_with_a_traceback_and_no_other(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as bystander:
        assert (await bystander.get()).status == 200
        for route in proxy.proxy.current.runtime.routes:
            route.observer = Buggy(route.observer, where)
        async with proxy.peer() as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received = await peer.ended()
        if where == "started":
            assert received.startswith(b"HTTP/1.1 500 ")
            assert b"internal_error" in received
            assert b"bug of ours" not in received
        assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)
        assert (await bystander.get()).status == 200
        await bystander.close()
        await proxy.quiet()
