"""What a front answers by itself and tells its backend: the examples, run as they are written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.doubles.backend import Backend
from tests.doubles.certificates import root, server_certificate
from tests.doubles.peer import Answer, Peer
from tests.doubles.running import RunningProxy, example, running
from tests.doubles.steps import UNAVAILABLE
from tests.doubles.tls import NAME, trusting


def https_redirect(tmp_path: Path, *urls: str) -> tuple[str, list[str]]:
    """What the example needs of this machine: the authority, and the settings."""
    files = server_certificate(NAME).write(tmp_path)
    sets = [
        "listeners.secure.address=127.0.0.2:0",
        f"listeners.secure.tls.certificate={files.certificate}",
        f"listeners.secure.tls.private_key={files.private_key}",
        *[f"upstreams.certbot.endpoints=['{url}']" for url in urls],
    ]
    return root().write(tmp_path), sets


async def over_tls(proxy: RunningProxy, ca: str, request: bytes) -> Answer:
    port = proxy.proxy.addresses[1].port
    context = trusting(ca)
    async with Peer(*await asyncio.open_connection("127.0.0.2", port, ssl=context, server_hostname=NAME)) as peer:
        return await peer.ask(request)


async def test_plain_http_is_sent_to_https_and_challenges_are_not(tmp_path: Path) -> None:
    async with Backend() as app, Backend() as certbot:
        ca, sets = https_redirect(tmp_path, certbot.url)
        async with running(given=example("https-redirect", app.url, sets=sets)) as proxy:
            async with proxy.peer() as peer:
                answer = await peer.ask(b"GET /a%2Fb?c=d HTTP/1.1\r\nHost: shop.example.com:8080\r\n\r\n")
                assert (answer.status, answer.body) == (308, b"")
                assert answer.get("location") == b"https://shop.example.com/a%2Fb?c=d"
                assert (await peer.get("/.well-known/acme-challenge/x")).status == 200, "the connection stays"
            assert (len(app.requests), len(certbot.requests)) == (0, 1)
            assert proxy.stats.routes["to-https"].requests == {(b"GET", 308): 1}
            assert proxy.stats.routes["to-https"].rejections == {}
            asked = b"GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a\r\n\r\n"
            secured = await over_tls(proxy, ca, asked)
            assert secured.get("strict-transport-security") == b"max-age=31536000"
            assert app.requests[0].get("x-forwarded-proto") == b"https"
            assert len(certbot.requests) == 1, "that route is of the other listener"


async def test_an_error_of_the_sidecars_own_has_the_security_fields_too(tmp_path: Path) -> None:
    async with Backend(UNAVAILABLE) as app:
        ca, sets = https_redirect(tmp_path)
        sets.append("routes.everything.rate_limits=[{name: all, rate: 1/h, burst: 1}]")
        async with running(given=example("https-redirect", app.url, sets=sets)) as proxy:
            first = await over_tls(proxy, ca, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            refused = await over_tls(proxy, ca, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (first.status, refused.status) == (503, 429)
    for answer in (first, refused):
        assert answer.get("strict-transport-security") == b"max-age=31536000"
        assert answer.get("x-content-type-options") == b"nosniff"
    assert refused.problem["reason"] == "rate_limited"


async def test_fixed_answers_need_no_backend() -> None:
    async with Backend() as app, running(given=example("own-answers", app.url)) as proxy, proxy.peer() as peer:
        robots = await peer.get("/robots.txt")
        assert (robots.status, robots.body) == (200, b"User-agent: *\nDisallow: /admin\n")
        assert robots.get("content-type") == b"text/plain; charset=utf-8"
        assert robots.get("cache-control") == b"max-age=86400"
        assert robots.get("ratelimit") is not None
        head = await peer.ask(b"HEAD /robots.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (head.status, head.body, head.get("content-length")) == (200, b"", b"31")
        refused = await peer.get("/admin/x")
        assert (refused.status, refused.body) == (403, b"not here\n")
        assert refused.get("proxy-status") is None
        moved = await peer.ask(b"GET /old/x?y=1 HTTP/1.1\r\nHost: a:8080\r\n\r\n")
        assert (moved.status, moved.get("location")) == (302, b"http://a:8080/new?y=1")
        canonical = await peer.ask(b"GET /a HTTP/1.1\r\nHost: www.shop.example.com\r\n\r\n")
        assert (canonical.status, canonical.get("location")) == (301, b"http://shop.example.com/a")
        assert app.requests == []
        assert proxy.stats.routes["admin"].rejections == {}
        assert (await peer.get("/")).status == 200


async def test_a_fixed_answer_is_limited_as_any_other() -> None:
    async with Backend() as app:
        sets = ["routes.robots.rate_limits=[{name: all, rate: 1/h, burst: 1}]"]
        async with running(given=example("own-answers", app.url, sets=sets)) as proxy:
            assert [(await proxy.ask("/robots.txt")).status for _ in range(2)] == [200, 429]


async def test_who_asked_is_told_by_forwarded_and_a_stranger_is_not_believed() -> None:
    async with Backend() as app, running(given=example("forwarded", app.url)) as proxy:
        await proxy.ask("/", "Forwarded: for=1.1.1.1", "X-Forwarded-For: 1.1.1.1")
        (request,) = app.requests
        assert request.get("forwarded") == b"for=127.0.0.1;proto=http;by=_edge;host=test"
        assert request.get("x-forwarded-for") is None
        assert request.get("x-forwarded-proto") is None


async def test_a_trusted_proxys_chain_is_continued() -> None:
    sets = ["listeners.public.trusted_proxies=127.0.0.0/8"]
    async with Backend() as app, running(given=example("forwarded", app.url, sets=sets)) as proxy:
        await proxy.ask("/", 'Forwarded: for="[2001:db8::1]";proto=https')
        (request,) = app.requests
        assert request.get("forwarded") == (
            b'for="[2001:db8::1]";proto=https, for=127.0.0.1;proto=http;by=_edge;host=test'
        )


@pytest.mark.parametrize("host", [b"a@evil.example", b"a b", b"a\\b", b"a/b"])
async def test_a_redirect_never_leads_where_a_malformed_host_says(host: bytes) -> None:
    async with Backend() as app, running(given=example("own-answers", app.url)) as proxy, proxy.peer() as peer:
        answer = await peer.ask(b"GET /old HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert answer.status == 400
        assert answer.get("location") is None
