"""What a request and an answer look like on the other side: kept as they came, but for what must be said or cut."""

from __future__ import annotations

import re

import pytest

from tests.doubles.backend import Backend
from tests.doubles.running import rules_text, running


async def test_the_fields_of_a_proxy_are_added() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.get()
        request = backend.requests[0]
        assert request.get("host") == b"test"
        assert request.get("x-forwarded-for") == b"127.0.0.1"
        assert request.get("x-forwarded-proto") == b"http"
        assert request.get("x-forwarded-host") == b"test"
        assert request.get("via") == b"1.1 sidecar"
        assert re.fullmatch(rb"[0-9a-f-]{16,64}", request.get("x-request-id") or b"")
        assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", request.get("traceparent") or b"")
        assert 0 < int(request.get("x-request-timeout-ms") or b"0") <= 15_000
        assert request.get("x-sidecar-attempt") is None


async def test_what_a_client_claims_is_continued_or_replaced() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.get(
            "/",
            "X-Request-Id: mine-1",
            f"traceparent: {trace}",
            "Via: 1.0 other",
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: forged.example",
        )
        request = backend.requests[0]
        assert request.get("x-request-id") == b"mine-1"
        traceparent = request.get("traceparent") or b""
        assert traceparent.split(b"-")[1] == trace.split("-")[1].encode()
        assert request.get("via") == b"1.0 other, 1.1 sidecar"
        assert request.get("x-forwarded-for") == b"203.0.113.9, 127.0.0.1"
        # The socket's peer is not among the trusted: what it says of scheme and host is not believed.
        assert request.get("x-forwarded-proto") == b"http"
        assert request.get("x-forwarded-host") == b"test"
        assert answer.get("via") == b"1.1 sidecar"


async def test_a_trusted_peer_is_believed() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, listener="trusted_proxies: [127.0.0.0/8]")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            await peer.get("/", "X-Forwarded-Proto: https", "X-Forwarded-Host: real.example")
            request = backend.requests[0]
            assert request.get("x-forwarded-proto") == b"https"
            assert request.get("x-forwarded-host") == b"real.example"


async def test_order_case_and_duplicates_of_fields_are_kept() -> None:
    sent = [
        (b"HoSt", b"example.com:8080"),
        (b"X-B", b"2"),
        (b"x-a", b"1"),
        (b"Cookie", b"a=1"),
        (b"X-B", b"3"),
        (b"Cookie", b"b=2"),
        (b"ACCEPT", b"*/*"),
        (b"X-Empty", b""),
        (b"X-Bytes", b"caf\xe9 \xf0\x9f\x92\xa9"),
    ]
    block = b"".join(name + b": " + value + b"\r\n" for name, value in sent)
    answered = b"Set-Cookie: a=1\r\nset-cookie: b=2\r\nX-ODD: y\r\nServer: it\r\nDate: today\r\nContent-Length: 0\r\n"
    async with (
        Backend(b"HTTP/1.1 200 Very Fine\r\n" + answered + b"\r\n") as backend,
        running(backend.url) as proxy,
        proxy.peer() as peer,
    ):
        answer = await peer.ask(b"GET / HTTP/1.1\r\n" + block + b"\r\n")
        assert [field for field in backend.requests[0].fields if field in sent] == sent
        assert answer.reason == b"Very Fine"
        assert answer.head.split(b"\r\n", 1)[1].startswith(answered)


@pytest.mark.parametrize(
    "target",
    [
        "/a//b/../c/./d",
        "/%2e%2E/%2f%00%zz",
        "/?",
        "/?a=b&a=c&&=;x?y",
        "/p;v=1/~user/'()*!$&+,=:@",
        "//double/start",
        "/caf%C3%A9?q=%20+%2B",
        "/{id}|^`",
    ],
)
async def test_path_and_query_pass_byte_for_byte(target: str) -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.get(target)).status == 200
        assert backend.requests[0].target == target.encode()


async def test_an_absolute_target_becomes_a_path_and_a_host() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.ask(b"GET http://real.example/p?q HTTP/1.1\r\nHost: other\r\n\r\n")
        request = backend.requests[0]
        assert (request.target, request.get("host")) == (b"/p?q", b"real.example")


async def test_options_asks_the_backend_about_itself() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
        assert backend.requests[0].line == b"OPTIONS * HTTP/1.1"


async def test_hop_by_hop_fields_are_cut_both_ways() -> None:
    cut = b"Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nX-Named: secret\r\nX-Kept: 1\r\n"
    async with (
        Backend(b"HTTP/1.1 200 OK\r\nConnection: x-named\r\n" + cut + b"Content-Length: 0\r\n\r\n") as backend,
        running(backend.url) as proxy,
        proxy.peer() as peer,
    ):
        answer = await peer.ask(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Named\r\nTE: trailers, gzip\r\n" + cut + b"\r\n"
        )
        for side in (answer, backend.requests[0]):
            assert side.get("x-kept") == b"1"
            for name in ("keep-alive", "proxy-connection", "x-named"):
                assert side.all(name) == []
        assert backend.requests[0].get("te") in (None, b"trailers")


async def test_an_unknown_method_is_passed_on() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.ask(b"PURGE /x HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
        assert backend.requests[0].method == b"PURGE"


async def test_a_shorter_deadline_of_the_caller_is_told_to_the_backend() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.get("/", "X-Request-Timeout-Ms: 2000")
        await peer.get("/", "X-Request-Timeout-Ms: 99999999")
        assert 0 < int(backend.requests[0].get("x-request-timeout-ms") or b"0") <= 2_000
        assert 2_000 < int(backend.requests[1].get("x-request-timeout-ms") or b"0") <= 15_000
