"""Spans over real sockets: what a collector receives of a retry, and that it is the trace which the backend saw."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.app import tracing as tracing_module
from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, refusing
from tests.doubles.collector import CLIENT, SERVER, Collector, Received
from tests.doubles.process import process
from tests.doubles.running import RunningProxy, example, rules_text, running

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
TRACE_ID, CALLER = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
SAMPLED = f"traceparent: 00-{TRACE_ID.decode()}-{CALLER.decode()}-01"
NOT_SAMPLED = f"traceparent: 00-{TRACE_ID.decode()}-{CALLER.decode()}-00"
RETRY = "retry: {max_attempts: 2, on: [503, connect_failure], backoff: {base: 1ms, max: 1ms}}"

# A proxy that serves a request, and then says which modules of the extra it has imported.
WITHOUT = """
import asyncio, sys
from tests.doubles.backend import OK, Backend
from tests.doubles.running import running

async def main():
    async with Backend(OK) as backend, running(backend.url) as proxy:
        assert (await proxy.ask()).status == 200

asyncio.run(main())
print([name for name in sys.modules if name.startswith(("opentelemetry", "requests", "google"))])
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may keep a thread from its turn for longer than an end in earnest would wait."""
    monkeypatch.setattr(tracing_module, "FLUSH_SECONDS", LIMIT_SECONDS)


def exporting(*urls: str, collector: Collector, tracing: str = "", upstream: str = "") -> str:
    rules = rules_text(*urls, upstream=upstream, route=f"match: {{path: '/users/{{id}}'}}, {RETRY}")
    return f"{rules}tracing: {{export: {{endpoint: '{collector.url}', service: shop}}, {tracing}}}\n"


def by_kind(spans: list[Received]) -> tuple[list[Received], list[Received]]:
    clients = sorted(
        (span for span in spans if span.span.kind == CLIENT), key=lambda span: span.span.start_time_unix_nano
    )
    return [span for span in spans if span.span.kind == SERVER], clients


async def flushed(proxy: RunningProxy) -> None:
    """Has the export send what it has."""
    await proxy.adopt(rules_text("http://127.0.0.1:1"))


async def test_a_retry_is_one_server_span_with_two_client_spans_below_it() -> None:
    async with Collector() as collector, Backend(BUSY, OK) as backend:
        async with running(rules=exporting(backend.url, collector=collector)) as proxy:
            answer = await proxy.ask("/users/7?secret=1", SAMPLED, "tracestate: congo=t61rcWkgMzE")
            assert answer.status == 200
        (server,), (first, second) = by_kind(await collector.received(3))
    assert len(collector.spans) == 3
    seen = [(request.get("traceparent") or b"").split(b"-") for request in backend.requests]
    assert [parent[1] for parent in seen] == [TRACE_ID, TRACE_ID]
    assert [parent[2] for parent in seen] == [first.span_id, second.span_id]
    assert {span.trace_id for span in collector.spans} == {TRACE_ID}
    assert server.parent_id == CALLER
    assert first.parent_id == second.parent_id == server.span_id
    assert server.span.trace_state == "congo=t61rcWkgMzE"
    assert (server.name, first.name, server.resource["service.name"]) == ("GET /users/{id}", "GET", "shop")
    assert (first.attributes["error.type"], first.attributes["http.response.status_code"]) == ("503", 503)
    assert "http.request.resend_count" not in first.attributes
    assert (second.attributes["http.request.resend_count"], second.attributes["sidecar.outcome"]) == (1, "success")
    assert (first.is_error, second.is_error, server.is_error) == (True, False, False)
    assert server.attributes["url.path"] == "/users/7"
    assert b"secret" not in b"".join(span.span.SerializeToString() for span in collector.spans)
    assert server.span.start_time_unix_nano <= first.span.start_time_unix_nano <= server.span.end_time_unix_nano


async def test_a_trace_that_begins_here_is_the_one_that_the_backend_sees() -> None:
    async with Collector() as collector, Backend(OK) as backend:
        async with running(rules=exporting(backend.url, collector=collector)) as proxy:
            await proxy.ask("/users/7")
        (server,), (client,) = by_kind(await collector.received(2))
    version, trace_id, parent, flags = (backend.requests[0].get("traceparent") or b"").split(b"-")
    assert (version, trace_id, parent, flags[:1]) == (b"00", server.trace_id, client.span_id, b"0")
    assert int(flags, 16) & 1
    assert server.parent_id == b""


async def test_an_attempt_is_told_with_the_path_that_a_rewrite_made() -> None:
    async with Collector() as collector, Backend(OK) as backend:
        rules = exporting(backend.url, collector=collector).replace("retry:", "rewrite: {add_prefix: /v1}, retry:")
        async with running(rules=rules) as proxy:
            await proxy.ask("/users/7?secret=1")
        (server,), (client,) = by_kind(await collector.received(2))
    assert backend.requests[0].target == b"/v1/users/7?secret=1"
    assert (server.attributes["url.path"], client.attributes["url.full"]) == ("/users/7", f"{backend.url}/v1/users/7")


async def test_a_refusal_is_a_server_span_that_says_why() -> None:
    async with Collector() as collector, Backend(OK) as backend:
        async with running(rules=exporting(backend.url, collector=collector)) as proxy:
            assert (await proxy.ask("/nowhere")).status == 404
        (server,) = await collector.received(1)
    assert (server.name, server.attributes["sidecar.reason"]) == ("GET", "no_route")
    assert not server.is_error


async def test_an_endpoint_that_refuses_leaves_spans_of_attempts_that_were_never_sent() -> None:
    with refusing() as port:
        async with Collector() as collector:
            async with running(
                rules=exporting(f"http://127.0.0.1:{port}", collector=collector, upstream="hold: null")
            ) as proxy:
                assert (await proxy.ask("/users/7")).status == 502
            (server,), clients = by_kind(await collector.received(3))
    assert [span.attributes["error.type"] for span in clients] == ["connect_failure", "connect_failure"]
    assert len({span.span_id for span in collector.spans}) == 3
    assert all(span.attributes["server.port"] == port for span in clients)
    assert (server.is_error, server.attributes["error.type"]) == (True, "connect_failure")


async def test_what_the_caller_does_not_sample_and_what_is_not_in_the_share_is_not_exported() -> None:
    async with Collector() as collector, Backend(OK) as backend:
        async with running(rules=exporting(backend.url, collector=collector, tracing="sample: 0")) as proxy:
            await proxy.ask("/users/1", NOT_SAMPLED)
            await proxy.ask("/users/2")
            await proxy.ask("/users/3", SAMPLED)
        await collector.received(2)
    assert {span.attributes["url.path"] for span in by_kind(collector.spans)[0]} == {"/users/3"}


async def test_other_rules_export_elsewhere_and_what_was_taken_before_arrives() -> None:
    async with Collector() as before, Collector() as after, Backend(OK) as backend:
        async with running(rules=exporting(backend.url, collector=before)) as proxy:
            await proxy.ask("/users/1")
            await proxy.adopt(exporting(backend.url, collector=after))
            await before.received(2)
            await proxy.ask("/users/2")
        await after.received(2)
    assert (len(before.spans), len(after.spans)) == (2, 2)


async def test_a_collector_that_is_away_costs_spans_and_nothing_else() -> None:
    async with Collector() as collector, Backend(OK) as backend:
        collector.status = 400
        async with running(rules=exporting(backend.url, collector=collector)) as proxy:
            assert (await proxy.ask("/users/1")).status == 200
            await flushed(proxy)
            await proxy.until(lambda: proxy.stats.spans_failed == 2)
            metrics = (await proxy.admin("GET", "/metrics")).body
            assert b'sidecar_spans_total{result="failed"} 2.0' in metrics


async def test_the_example_exports_with_its_credentials() -> None:
    async with Collector() as collector, Backend(OK) as backend:
        sets = (f"tracing.export.endpoint={collector.url}", "tracing.sample=1")
        async with running(given=example("tracing-export", backend.url, sets=sets)) as proxy:
            await proxy.ask("/")
        server = by_kind(await collector.received(2))[0][0]
    assert collector.headers[0]["authorization"] == "none"
    assert server.resource["service.name"] == "checkout"
    assert server.resource["deployment.environment.name"] == "production"


async def test_each_worker_exports_what_it_served(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    async with Collector() as collector, Backend(OK) as backend:
        rules.write_text(exporting(backend.url, collector=collector) + "drain: {announce: 0s, deadline: 5s}\n")
        async with process(rules=rules, workers=2, listen=None, admin=None) as proxy:
            async with proxy.peer() as peer:
                await peer.ask(b"GET /users/1 HTTP/1.1\r\nHost: a\r\n\r\n")
            await collector.received(2)
            proxy.signal(signal.SIGTERM)
            assert await proxy.ended() == 0
    assert len({span.resource["process.pid"] for span in collector.spans}) == 1
    assert all(span.resource["process.pid"] != proxy.pid for span in collector.spans)


async def test_a_proxy_that_exports_nothing_imports_nothing_for_it() -> None:
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITHOUT, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(3 * LIMIT_SECONDS):
        out, errors = await ran.communicate()
    assert (out.decode().strip(), errors.decode()) == ("[]", "")
