"""The clients: they come at their own pace, and each request of theirs ends once, as they saw it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.drill.backend import body_of
from sidecar.drill.load import Clients, Planned, plan, source_of
from sidecar.drill.messages import Reader
from sidecar.drill.record import Request
from sidecar.drill.scenario import Load
from sidecar.drill.virtual_time import VirtualLoop
from sidecar.model.address import Address
from sidecar.transport.departure import cut_off
from sidecar.transport.tasks import Tasks

WHERE = Address("10.0.0.1", 80)
SIZE = 50


class Host(asyncio.Protocol):
    """What clients connect to: does with each request as the test says."""

    def __init__(self, script: Callable[[Host, int], None], hosts: list[Host]) -> None:
        self._script = script
        self._reader = Reader(is_answer=False)
        self.transport: Any = None
        hosts.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._reader.feed(data) and self._reader.message is not None:
            number = int(self._reader.message.fields[b"x-drill"])
            self._reader.next()
            self._script(self, number)

    def say(self, number: int, fields: str = "", status: str = "200 OK", size: int = SIZE) -> None:
        """A whole answer."""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nX-Drill: {number}\r\n{fields}\r\n"
        self.transport.write(head.encode() + body_of(number, size))


def wanted(count: int, every: float = 1.0, client: int = 0, method: str = "GET") -> Iterator[Planned]:
    return (Planned(number, client, method, "/", number * every) for number in range(count))


def seen(
    script: Callable[[Host, int], None],
    requests: Iterator[Planned],
    load: Load | None = None,
    meanwhile: Callable[[Clients, list[Host]], Awaitable[None]] | None = None,
) -> tuple[list[Request], list[Host]]:
    """What the clients saw, and the connections they made."""
    hosts: list[Host] = []

    async def life() -> list[Request]:
        loop: Any = asyncio.get_running_loop()
        loop.network.listen((WHERE.host, WHERE.port), lambda: Host(script, hosts))
        tasks = Tasks(loop)
        clients = Clients(load or Load(), WHERE, loop.time(), SIZE, tasks)
        if meanwhile is not None:
            await meanwhile(clients, hosts)
        await clients.send(requests)
        await clients.settled(30.0)
        clients.close()
        await tasks.close()
        return clients.seen

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(life()), hosts


def test_answers_in_time_go_over_one_connection_of_the_client() -> None:
    requests, hosts = seen(lambda host, number: host.say(number), wanted(5))
    assert [(one.status, one.failure, one.due, one.seconds) for one in requests] == [
        (200, "", number, 0.0) for number in range(5)
    ]
    assert len(hosts) == 1


def test_whoever_comes_while_the_connection_is_busy_opens_another() -> None:
    def slowly(host: Host, number: int) -> None:
        asyncio.get_running_loop().call_later(3.5, host.say, number)

    requests, hosts = seen(slowly, wanted(4))
    assert [one.seconds for one in requests] == [3.5] * 4
    assert len(hosts) == 4


def test_a_connection_that_is_to_close_is_used_no_more() -> None:
    requests, hosts = seen(lambda host, number: host.say(number, "Connection: close\r\n"), wanted(3))
    assert [one.failure for one in requests] == [""] * 3
    assert len(hosts) == 3


def test_a_connection_closed_while_it_was_idle_costs_no_answer() -> None:
    def once(host: Host, number: int) -> None:
        if number == 1 and len(made) == 1:
            host.transport.close()
            made.append(number)
        else:
            host.say(number)
            made.append(number)

    made: list[int] = []
    requests, hosts = seen(once, wanted(2))
    assert [one.failure for one in requests] == ["", ""]
    assert len(hosts) == 2


def reset(host: Host, number: int) -> None:
    cut_off(host.transport)


def half(host: Host, number: int) -> None:
    host.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")
    host.transport.close()


def another(host: Host, number: int) -> None:
    host.say(number + 1)


def changed(host: Host, number: int) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nX-Drill: {number}\r\n\r\n"
    host.transport.write(head.encode() + b"x" * SIZE)


def nonsense(host: Host, number: int) -> None:
    host.transport.write(b"\x16\x03\x01")


def close(host: Host, number: int) -> None:
    host.transport.close()


@pytest.mark.parametrize(
    ("script", "failure", "status"),
    [
        (reset, "reset", 0),
        (close, "closed", 0),
        (half, "truncated", 200),
        (another, "not_its_own", 200),
        (changed, "not_its_own", 200),
        (nonsense, "malformed", 0),
        (lambda host, number: None, "cut", 0),
    ],
)
def test_each_way_to_fail_has_its_word(script: Callable[[Host, int], None], failure: str, status: int) -> None:
    (request,), _ = seen(script, wanted(1))
    assert (request.failure, request.status) == (failure, status)


def test_where_nobody_listens_clients_are_refused() -> None:
    async def gone(clients: Clients, hosts: list[Host]) -> None:
        clients.loop.network.posts.clear()

    requests, _ = seen(lambda host, number: None, wanted(2), meanwhile=gone)
    assert [one.failure for one in requests] == ["refused", "refused"]


def test_a_client_whose_patience_is_over_leaves() -> None:
    (request,), hosts = seen(lambda host, number: None, wanted(1), Load(gives_up=2.0))
    assert (request.failure, request.seconds) == ("gave_up", 2.0)
    assert hosts[0].transport.is_closing()


def test_the_head_is_seen_before_the_end() -> None:
    def in_parts(host: Host, number: int) -> None:
        host.transport.write(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n")
        asyncio.get_running_loop().call_later(1.0, host.transport.write, b"no")

    (request,), _ = seen(in_parts, wanted(1))
    assert (request.head, request.ended, request.status, request.ok) == (0.0, 1.0, 500, False)


def test_an_answer_without_a_length_is_whole_at_its_end() -> None:
    def until_the_end(host: Host, number: int) -> None:
        host.transport.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        host.transport.close()

    (request,), _ = seen(until_the_end, wanted(1))
    assert request.ok


def test_head_and_bodies_go_as_they_should() -> None:
    def bodiless(host: Host, number: int) -> None:
        host.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nX-Drill: %d\r\n\r\n" % number)

    assert all(one.ok for one in seen(bodiless, wanted(2, method="HEAD"))[0])
    assert all(one.ok for one in seen(lambda host, number: host.say(number), wanted(2, method="POST"))[0])


def test_a_client_comes_from_its_own_address() -> None:
    _, hosts = seen(lambda host, number: host.say(number), wanted(1, client=300))
    assert source_of(300) == "127.1.1.44"
    assert hosts[0].transport.get_extra_info("peername")[0] == "127.1.1.44"


def test_a_plan_is_repeatable_and_has_its_rate_and_weights() -> None:
    load = Load(rate=100.0, clients=7, methods={"GET": 9.0, "POST": 1.0}, paths={"/": 1.0, "/b": 3.0})
    requests = list(plan(load, 50.0, random.Random(1)))
    assert requests == list(plan(load, 50.0, random.Random(1)))
    assert requests != list(plan(load, 50.0, random.Random(2)))
    assert len(requests) == pytest.approx(5000, rel=0.05)
    assert Counter(one.method for one in requests)["POST"] == pytest.approx(500, rel=0.2)
    assert Counter(one.path for one in requests)["/b"] == pytest.approx(3750, rel=0.05)
    assert {one.client for one in requests} == set(range(7))


def well(host: Host, number: int) -> None:
    host.say(number)


OUTCOMES = [reset, half, another, nonsense, close, changed, well]


@given(st.lists(st.integers(0, len(OUTCOMES)), min_size=1, max_size=20), st.sampled_from([0.0, 0.01, 1.0]))
def test_each_request_ends_once_whatever_becomes_of_it(picks: list[int], every: float) -> None:
    def picked(host: Host, number: int) -> None:
        if picks[number] < len(OUTCOMES):
            OUTCOMES[picks[number]](host, number)

    requests, _ = seen(picked, wanted(len(picks), every), Load(gives_up=5.0))
    assert sorted(one.number for one in requests) == list(range(len(picks)))
