"""Listeners are kept, opened and closed by the difference between rules; what cannot be had leaves nothing behind."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.app.doors import Doors, with_port
from sidecar.app.wiring import Proxy
from sidecar.model.address import Address
from sidecar.rules.forms import UNIX_PEERS
from sidecar.rules.listener_unix import ListenerUnix
from sidecar.rules.schema import ListenerRule
from sidecar.telemetry.stats import Stats
from sidecar.transport.sockets import BindError, bind
from sidecar.transport.wheel import DeadlineWheel
from tests.doubles.backend import Backend
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, running

FIRST = Address("127.0.0.1", 0)


@pytest.fixture
async def proxy() -> AsyncIterator[RunningProxy]:
    """A proxy with one door, at a port of 127.0.0.1."""
    async with Backend() as backend, running(backend.url) as serving:
        yield serving


@pytest.fixture
def doors(proxy: RunningProxy) -> Doors:
    return proxy.proxy.doors


def rule(name: str, address: Address, most: int = 10) -> ListenerRule:
    return ListenerRule(name=name, address=address, max_connections=most)


def unix(directory: Path) -> Address:
    return Address(path=str(directory / "door.sock"))


async def change(doors: Doors, *rules: ListenerRule) -> None:
    fitting = doors.fitting(rules)
    await doors.open(fitting)
    doors.replace(fitting, rules)


def connects(address: Address) -> bool:
    with socket.socket(socket.AF_UNIX if address.is_unix else socket.AF_INET) as sock:
        return sock.connect_ex(address.path or (address.host, address.port)) == 0


async def test_the_door_at_an_address_stays_whatever_else_its_rule_says(doors: Doors) -> None:
    (before,) = doors.all
    await change(doors, rule("renamed", FIRST, most=3))
    assert doors.all == [before]
    assert (before.listener.name, before.listener.max_connections, before.rule.name) == ("renamed", 3, "renamed")


NAMED = """
listeners: [{{name: {name}, address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
log: {{access: 'off'}}
routes: [{{name: own, match: {{listener: {name}}}, respond: {{}}}}]
"""


async def test_clients_of_a_door_with_another_name_come_again_instead_of_missing_its_routes() -> None:
    async with running(rules=NAMED.format(name="old")) as proxy:
        async with proxy.peer() as peer:
            assert (await peer.get()).status == 200
            await proxy.adopt(NAMED.format(name="new"))
            assert await peer.ended() == b""
        assert (await proxy.ask()).status == 200


async def test_a_socket_in_use_keeps_its_file_when_another_address_cannot_be_had(doors: Doors, tmp_path: Path) -> None:
    before = rule("second", unix(tmp_path))
    await change(doors, rule("first", FIRST), before)
    closed = replace(before, unix=ListenerUnix(mode=0o600))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = Address(*taken.getsockname())
        with pytest.raises(BindError, match="in use"):
            doors.fitting([closed, rule("third", wanted)])
    assert (tmp_path / "door.sock").stat().st_mode & 0o777 == 0o666
    await change(doors, closed)
    assert (tmp_path / "door.sock").stat().st_mode & 0o777 == 0o600


async def test_the_doors_are_in_the_order_of_the_rules(doors: Doors, tmp_path: Path) -> None:
    (before,) = doors.addresses
    await change(doors, rule("first", unix(tmp_path)), rule("second", FIRST))
    assert doors.addresses == [unix(tmp_path), before]


async def test_a_new_door_is_bound_at_once_and_accepts_when_it_is_opened(
    proxy: RunningProxy, doors: Doors, tmp_path: Path
) -> None:
    rules = [rule("first", FIRST), rule("second", unix(tmp_path))]
    fitting = doors.fitting(rules)
    async with await Peer.connect(str(unix(tmp_path).path)) as early:
        await early.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await proxy.turns(5)
        assert len(fitting[1].listener.registry) == 0
        await doors.open(fitting)
        doors.replace(fitting, rules)
        assert (await early.answer()).status == 200


async def test_doors_that_are_not_to_be_used_after_all_leave_nothing(doors: Doors, tmp_path: Path) -> None:
    before = list(doors.all)
    doors.discard(doors.fitting([rule("first", FIRST), rule("second", unix(tmp_path))]))
    assert not connects(unix(tmp_path))
    assert not Path(str(unix(tmp_path).path)).exists()
    assert doors.all == before
    assert connects(doors.addresses[0])


async def test_an_address_that_cannot_be_had_leaves_the_others_as_they_were(doors: Doors, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(BindError, match=str(wanted)):
            doors.fitting([rule("a", FIRST), rule("b", unix(tmp_path)), rule("c", wanted)])
    assert not connects(unix(tmp_path))
    assert connects(doors.addresses[0])


async def test_a_door_that_is_gone_is_forgotten_once_its_last_connection_is(
    proxy: RunningProxy, doors: Doors, tmp_path: Path
) -> None:
    listeners = proxy.proxy.front.listeners
    await change(doors, rule("first", FIRST), rule("second", unix(tmp_path)))
    async with await Peer.connect(str(unix(tmp_path).path)) as peer:
        await peer.send(b"GET / HT")
        await proxy.until(lambda: len(doors.all[1].listener.registry) == 1)
        await change(doors, rule("first", FIRST))
        assert not connects(unix(tmp_path))
        assert len(listeners) == 2, "a request has begun"
    await proxy.until(lambda: len(listeners) == 1)
    assert listeners == [doors.all[0].listener]


async def test_it_can_come_back_while_the_one_before_still_has_a_connection(
    proxy: RunningProxy, doors: Doors, tmp_path: Path
) -> None:
    both = (rule("first", FIRST), rule("second", unix(tmp_path)))
    await change(doors, *both)
    async with await Peer.connect(str(unix(tmp_path).path)) as old:
        await old.send(b"GET / HTTP/1.1\r\n")
        await proxy.until(lambda: len(doors.all[1].listener.registry) == 1)
        await change(doors, both[0])
        await change(doors, *both)
        async with await Peer.connect(str(unix(tmp_path).path)) as new:
            assert (await new.get()).status == 200
        assert (await old.ask(b"Host: a\r\n\r\n")).status == 200
        assert await old.rest() == b""


def test_the_port_that_the_kernel_chose_is_told(tmp_path: Path) -> None:
    (sock,) = bind(FIRST)
    with sock:
        assert with_port(FIRST, [sock]) == Address("127.0.0.1", sock.getsockname()[1])
        assert with_port(Address("127.0.0.1", 7), [sock]) == Address("127.0.0.1", 7)
        assert with_port(unix(tmp_path), [sock]) == unix(tmp_path)


async def test_a_socket_that_others_accept_on_stays_as_it_is(tmp_path: Path) -> None:
    with bind(unix(tmp_path))[0] as shared:
        inlets = Shared(shared)
        async with Backend() as backend, running(backend.url) as proxy:
            made = Doors(proxy.proxy.front, inlets, proxy.proxy.dispatcher, *parts(proxy.proxy))
            await change(made, rule("shared", unix(tmp_path)))
            async with await Peer.connect(str(unix(tmp_path).path)) as peer:
                assert (await peer.get()).status == 200
            await change(made)
        assert connects(unix(tmp_path))


class Shared:
    """One socket that lives on elsewhere."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def open(self, _address: Address, _file: object = None) -> list[socket.socket]:
        return [self._sock]

    def keep_only(self, addresses: object) -> None:
        """Nothing: it is somebody else's."""

    def is_shared(self, _address: Address) -> bool:
        return True

    def close(self) -> None:
        """Nothing, either."""


def parts(proxy: Proxy) -> tuple[DeadlineWheel, Stats]:
    return proxy._wheel, proxy.stats


def mode_of(directory: Path) -> int:
    return (directory / "door.sock").stat().st_mode & 0o777


def socket_rule(directory: Path, mode: int) -> ListenerRule:
    return ListenerRule(name="unix", address=unix(directory), unix=ListenerUnix(mode=mode))


async def test_the_file_of_a_unix_socket_follows_the_rules_and_keeps_its_door(doors: Doors, tmp_path: Path) -> None:
    await change(doors, socket_rule(tmp_path, 0o600))
    (door,) = doors.all
    assert mode_of(tmp_path) == 0o600
    await change(doors, socket_rule(tmp_path, 0o660))
    assert doors.all == [door]
    assert mode_of(tmp_path) == 0o660


async def test_rules_that_cannot_be_had_leave_the_file_as_it_was(doors: Doors, tmp_path: Path) -> None:
    await change(doors, socket_rule(tmp_path, 0o600))
    with pytest.raises(BindError):
        doors.fitting([socket_rule(tmp_path, 0o660), rule("elsewhere", Address("192.0.2.1", 80))])
    assert mode_of(tmp_path) == 0o600


async def test_whether_connections_begin_with_a_proxy_header_follows_the_rules(doors: Doors, tmp_path: Path) -> None:
    address = unix(tmp_path)
    believing = ListenerRule(name="unix", address=address, trusted_proxies=(UNIX_PEERS,), proxy_protocol=True)
    await change(doors, rule("unix", address))
    async with await Peer.connect(str(address.path)) as old:
        assert (await old.get()).status == 200
        await change(doors, believing)
        assert (await old.get()).status == 200  # it had begun before
    async with await Peer.connect(str(address.path)) as new:
        await new.send(b"PROXY TCP4 203.0.113.9 10.0.0.2 51000 443\r\n")
        assert (await new.get()).status == 200
    await change(doors, rule("unix", address))
    async with await Peer.connect(str(address.path)) as newest:
        assert (await newest.get()).status == 200
