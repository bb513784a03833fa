"""Several endpoints share the load; names, IPv6 and unix sockets are addresses as good as any."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from sidecar.model.address import Address
from tests.doubles.backend import Backend
from tests.doubles.running import rules_text, running


@pytest.mark.parametrize("balance", ["round_robin", "random", "least_requests"])
async def test_two_endpoints_share_the_requests(balance: str) -> None:
    async with Backend() as one, Backend() as two:
        rules = rules_text(one.url, two.url, upstream=f"balance: {balance}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            for _ in range(60):
                assert (await peer.get()).status == 200
        assert len(one.requests) + len(two.requests) == 60
        if balance == "round_robin":
            assert len(one.requests) == len(two.requests)
        else:
            assert min(len(one.requests), len(two.requests)) > 0


async def test_weights_are_shares() -> None:
    async with Backend() as one, Backend() as two:
        rules = rules_text(
            f"{{url: '{one.url}', weight: 3}}", f"{{url: '{two.url}', weight: 1}}", upstream="balance: round_robin"
        )
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            for _ in range(40):
                assert (await peer.get()).status == 200
        assert (len(one.requests), len(two.requests)) == (30, 10)


async def test_a_key_stays_with_its_endpoint() -> None:
    async with Backend() as one, Backend() as two:
        rules = rules_text(one.url, two.url, upstream='balance: {hash: "header:x-user"}')
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            users = [f"user{count}" for count in range(20)]
            for user in users * 2:
                assert (await peer.get("/", f"X-User: {user}")).status == 200
        seen = [{request.get("x-user") for request in backend.requests} for backend in (one, two)]
        assert seen[0] & seen[1] == set()
        assert all(seen)


async def test_several_upstream_urls_need_no_file() -> None:
    async with Backend() as one, Backend() as two, running(one.url, two.url) as proxy, proxy.peer() as peer:
        for _ in range(40):
            assert (await peer.get()).status == 200
        assert one.requests
        assert two.requests


async def test_a_name_is_looked_up() -> None:
    async with Backend() as backend, running(f"http://localhost:{backend.port}") as proxy, proxy.peer() as peer:
        for _ in range(3):
            # localhost may also be ::1, where nobody listens; that address is then one of two endpoints.
            answer = await peer.get()
            assert answer.status in (200, 502)
        assert backend.requests


async def test_a_name_without_an_address_is_answered_for() -> None:
    sets = ["upstreams.app.hold=null"]
    async with running("http://no-such-name.invalid:80", sets=sets) as proxy, proxy.peer() as peer:
        answer = await peer.get()
        # The last is a resolver that takes longer to say so than the connect timeout.
        assert (answer.status, answer.problem["reason"]) in (
            (503, "no_endpoint"),
            (502, "connect_failure"),
            (504, "connect_timeout"),
        )


async def test_a_request_waits_for_a_name_that_has_no_address_yet() -> None:
    url, upstream = "http://no-such-name.invalid:80", "hold: {timeout: 60s}"
    rules = rules_text(url, upstream=upstream, route="timeout: {request: 60s}")
    async with Backend() as backend, running(rules=rules) as proxy, asyncio.TaskGroup() as client:
        upstream_in_force = proxy.proxy.current.runtime.upstreams["app"]
        await proxy.until(lambda: not upstream_in_force.endpoints)
        asked = client.create_task(proxy.ask())
        hold = upstream_in_force.hold
        assert hold is not None
        await proxy.until(lambda: hold.snapshot(0.0)["held"] == 1)
        channels = proxy.proxy.channels
        channels._changed(channels._watches["app"], f"app/{url[7:]}", (Address("127.0.0.1", backend.port),))
        assert (await asked).status == 200


async def test_a_unix_socket_on_the_way_in_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    async with Backend() as backend:
        rules = rules_text(backend.url, address=f"unix:{path}")
        for _ in range(2):
            # What the first run may leave behind is no obstacle to the second.
            async with running(rules=rules) as proxy, proxy.peer() as peer:
                assert (await peer.get()).status == 200
                assert (await peer.get()).status == 200
        assert len(backend.connections) == 2


async def test_ipv6_on_the_way_in() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    async with Backend() as backend:
        rules = rules_text(backend.url, address="'[::1]:0'")
        async with running(rules=rules) as proxy, proxy.peer(host="::1") as peer:
            assert (await peer.get()).status == 200
            assert backend.requests[0].get("x-forwarded-for") == b"::1"
