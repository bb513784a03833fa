"""Redis behind a TCP listener: its own programs, long connections, large values, a crash, and TLS put before it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.certificates import client_certificate, root, server_certificate
from tests.doubles.clock import Clock
from tests.doubles.redis import Redis, redis
from tests.doubles.running import RunningProxy, example, rules_text, running
from tests.doubles.servers import ended, printed, require
from tests.doubles.tls import terms

LARGE = 2**20
VALUES = 12


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with redis() as started:
        yield started


def rules(endpoint: str, *, listener: str = "", upstream: str = "", route: str = "") -> str:
    """A TCP listener in front of the endpoint."""
    return rules_text(
        endpoint,
        listener=f"protocol: tcp, {listener}",
        upstream=upstream,
        route=f"match: {{listener: public}}, {route}",
    )


def url(server: Redis) -> str:
    return f"tcp://127.0.0.1:{server.port}"


async def cli(proxy: RunningProxy, *words: str) -> str:
    return (await printed(require("redis-cli"), "-p", str(proxy.port), *words)).strip()


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


async def test_its_own_programs_meet_no_error(server: Redis) -> None:
    async with running(rules=rules(url(server))) as proxy:
        assert await cli(proxy, "set", "key", "value") == "OK"
        assert await cli(proxy, "get", "key") == "value"
        options = ["-n", "2000", "-c", "8", "-P", "4", "-t", "set,get", "-q"]
        told = await printed(require("redis-benchmark"), "-p", str(proxy.port), *options)
        assert told.count("requests per second") == 2, told
        assert "rror" not in told, told
        await proxy.quiet()
        assert {status for _, status in proxy.requests()} == {200}


async def test_the_example_serves_when_its_check_has_spoken_to_the_server(server: Redis) -> None:
    async with running(given=example("tcp-redis", url(server), upstream="redis")) as proxy:
        assert await cli(proxy, "set", "key", "value") == "OK"


async def test_a_unix_socket_serves_as_well(server: Redis) -> None:
    async with running(rules=rules(f"tcp://unix:{server.path}")) as proxy:
        assert await cli(proxy, "ping") == "PONG"


async def test_many_large_values_in_one_pipeline_come_back_whole(server: Redis) -> None:
    async with running(rules=rules(url(server))) as proxy, proxy.peer() as peer:
        values = [bytes([65 + number]) * LARGE for number in range(VALUES)]
        for number, value in enumerate(values):
            await peer.send(_command(b"SET", b"large-%d" % number, value))
        assert await peer.exactly(5 * VALUES) == b"+OK\r\n" * VALUES
        await peer.send(b"".join(_command(b"GET", b"large-%d" % number) for number in range(VALUES)))
        for value in values:
            assert await peer.until(b"\r\n") == b"$%d\r\n" % LARGE
            assert await peer.exactly(LARGE + 2) == value + b"\r\n"


async def test_a_subscriber_hears_each_message_as_it_is_published(server: Redis) -> None:
    async with running(rules=rules(url(server))) as proxy, proxy.peer() as subscriber, proxy.peer() as publisher:
        await subscriber.send(_command(b"SUBSCRIBE", b"news"))
        assert await subscriber.until(b":1\r\n") == b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
        for number in range(50):
            text = b"%03d" % number
            await publisher.send(_command(b"PUBLISH", b"news", text))
            assert await publisher.until(b"\r\n") == b":1\r\n"
            assert (
                await subscriber.until(text + b"\r\n")
                == b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\n" + text + b"\r\n"
            )


async def test_a_crash_cuts_connections_opens_the_breaker_and_is_over_when_it_is_back() -> None:
    breaker = "circuit_breaker: {consecutive_failures: 3, open_for: 5s, half_open_requests: 1}, hold: null"
    with redis() as server:
        given = rules(url(server), upstream=breaker, route="retry: null")
        async with running(rules=given, clock=Clock()) as proxy:
            async with proxy.peer() as inside:
                await inside.send(_command(b"PING"))
                assert await inside.until(b"\r\n") == b"+PONG\r\n"
                await asyncio.to_thread(server.kill)
                assert await inside.ended() == b""
            for _ in range(5):
                async with proxy.peer() as peer:
                    assert await peer.ended() == b""
            await proxy.quiet()
            assert proxy.requests() == {("TCP", 200): 1, ("TCP", 502): 3, ("TCP", 503): 2}
            assert (await proxy.breaker())["state"] == "open"
            await asyncio.to_thread(server.start)
            await proxy.pass_time(5.6)
            assert await cli(proxy, "ping") == "PONG"
            assert (await proxy.breaker())["state"] == "closed"


async def test_a_health_check_that_talks_to_it_keeps_connections_away_while_it_is_down() -> None:
    check = "interval: 200ms, timeout: 5s, healthy_after: 1, unhealthy_after: 1"
    with redis() as server:
        health = f'health_check: {{tcp: true, send: "PING\\r\\n", expect: "+PONG", {check}}}, hold: null'
        async with running(rules=rules(url(server), upstream=health, route="retry: null")) as proxy:

            async def down() -> str | None:
                endpoint = (await proxy.status())["upstreams"][0]["endpoints"][0]
                assert endpoint["down"] is not endpoint["takes_attempts"]
                return str(endpoint["why_down"]) if endpoint["down"] else None

            async with asyncio.timeout(20):
                while await down() is not None:
                    pass
                assert await cli(proxy, "ping") == "PONG"
                # Somebody else listens there now: the connection stands, and the answer is another one.
                await asyncio.to_thread(server.kill)
                async with await asyncio.start_server(_imposter, "127.0.0.1", server.port):
                    while "SSH-2.0" not in (await down() or ""):
                        pass
                    async with proxy.peer() as peer:
                        assert await peer.ended() == b""
                await proxy.quiet()
                assert proxy.requests()[("TCP", 503)] == 1
                await asyncio.to_thread(server.start)
                while await down() is not None:
                    pass
                assert await cli(proxy, "ping") == "PONG"


async def _imposter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n")
    await reader.read()
    writer.close()


async def test_tls_with_client_certificates_can_be_put_before_what_speaks_neither(
    server: Redis, tmp_path: Path
) -> None:
    files = server_certificate("localhost", "127.0.0.1").write(tmp_path)
    mine = client_certificate("batch").write(tmp_path, "client")
    ca = root().write(tmp_path)
    async with running(rules=rules(url(server), listener=terms(files, f"client_ca: {ca}"))) as proxy:
        words = ["--tls", "--cacert", ca, "--cert", mine.certificate, "--key", mine.private_key]
        assert await cli(proxy, *words, "ping") == "PONG"
        refused = await ended(require("redis-cli"), "-p", str(proxy.port), "--tls", "--cacert", ca, "ping")
        assert "PONG" not in refused.text
        assert "PONG" not in (await ended(require("redis-cli"), "-p", str(proxy.port), "ping")).text
        async with proxy.peer() as plain:
            await plain.send(_command(b"PING"))
            assert await plain.ended() == b""
