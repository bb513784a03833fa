"""Other rules come into force while it serves: what they share with those of before lives on, nothing is dropped."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sidecar.app.wiring import Proxy
from sidecar.model.address import Address
from sidecar.transport.resolver import Resolver
from sidecar.transport.sockets import BindError
from tests.doubles.backend import OK, Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.running import loaded, rules_text, running

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SLOW = "{name: slow, rate: 2/h, burst: 2}"


def also(rules: str, *addresses: str) -> str:
    """The same rules with more listeners."""
    more = "".join(f"  - {{name: more{place}, address: '{address}'}}\n" for place, address in enumerate(addresses))
    return rules.replace("admin:", f"{more}admin:")


def answering(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def held(release: asyncio.Event, *answers: bytes) -> Callable[[Call], Awaitable[None]]:
    """A backend whose first answers wait for the event."""
    left = list(answers)

    async def serve(call: Call) -> None:
        if left:
            answer = left.pop(0)
            await release.wait()
            await call.send(answer)
        else:
            await call.send(OK)

    return serve


async def test_an_added_listener_serves_and_the_others_are_not_touched(tmp_path: Path) -> None:
    path = str(tmp_path / "more.sock")
    async with Backend() as backend, running(rules=rules_text(backend.url)) as proxy, proxy.peer() as before:
        await before.get()
        await proxy.adopt(also(rules_text(backend.url), f"unix:{path}"))
        async with await Peer.connect(path) as added, proxy.peer() as kept:
            assert [(await peer.get()).status for peer in (before, added, kept)] == [200, 200, 200]
        assert len(proxy.proxy.addresses) == 2


async def test_of_a_removed_listener_idle_connections_close_and_busy_ones_finish(tmp_path: Path) -> None:
    path = str(tmp_path / "more.sock")
    release = asyncio.Event()
    async with Backend(held(release, answering(b"late"))) as backend:
        rules = rules_text(backend.url)
        async with running(rules=also(rules, f"unix:{path}")) as proxy, proxy.peer() as kept:
            async with await Peer.connect(path) as busy, await Peer.connect(path) as idle:
                await busy.send(ASK)
                await backend.wait_requests(1)
                await idle.get()
                await proxy.adopt(rules)
                assert await idle.rest() == b""
                with pytest.raises(FileNotFoundError):
                    await Peer.connect(path)
                assert (await kept.get()).status == 200
                assert len(proxy.proxy.front.listeners) == 2
                release.set()
                answer = await busy.answer()
                assert (answer.body, answer.get("Connection")) == (b"late", b"close")
                assert await busy.rest() == b""
            await proxy.until(lambda: len(proxy.proxy.front.listeners) == 1)
            await proxy.adopt(also(rules, f"unix:{path}"))
            async with await Peer.connect(path) as again:
                assert (await again.get()).status == 200


async def test_connections_that_are_there_keep_their_limits_and_later_ones_get_the_new(tmp_path: Path) -> None:
    async with Backend() as backend, running(rules=rules_text(backend.url)) as proxy, proxy.peer() as before:
        post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx"
        assert (await before.ask(post)).status == 200
        await proxy.adopt(rules_text(backend.url, listener="max_body_bytes: 1"))
        assert (await before.ask(post)).status == 200
        async with proxy.peer() as after:
            assert (await after.ask(post)).status == 413
        assert [str(one.address) for one in proxy.proxy.doors.all] == [f"127.0.0.1:{proxy.port}"]


async def test_the_admin_address_moves_and_its_token_changes_at_once() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url)
        where = "admin: {address: '127.0.0.1:0'"
        async with running(rules=rules) as proxy:
            first = proxy.proxy.admin_address
            await proxy.adopt(rules.replace(where, f"{where}, token: secret"))
            assert proxy.proxy.admin_address == first
            verb = "/breakers/no-such-breaker/reset"
            assert (await proxy.admin("POST", verb)).status == 401
            assert (await proxy.admin("POST", verb, "Authorization: Bearer secret")).status == 404
            await proxy.adopt(rules.replace(where, where.replace("127.0.0.1", "127.0.0.2")))
            assert proxy.proxy.admin_address.host == "127.0.0.2"
            assert (await proxy.admin("GET", "/status")).status == 200
            await proxy.until(lambda: not taken(first))


def taken(address: Address) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((address.host, address.port)) == 0


@pytest.mark.parametrize("what", ["listener", "admin"])
async def test_an_address_that_cannot_be_had_changes_nothing(what: str, tmp_path: Path) -> None:
    path = tmp_path / "more.sock"
    async with Backend() as backend, Backend() as other:
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            address = f"127.0.0.1:{elsewhere.getsockname()[1]}"
            rules = rules_text(backend.url)
            wanted = also(rules_text(other.url), f"unix:{path}", *([address] if what == "listener" else []))
            if what == "admin":
                wanted = wanted.replace("admin: {address: '127.0.0.1:0'", f"admin: {{address: '{address}'")
            async with running(rules=rules) as proxy, proxy.peer() as peer:
                await peer.get()
                with pytest.raises(BindError, match=address):
                    await proxy.adopt(wanted)
                assert (await peer.get()).status == 200
                assert (len(backend.requests), len(other.requests)) == (2, 0)
                assert (await proxy.status())["rules"]["generation"] == 1
                assert not path.exists()
                assert len(proxy.proxy.front.listeners) == 1
                await proxy.adopt(also(rules, f"unix:{path}"))
                async with await Peer.connect(str(path)) as added:
                    assert (await added.get()).status == 200


async def test_a_request_under_way_ends_under_the_rules_that_it_began_with() -> None:
    release = asyncio.Event()
    async with Backend(held(release, UNAVAILABLE, UNAVAILABLE)) as backend:
        retried = "retry: {max_attempts: 2, on: [503], budget: null, backoff: {base: 1ms, max: 1ms}}"
        async with (
            running(rules=rules_text(backend.url, route=retried)) as proxy,
            proxy.peer() as old,
            proxy.peer() as new,
        ):
            await old.send(ASK)
            await backend.wait_requests(1)
            await proxy.adopt(rules_text(backend.url, route="retry: null"))
            await new.send(ASK)
            await backend.wait_requests(2)
            release.set()
            assert (await new.answer()).status == 503
            assert (await old.answer()).status == 200
            assert len(backend.requests) == 3


async def test_an_endpoint_that_is_gone_finishes_what_it_has_and_gets_no_more() -> None:
    release = asyncio.Event()
    async with (
        Backend(held(release, answering(b"late"))) as gone,
        Backend() as stays,
        running(rules=rules_text(gone.url)) as proxy,
        proxy.peer() as peer,
        proxy.peer() as busy,
    ):
        await busy.send(ASK)
        await gone.wait_requests(1)
        await proxy.adopt(rules_text(stays.url))
        assert (await peer.get()).status == 200
        release.set()
        assert (await busy.answer()).body == b"late"
        assert (await busy.get()).body == b"ok"
        assert (len(gone.requests), len(stays.requests)) == (1, 2)
        await gone.connections[0].gone.wait()


async def test_a_half_spent_limit_stays_half_spent() -> None:
    async with Backend() as backend:
        route = f"rate_limits: [{SLOW}]"
        async with running(rules=rules_text(backend.url, route=route)) as proxy, proxy.peer() as peer:
            assert (await peer.get()).status == 200
            await proxy.adopt(rules_text(backend.url, route=f"{route}, retry: null"))
            assert (await peer.get()).status == 200
            await proxy.adopt(rules_text(backend.url, route=f"{route}, retry: null, timeout: {{request: 9s}}"))
            assert (await peer.get()).status == 429


async def test_a_circuit_breaker_that_is_open_stays_open() -> None:
    async with Backend(UNAVAILABLE) as backend:
        breaker = (
            "circuit_breaker: {failure_ratio: 0.5, min_requests: 1, window: 60s, open_for: 600s, max_open_for: 600s}"
        )
        async with (
            running(rules=rules_text(backend.url, upstream=breaker, route="retry: null")) as proxy,
            proxy.peer() as peer,
        ):
            await peer.get()
            assert (await proxy.breaker())["state"] == "open"
            await proxy.adopt(rules_text(backend.url, upstream=f"{breaker}, balance: random", route="retry: null"))
            assert (await peer.get()).problem["reason"] == "circuit_open"
            assert len(backend.requests) == 1


async def test_an_endpoint_that_was_drained_stays_drained_and_one_that_was_ejected_ejected() -> None:
    async with Backend() as drained, Backend(UNAVAILABLE) as ejected, Backend() as serving:
        urls, name = (drained.url, ejected.url, serving.url), f"app/127.0.0.1:{drained.port}"
        upstream = (
            "balance: round_robin, ejection: {consecutive_failures: 1, base: 600s, max: 600s, max_ejected_ratio: 0.9}"
        )
        async with (
            running(rules=rules_text(*urls, upstream=upstream, route="retry: null")) as proxy,
            proxy.peer() as peer,
        ):
            assert (await proxy.admin("POST", f"/endpoints/{name}/drain")).status == 200
            while not ejected.requests:
                await peer.get()
            await proxy.adopt(
                rules_text(*urls, upstream=f"{upstream}, pool: {{idle_timeout: 7s}}", route="retry: null")
            )
            for _ in range(6):
                assert (await peer.get()).status == 200
            assert (len(drained.requests), len(ejected.requests)) == (0, 1)


async def test_connections_to_endpoints_and_tunnels_live_on() -> None:
    async def serve(call: Call) -> None:
        if call.request.target == b"/tunnel":
            await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            while data := await call.connection.some():
                await call.send(data)
            call.close()
        else:
            await call.send(OK)

    async with (
        Backend(serve) as backend,
        running(rules=rules_text(backend.url)) as proxy,
        proxy.peer() as peer,
        proxy.peer() as tunnel,
    ):
        await tunnel.send(b"GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        assert (await tunnel.head()).status == 101
        await peer.get()
        for number in range(3):
            await proxy.adopt(rules_text(backend.url, route=f"timeout: {{request: {number + 1}s}}"))
            await tunnel.send(b"still there?")
            assert await tunnel.exactly(12) == b"still there?"
            assert (await peer.get()).status == 200
        assert len(backend.connections) == 2
        tunnel.half_close()
        assert await tunnel.rest() == b""


async def test_a_name_that_comes_is_looked_up_and_one_that_stays_keeps_its_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Resolver] = []
    monkeypatch.setattr(Resolver, "start", lambda resolver: begun.append(resolver))  # noqa: PLW0108 - to be bound
    async with Backend() as one, Backend() as two:
        names = [f"http://one.test:{one.port}", f"http://two.test:{two.port}"]
        async with running(rules=rules_text(names[0])) as proxy, proxy.peer() as peer:
            begun[0]._changed((Address("127.0.0.1", one.port),))
            assert (await peer.get()).status == 200
            await proxy.adopt(rules_text(*names, upstream="balance: round_robin"))
            assert (await peer.get()).status == 200, "the one that is known serves while the other is looked up"
            assert len(begun) == 2
            begun[1]._changed((Address("127.0.0.1", two.port),))
            for _ in range(4):
                assert (await peer.get()).status == 200
            assert (len(one.requests), len(two.requests)) == (4, 2)


async def test_the_access_log_follows() -> None:
    lines: list[dict[str, object]] = []

    def write(line: bytes) -> bool:
        lines.append(json.loads(line))
        return True

    async with Backend() as backend:
        rules = rules_text(backend.url)
        async with Proxy(loaded(rules=rules), write) as proxy, await Peer.connect(proxy.addresses[0].port) as peer:
            await peer.get("/unwritten")
            await proxy.adopt(loaded(rules=rules.replace("access: 'off'", "access: all")))
            await peer.get("/written")
            await proxy.adopt(loaded(rules=rules))
            await peer.get("/unwritten")
    assert [line["path"] for line in lines] == ["/written"]


async def test_one_that_leaves_takes_up_no_other_rules() -> None:
    async with Backend() as backend, running(rules=rules_text(backend.url)) as proxy:
        proxy.proxy.drain.begin("SIGTERM")
        with pytest.raises(OSError, match="it is leaving"):
            await proxy.adopt(rules_text(backend.url, route="retry: null"))
        assert proxy.stats.config_generation == 1


async def test_a_reload_that_brings_another_only_endpoint_without_a_hold_sends_there_before_its_first_check() -> None:
    looked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow_to_tell(call: Call) -> None:
        if call.request.target == b"/healthz":
            looked.set()
            await may_answer.wait()
        await call.send(OK)

    check = "health_check: {path: /healthz, timeout: 60s}, hold: null"
    async with (
        Backend() as first,
        Backend(slow_to_tell) as second,
        running(rules=rules_text(first.url, upstream=check)) as proxy,
    ):
        await proxy.until(lambda: not proxy.proxy.current.runtime.endpoints()[0].down)
        await proxy.adopt(rules_text(second.url, upstream=check))
        await looked.wait()
        assert (await proxy.ask()).status == 200
        assert (await proxy.admin("GET", "/readyz")).status == 503
        may_answer.set()
        await proxy.until(lambda: not proxy.proxy.current.runtime.endpoints()[0].down)
        assert (await proxy.admin("GET", "/readyz")).status == 200
