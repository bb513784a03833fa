"""Waiting and trying again while more is still coming: uploads arrive whole, pipelined answers come in order."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from tests.doubles.backend import OK, Backend, Call, refusing
from tests.doubles.clock import Clock
from tests.doubles.peer import Peer
from tests.doubles.running import rules_text, running
from tests.doubles.steps import UNAVAILABLE, Gate

BODY = bytes(range(256)) * 800  # 200 KiB: more than is kept, more than a socket takes at once


async def too_early(call: Call) -> None:
    """Refuses in the middle of an upload."""
    await call.send(UNAVAILABLE)
    await call.wait_gone()  # the rest of this request may never be taken for another one
    call.close()


def head(length: int | None, *fields: str, method: str = "PUT") -> bytes:
    """An upload's head; chunked without a length."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join([f"{method} / HTTP/1.1", "Host: a", framing, *fields, "", ""]).encode()


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_upload_that_queues_arrives_whole(chunked: bool) -> None:
    gate = Gate()
    async with Backend(gate) as backend:
        rules = rules_text(backend.url, route="concurrency: {max: 1, max_queue: 1}, retry: {max_body_bytes: 1KiB}")
        async with (
            running(rules=rules, clock=Clock()) as proxy,
            proxy.peer() as first,
            proxy.peer() as second,
            asyncio.TaskGroup() as tasks,
        ):
            await first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await backend.wait_requests(1)
            data = b"%x\r\n%b\r\n0\r\nX-Sum: 7\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
            tasks.create_task(second.send(head(None if chunked else len(BODY)) + data))
            await proxy.until(lambda: proxy.in_flight() == 2)
            await proxy.turns(100)
            gate.permits.release()
            assert (await first.answer()).status == 200
            gate.permits.release()
            assert (await second.answer()).status == 200
            assert backend.requests[1].body == BODY
            assert backend.requests[1].trailers == (b"X-Sum: 7\r\n" if chunked else b"")


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_upload_that_is_refused_in_the_middle_is_sent_again_from_its_beginning(chunked: bool) -> None:
    async with Backend(too_early, OK) as backend:
        route = "retry: {max_attempts: 2, backoff: {base: 1s, max: 1s}}"
        async with (
            running(rules=rules_text(backend.url, route=route), clock=Clock(), seed=1) as proxy,
            proxy.peer() as peer,
        ):
            half = b"a\r\n0123456789\r\n" if chunked else b"0123456789"
            await peer.send(head(None if chunked else 20) + half)
            retries = proxy.stats.route("everything").retries
            await proxy.until(lambda: sum(retries.values()) == 1)
            await peer.send(b"5\r\nabcde\r\n" if chunked else b"abcde")
            await proxy.turns(20)
            await proxy.pass_time(1.02)
            await peer.send(b"5\r\nfghij\r\n0\r\n\r\n" if chunked else b"fghij")
            assert (await peer.answer()).status == 200
        assert backend.requests[1].body == b"0123456789abcdefghij"
        assert backend.requests[1].get("x-sidecar-attempt") == b"2"
        assert len(backend.connections) == 2


async def test_an_upload_that_ends_during_backoff_is_sent_whole() -> None:
    async with Backend(too_early, OK) as backend:
        route = "retry: {max_attempts: 2, backoff: {base: 1s, max: 1s}}"
        async with (
            running(rules=rules_text(backend.url, route=route), clock=Clock(), seed=1) as proxy,
            proxy.peer() as peer,
        ):
            await peer.send(head(None) + b"3\r\nabc\r\n")
            retries = proxy.stats.route("everything").retries
            await proxy.until(lambda: sum(retries.values()) == 1)
            await peer.send(b"3\r\ndef\r\n0\r\nX-End: 1\r\n\r\n")
            await proxy.turns(20)
            await proxy.pass_time(1.02)
            assert (await peer.answer()).status == 200
            assert (backend.requests[1].body, backend.requests[1].trailers) == (b"abcdef", b"X-End: 1\r\n")


async def test_an_upload_outgrows_what_is_kept_during_backoff_and_still_arrives() -> None:
    async with Backend(too_early, OK) as backend:
        route = "retry: {max_attempts: 3, max_body_bytes: 4KiB, backoff: {base: 1s, max: 1s}}"
        async with (
            running(rules=rules_text(backend.url, route=route), clock=Clock(), seed=1) as proxy,
            proxy.peer() as peer,
            asyncio.TaskGroup() as tasks,
        ):
            await peer.send(head(len(BODY)) + BODY[:100])
            retries = proxy.stats.route("everything").retries
            await proxy.until(lambda: sum(retries.values()) == 1)
            tasks.create_task(peer.send(BODY[100:]))
            await proxy.turns(100)
            await proxy.pass_time(1.02)
            assert (await peer.answer()).status == 200
            assert backend.requests[1].body == BODY


