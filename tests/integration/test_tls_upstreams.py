"""Endpoints that speak TLS: believed or not, each failure by its name, and connections that follow the rules."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.certificates import (
    EXPIRED_DAYS,
    FUTURE_DAYS,
    Certificate,
    client_certificate,
    root,
    server_certificate,
    stranger,
)
from tests.doubles.running import example, rules_text, running

pytestmark = pytest.mark.both_loops

# One attempt, and nobody who keeps score of it.
PLAIN = "circuit_breaker: null"
ONCE = "retry: null"


def serving(
    folder: Path,
    certificate: Certificate | None = None,
    *,
    client_ca: str | None = None,
    version: ssl.TLSVersion | None = None,
) -> ssl.SSLContext:
    """How a backend speaks TLS."""
    files = (certificate or server_certificate()).write(folder, "backend")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def trusting(folder: Path, *more: str) -> str:
    """What an upstream says of TLS."""
    terms = [f"ca: '{root().write(folder)}'", *more]
    return f"tls: {{{', '.join(terms)}}}, connect_timeout: 5s, {PLAIN}"


def spoken(call: Call) -> ssl.SSLObject:
    session: ssl.SSLObject = call.connection.writer.get_extra_info("ssl_object")
    return session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_requests_go_over_tls_on_connections_that_are_kept(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with Backend(tls=serving(tmp_path, version=version)) as backend:
        rules = rules_text(backend.url, upstream=trusting(tmp_path))
        async with running(rules=rules) as proxy:
            answers = [await proxy.ask(f"/{number}", body=b"x" * 40_000, method="PUT") for number in range(3)]
            assert [(answer.status, answer.body) for answer in answers] == [(200, b"ok")] * 3
            assert len(backend.connections) == 1
            request = backend.requests[0]
            assert request.get("host") == b"test"
            assert request.body == b"x" * 40_000
            assert proxy.failures() == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_new_connection_goes_on_with_the_session_of_the_last(tmp_path: Path, version: ssl.TLSVersion) -> None:
    resumed: list[bool | None] = []

    async def tells(call: Call) -> None:
        resumed.append(spoken(call).session_reused)
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        call.close()

    async with Backend(tells, tls=serving(tmp_path, version=version)) as backend:
        rules = rules_text(backend.url, upstream=trusting(tmp_path))
        async with running(rules=rules) as proxy:
            for _ in range(3):
                assert (await proxy.ask()).status == 200
                await proxy.quiet()
    assert resumed == [False, True, True]


async def test_an_answer_comes_whole_be_it_large_or_as_long_as_its_connection(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096

    async def whole(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def until_close(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
        call.close()

    async with Backend(whole, until_close, tls=serving(tmp_path)) as backend:
        rules = rules_text(backend.url, upstream=trusting(tmp_path), route=ONCE)
        async with running(rules=rules) as proxy:
            assert (await proxy.ask()).body == body
            assert (await proxy.ask()).body == b"all of it"


BAD: list[tuple[str, Callable[[], Certificate], str, str, str]] = [
    ("expired", lambda: server_certificate(days=EXPIRED_DAYS), "", "certificate_expired", "has expired"),
    ("not yet valid", lambda: server_certificate(days=FUTURE_DAYS), "", "certificate_expired", "not valid yet"),
    ("another name", lambda: server_certificate("old.example"), "", "certificate_wrong_name", "not for 127.0.0.1"),
    ("not that name", server_certificate, "server_name: app.internal", "certificate_wrong_name", "for app.internal"),
    ("a stranger's", lambda: server_certificate(authority=stranger()), "", "certificate_untrusted", "nobody trusted"),
    ("too old", server_certificate, "min_version: '1.3'", "tls_handshake_failed", "during the TLS handshake"),
]


@pytest.mark.parametrize(
    ("certificate", "terms", "code", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
async def test_what_goes_wrong_with_tls_is_named_wherever_it_is_told(
    tmp_path: Path,
    certificate: Callable[[], Certificate],
    terms: str,
    code: str,
    said: str,
) -> None:
    shown = certificate()
    log = io.BytesIO()
    version = ssl.TLSVersion.TLSv1_2 if "min_version" in terms else None
    async with Backend(tls=serving(tmp_path, shown, version=version)) as backend:
        url = f"https://127.0.0.1:{backend.port}"
        rules = rules_text(url, upstream=trusting(tmp_path, *filter(None, [terms])), route=ONCE)
        async with running(rules=rules.replace("'off'", "errors"), write=lambda line: bool(log.write(line))) as proxy:
            answer = await proxy.ask()
            assert answer.status == 502
            assert answer.problem["reason"] == code
            error = "tls_protocol_error" if code.startswith("tls") else "tls_certificate_error"
            assert f"error={error}".encode() in (answer.get("proxy-status") or b"")
            stats = proxy.stats.upstreams["app"]
            assert dict(stats.attempts) == {code: 1}
            assert dict(stats.connects) == {code: 1}
        assert backend.requests == []
    entry = json.loads(log.getvalue())
    assert (entry["reason"], entry["status"]) == (code, 502)
    assert entry["detail"].startswith(f"127.0.0.1:{backend.port}: ")
    assert said in entry["detail"]


async def test_an_endpoint_that_speaks_plain_http_is_said_to_speak_no_tls(tmp_path: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    log = io.BytesIO()
    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        rules = rules_text(url, upstream=trusting(tmp_path), route=ONCE).replace("'off'", "errors")
        async with running(rules=rules, write=lambda line: bool(log.write(line))) as proxy:
            answer = await proxy.ask()
            assert (answer.status, answer.problem["reason"]) == (502, "tls_handshake_failed")
    assert json.loads(log.getvalue())["detail"].endswith(": the endpoint does not speak TLS")


async def test_without_verification_any_certificate_will_do(tmp_path: Path) -> None:
    bad = server_certificate("old.example", days=EXPIRED_DAYS, authority=stranger())
    async with Backend(tls=serving(tmp_path, bad)) as backend:
        rules = rules_text(backend.url, upstream="tls: {verify: false}")
        async with running(rules=rules) as proxy:
            assert (await proxy.ask()).status == 200


async def test_a_name_is_asked_for_and_an_address_is_not(tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = serving(tmp_path, server_certificate("app.internal", "127.0.0.1"))
    context.sni_callback = lambda session, name, _: asked.append(name)
    async with Backend(tls=context) as backend:
        for terms in ("server_name: App.Internal", "min_version: '1.2'"):
            async with running(rules=rules_text(backend.url, upstream=trusting(tmp_path, terms))) as proxy:
                assert (await proxy.ask()).status == 200
    assert asked == ["app.internal", None]


async def test_a_host_name_is_checked_whatever_address_it_has(tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = serving(tmp_path, server_certificate("localhost"))
    context.sni_callback = lambda session, name, _: asked.append(name)
    async with Backend(tls=context) as backend:
        rules = rules_text(f"https://localhost:{backend.port}", upstream=trusting(tmp_path))
        async with running(rules=rules) as proxy:
            assert (await proxy.ask()).status == 200
    assert asked == ["localhost"]


async def test_our_own_certificate_is_shown_to_who_asks_for_it(tmp_path: Path) -> None:
    subjects: list[Any] = []

    async def tells(call: Call) -> None:
        peer = spoken(call).getpeercert()
        subjects.append(peer and peer["subject"])
        await call.body()
        await call.send(OK)

    files = client_certificate("sidecar").write(tmp_path, "own")
    own = f"certificate: '{files.certificate}', private_key: '{files.private_key}'"
    async with Backend(tells, tls=serving(tmp_path, client_ca=root().write(tmp_path))) as backend:
        rules = rules_text(backend.url, upstream=trusting(tmp_path, own))
        async with running(rules=rules) as proxy:
            assert (await proxy.ask()).status == 200
    assert subjects == [((("commonName", "sidecar"),),)]


async def test_who_asks_for_our_certificate_and_gets_none_says_so(tmp_path: Path) -> None:
    tls = serving(tmp_path, client_ca=root().write(tmp_path), version=ssl.TLSVersion.TLSv1_2)
    async with Backend(tls=tls) as backend:
        async with running(rules=rules_text(backend.url, upstream=trusting(tmp_path), route=ONCE)) as proxy:
            answer = await proxy.ask()
            assert (answer.status, answer.problem["reason"]) == (502, "tls_handshake_failed")
        assert backend.requests == []


async def test_a_failed_handshake_is_tried_again_elsewhere(tmp_path: Path) -> None:
    bad = server_certificate(days=EXPIRED_DAYS)
    async with Backend(tls=serving(tmp_path, bad)) as first, Backend(tls=serving(tmp_path)) as second:
        rules = rules_text(
            first.url,
            second.url,
            upstream=f"{trusting(tmp_path)}, balance: round_robin",
            route="retry: {on: [connect_failure], backoff: {base: 1ms, max: 1ms}}",
        )
        async with running(rules=rules) as proxy:
            answers = [await proxy.ask(method="POST", body=b"x") for _ in range(4)]
            assert [answer.status for answer in answers] == [200] * 4
            assert proxy.stats.upstreams["app"].attempts["certificate_expired"] >= 1
        assert len(second.requests) == 4


async def test_failures_of_tls_open_a_circuit_breaker(tmp_path: Path) -> None:
    async with Backend(tls=serving(tmp_path, server_certificate("old.example"))) as backend:
        upstream = trusting(tmp_path).replace(PLAIN, "circuit_breaker: {consecutive_failures: 3}")
        async with running(rules=rules_text(backend.url, upstream=upstream, route=ONCE)) as proxy:
            told = [(await proxy.ask()).problem["reason"] for _ in range(4)]
    assert told == ["certificate_wrong_name"] * 3 + ["circuit_open"]


async def test_connections_made_under_other_terms_end_and_none_is_cut(tmp_path: Path) -> None:
    held: list[Call] = []

    async def waits(call: Call) -> None:
        held.append(call)

    async with Backend(OK, waits, OK, tls=serving(tmp_path)) as backend:
        rules = rules_text(backend.url, upstream=trusting(tmp_path))
        async with running(rules=rules) as proxy:
            await proxy.ask()
            async with proxy.peer() as peer:
                await peer.send(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
                await proxy.until(lambda: bool(held))
                await proxy.adopt(rules_text(backend.url, upstream=trusting(tmp_path)))
                assert proxy.leased() == 1
                await proxy.adopt(rules_text(backend.url, upstream=trusting(tmp_path, "min_version: '1.3'")))
                await held[0].send(OK)
                assert (await peer.answer()).body == b"ok"
            assert proxy.pooled() == 0, "it carries no further request"
            await proxy.ask()
            assert len(backend.connections) == 2


async def test_from_plaintext_to_tls_and_back_every_request_goes_the_way_of_its_rules(tmp_path: Path) -> None:
    async with Backend(tls=serving(tmp_path)) as backend:
        plain, secure = f"http://127.0.0.1:{backend.port}", backend.url
        async with running(rules=rules_text(plain, route=ONCE, upstream=PLAIN)) as proxy:
            assert (await proxy.ask()).status == 502
            await proxy.adopt(rules_text(secure, upstream=trusting(tmp_path), route=ONCE))
            assert (await proxy.ask()).status == 200
            await proxy.adopt(rules_text(plain, route=ONCE, upstream=PLAIN))
            assert (await proxy.ask()).status == 502


async def test_health_checks_go_over_tls_with_the_same_terms(tmp_path: Path) -> None:
    check = "health_check: {path: /healthz, interval: 100ms, timeout: 5s, unhealthy_after: 1}"
    async with Backend(tls=serving(tmp_path)) as backend:
        rules = rules_text(backend.url, upstream=f"{trusting(tmp_path)}, {check}")
        async with running(rules=rules) as proxy:
            endpoint = proxy.proxy.current.runtime.upstreams["app"].endpoints[0]
            await proxy.until(lambda: not endpoint.down)
            assert (backend.requests[0].target, backend.requests[0].get("connection")) == (b"/healthz", b"close")
            other = rules_text(backend.url, upstream=f"{trusting(tmp_path, 'server_name: app.internal')}, {check}")
            await proxy.adopt(other)
            await proxy.until(lambda: endpoint.down)
            assert proxy.proxy.checks.verdicts.why(endpoint) == "its certificate is not for app.internal"


async def test_the_example_checks_and_is_checked(tmp_path: Path) -> None:
    own = client_certificate("sidecar").write(tmp_path, "client")
    ca = root().write(tmp_path)
    sets = [
        f"upstreams.app.tls.{key}={path}"
        for key, path in (("ca", ca), ("certificate", own.certificate), ("private_key", own.private_key))
    ]
    tls = serving(tmp_path, server_certificate("app.internal"), client_ca=ca)
    async with Backend(tls=tls) as backend, running(given=example("tls-upstream", backend.url, sets=sets)) as proxy:
        endpoint = proxy.proxy.current.runtime.upstreams["app"].endpoints[0]
        await proxy.until(lambda: not endpoint.down)
        assert (await proxy.ask()).status == 200


async def test_bytes_of_a_tcp_route_go_over_tls_whoever_speaks_first(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello ")  # the server speaks first
        writer.write(await reader.readline())
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    tls = serving(tmp_path)
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=tls) as server:
        url = f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        rules = rules_text(
            url, upstream=trusting(tmp_path), listener="protocol: tcp", route="match: {listener: public}"
        )
        async with running(rules=rules) as proxy:
            async with proxy.peer() as peer:
                assert await peer.exactly(6) == b"hello "
                await peer.send(b"world\n")
                assert await peer.rest() == b"world\n"
            await proxy.quiet()
            assert dict(proxy.stats.upstreams["app"].attempts) == {"success": 1}
