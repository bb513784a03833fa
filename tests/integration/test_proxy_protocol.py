"""Clients behind a proxy that says by the PROXY protocol who they are, and backends that want to be told."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.doubles.backend import OK, Backend
from tests.doubles.running import RunningProxy, example, rules_text, running

BELIEVING = "proxy_protocol: true, trusted_proxies: [127.0.0.1]"
CLIENT = "203.0.113.9"
LINE = b"PROXY TCP4 203.0.113.9 198.51.100.2 51000 443\r\n"
V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes([203, 0, 113, 9, 198, 51, 100, 2]) + b"\xc7\x38\x01\xbb"
LIMIT = "rate_limits: [{name: each, key: client_ip, rate: 1/h, burst: 1}]"


def counted(proxy: RunningProxy, listener: str = "public") -> dict[str, int]:
    """The headers of connections so far, by result."""
    return proxy.proxy.stats.listener(listener).proxy_headers


@pytest.mark.parametrize("header", [LINE, V2])
async def test_the_announced_client_is_the_client(header: bytes) -> None:
    lines: list[dict[str, object]] = []

    def write(line: bytes) -> bool:
        lines.append(json.loads(line))
        return True

    async with Backend() as backend:
        rules = rules_text(backend.url, listener=BELIEVING, route=LIMIT).replace("access: 'off'", "access: all")
        async with running(rules=rules, write=write) as proxy:
            for source, status in ((header, 200), (header, 429), (b"PROXY UNKNOWN\r\n", 200)):
                async with proxy.peer() as peer:
                    await peer.send(source)
                    assert (await peer.get()).status == status
            assert counted(proxy) == {"ok": 2, "local": 1}
        chain = [request.get("x-forwarded-for") for request in backend.requests]
        assert chain == [CLIENT.encode(), b"127.0.0.1"]
        assert [line["client"] for line in lines] == [CLIENT, CLIENT, "127.0.0.1"]


async def test_what_the_announced_client_says_of_others_is_believed_only_if_it_is_trusted() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, listener=BELIEVING, route=LIMIT)
        async with running(rules=rules) as proxy:
            for forged in ("192.0.2.1", "192.0.2.2"):
                async with proxy.peer() as peer:
                    await peer.send(LINE)
                    answer = await peer.get("/", f"X-Forwarded-For: {forged}")
                    assert answer.status == (200 if forged == "192.0.2.1" else 429)


async def test_only_trusted_proxies_may_connect(tmp_path: Path) -> None:
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=BELIEVING)) as proxy:
        async with proxy.peer(source="127.0.0.2") as stranger:
            answer = await stranger.answer()
            assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
            assert "for the proxies in front of it only" in answer.problem["detail"]
            assert await stranger.ended() == b""
        async with proxy.peer() as silent:
            answer = await silent.get()
            assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
            assert "begins with a valid PROXY header" in answer.problem["detail"]
        assert counted(proxy) == {"untrusted": 1, "malformed": 1}
        told = (await proxy.admin("GET", "/metrics")).body.decode()
        assert 'sidecar_proxy_protocol_total{listener="public",result="untrusted"} 1.0' in told
        assert backend.requests == []


async def test_the_example_believes_the_balancer_and_tells_the_backend() -> None:
    trusts = "listeners.public.trusted_proxies=[127.0.0.1]"
    async with Backend(announced=True) as backend:
        async with running(given=example("proxy-protocol", backend.url, sets=[trusts])) as proxy, proxy.peer() as peer:
            await peer.send(LINE)
            assert (await peer.get()).status == 200
        assert [one.announced for one in backend.connections] == [(CLIENT, 51000, "198.51.100.2", 443)]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_each_request_goes_over_a_connection_that_tells_of_its_client(version: str) -> None:
    async with Backend(announced=True) as backend:
        rules = rules_text(backend.url, upstream=f"proxy_protocol: {version}")
        async with running(rules=rules) as proxy:
            async with proxy.peer(source="127.0.0.9") as peer:
                ours = peer.writer.get_extra_info("sockname")[1]
                for _ in range(3):
                    assert (await peer.get()).status == 200
            assert proxy.pooled() == 0
            here = ("127.0.0.1", proxy.port)
        assert [one.announced for one in backend.connections] == [("127.0.0.9", ours, *here)] * 3


async def test_a_client_is_told_on_as_it_was_announced_or_forwarded() -> None:
    async with Backend(announced=True) as backend:
        rules = rules_text(
            backend.url,
            listener="proxy_protocol: true, trusted_proxies: [127.0.0.1, 203.0.113.0/24]",
            upstream="proxy_protocol: v2",
        )
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            await peer.send(LINE)
            assert (await peer.get()).status == 200
            assert (await peer.get("/", "X-Forwarded-For: 192.0.2.7")).status == 200
            assert (await peer.get("/", "X-Forwarded-For: 2001:db8::7")).status == 200
        told = [one.announced for one in backend.connections]
        assert told[0] == (CLIENT, 51000, "198.51.100.2", 443)
        assert told[1] == ("192.0.2.7", 0, "198.51.100.2", 443)
        mapped = str(ip_address("::ffff:198.51.100.2"))
        assert told[2] == ("2001:db8::7", 0, mapped, 443)


async def test_a_client_without_an_address_is_nobody(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with Backend(announced=True) as backend:
        rules = rules_text(backend.url, upstream="proxy_protocol: v1", address=f"unix:{path}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            assert (await peer.get()).status == 200
        assert [one.announced for one in backend.connections] == [None]


async def test_an_attempt_that_is_repeated_tells_again() -> None:
    broken = b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n"
    async with Backend(broken, OK, announced=True) as backend:
        rules = rules_text(backend.url, upstream="proxy_protocol: v1")
        async with running(rules=rules) as proxy, proxy.peer(source="127.0.0.9") as peer:
            assert (await peer.get()).status == 200
        assert [one.announced and one.announced[0] for one in backend.connections] == ["127.0.0.9"] * 2


async def test_checks_tell_of_nobody() -> None:
    async with Backend(announced=True) as backend:
        check = "health_check: {path: /health, interval: 1h}"
        rules = rules_text(backend.url, upstream=f"proxy_protocol: v2, {check}")
        async with running(rules=rules):
            await backend.wait_requests(1)
        assert backend.connections[0].announced is None
        assert backend.requests[0].line.startswith(b"GET /health ")


async def test_new_rules_begin_and_end_it_while_requests_go_on() -> None:
    async with Backend(announced=True) as told, Backend() as untold:
        async with running(rules=rules_text(untold.url)) as proxy, proxy.peer() as peer:
            assert (await peer.get()).status == 200
            for version in ("v1", "v2"):
                await proxy.adopt(rules_text(told.url, upstream=f"proxy_protocol: {version}"))
                assert (await peer.get()).status == 200
            await proxy.adopt(rules_text(untold.url))
            for _ in range(2):
                assert (await peer.get()).status == 200
        assert [one.announced and one.announced[0] for one in told.connections] == ["127.0.0.1"] * 2
        assert len(untold.requests) == 3


TCP = """
version: 1
listeners: [{{name: db, address: '127.0.0.1:0', protocol: tcp, {listener}}}]
admin: {{address: '127.0.0.1:0'}}
upstreams: {{app: {{endpoints: '{url}', proxy_protocol: v2}}}}
routes: [{{name: db, match: {{listener: db}}, upstream: app}}]
"""


async def test_bytes_without_http_are_told_of_too() -> None:
    async with Backend(announced=True) as backend:
        rules = TCP.format(listener=BELIEVING, url=backend.url.replace("http", "tcp"))
        async with running(rules=rules) as proxy:
            async with proxy.peer() as peer:
                await peer.send(LINE + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert (await peer.answer()).body == b"ok"
            async with proxy.peer(source="127.0.0.2") as stranger:
                assert await stranger.ended() == b""
            await proxy.quiet()
            assert counted(proxy, "db") == {"ok": 1, "untrusted": 1}
        assert [one.announced for one in backend.connections] == [(CLIENT, 51000, "198.51.100.2", 443)]


async def test_a_connection_that_has_not_said_who_it_is_yet_does_not_hold_up_a_drain() -> None:
    rules = rules_text("http://127.0.0.1:1", listener=BELIEVING)
    async with running(rules=rules) as proxy, proxy.peer() as peer:
        await proxy.until(lambda: proxy.attached() == 1)
        await proxy.proxy.close()
        assert await peer.ended() == b""