async def test_pipelined_answers_come_in_order_whatever_each_waits_for() -> None:
    async def by_target(call: Call) -> None:
        await call.body()
        attempt = call.request.get("x-sidecar-attempt")
        if call.request.target == b"/retried" and attempt is None:
            await call.send(UNAVAILABLE)
            return
        name = call.request.target
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))

    async with Backend(by_target) as backend:
        route = "rate_limits: [{name: all, rate: 1/s, burst: 2, max_wait: 1s}], retry: {max_attempts: 2}"
        async with (
            running(rules=rules_text(backend.url, route=route), clock=Clock(), seed=1) as proxy,
            proxy.peer() as peer,
        ):
            targets = [b"/retried", b"/second", b"/waits", b"/last"]
            await peer.send(b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target for target in targets))
            answers = asyncio.get_running_loop().create_task(read(peer, len(targets)))
            async with asyncio.timeout(10):
                while not answers.done():
                    await proxy.turns(20)
                    await proxy.pass_time(0.5)
            assert answers.result() == targets


async def read(peer: Peer, count: int) -> list[bytes]:
    """The bodies of so many answers."""
    return [(await peer.answer()).body for _ in range(count)]


async def test_a_retry_goes_to_the_other_endpoint() -> None:
    with refusing() as port:
        async with Backend() as backend:
            upstream = "balance: round_robin, hold: null"
            rules = rules_text(f"http://127.0.0.1:{port}", backend.url, upstream=upstream)
            async with running(rules=rules, clock=Clock(), seed=1) as proxy:
                assert {(await proxy.ask_in_time()).status for _ in range(8)} == {200}
                assert sum(proxy.stats.route("everything").retries.values()) == 4


async def test_a_tunnel_holds_its_place_and_gives_it_back() -> None:
    async def upgrade(call: Call) -> None:
        if call.request.get("upgrade") is None:
            await call.send(OK)
            return
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        await call.wait_gone()
        call.close()

    async with (
        Backend(upgrade) as backend,
        running(rules=rules_text(backend.url, route="concurrency: {max: 1}"), clock=Clock()) as proxy,
    ):
        async with proxy.peer() as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            assert (await peer.answer()).status == 101
            assert (await proxy.ask()).problem["reason"] == "concurrency_limited"
            peer.reset()
        await proxy.until(lambda: proxy.in_flight() == 0)
        assert (await proxy.ask()).status == 200


@pytest.mark.parametrize("waits", ["queue", "token", "backoff", "fault"])
async def test_a_proxy_that_closes_lets_go_of_whoever_waits(waits: str) -> None:
    gate = Gate()
    async with Backend(UNAVAILABLE if waits == "backoff" else gate) as backend:
        route = {
            "queue": "concurrency: {max: 1, max_queue: 9}",
            "token": "rate_limits: [{name: all, rate: 1/s, burst: 1, max_wait: 9s}]",
            "backoff": "retry: {max_attempts: 2, backoff: {base: 9s, max: 9s}}",
            "fault": "fault: {delay: {ratio: 1, duration: 9s}}",
        }[waits]
        given = load_text(rules_text(backend.url, route=route), "rules.yaml", Given(allow_faults=True))
        async with running(given=given, clock=Clock(), seed=1) as proxy, asyncio.TaskGroup() as clients:
            asked = [clients.create_task(gone(proxy.port)) for _ in range(3)]
            await proxy.until(lambda: proxy.heard() == 3)
            await proxy.turns(50)
            await proxy.proxy.close()
            for one in asked:
                await one


async def gone(port: int) -> None:
    """Asks, and sees the connection end without an answer."""
    async with await Peer.connect(port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " not in await peer.ended()


@pytest.mark.parametrize(
    ("value", "status"), [("0", 504), ("-1", 200), ("1e3", 200), ("99999999999999999999", 200), ("", 200)]
)
async def test_a_callers_limit_that_is_none_counts_for_nothing(value: str, status: int) -> None:
    async with Backend() as backend, running(backend.url, clock=Clock()) as proxy:
        assert (await proxy.ask("/", f"X-Request-Timeout-Ms: {value}")).status == status
        assert len(backend.requests) == (status == 200)
