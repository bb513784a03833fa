"""The admin address is bound before it serves, moves whole or not at all, and lets answers finish."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.admin_door import AdminDoor
from sidecar.model.address import Address
from sidecar.rules.schema import AdminRule
from sidecar.transport.inlets import Inlets
from sidecar.transport.sockets import BindError
from sidecar.transport.tasks import Tasks
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.peer import Peer
from tests.doubles.subject import FakeSubject

HERE, THERE = Address("127.0.0.1", 0), Address("127.0.0.2", 0)


class World:
    """A door that serves at 127.0.0.1, and what it stands on."""

    def __init__(self) -> None:
        self.subject: Any = FakeSubject()
        self.inlets = Inlets(role="admin")
        self.tasks = Tasks(asyncio.get_running_loop())
        self.door = AdminDoor(self.subject, AdminRule(address=HERE), self.inlets, self.tasks)

    async def follow(self, rule: AdminRule) -> None:
        await self.door.follow(rule, self.door.fitting(rule))

    async def status(self, address: Address, method: str = "GET", target: str = "/livez", field: str = "") -> int:
        async with await Peer.connect(address.path or address.port, None, address.host) as peer:
            lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 0"]
            return (await peer.ask("\r\n".join([*lines, *([field] if field else []), "", ""]).encode())).status

    async def refuses(self, address: Address) -> None:
        """Waits until nobody listens there."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while connects(address):
                await asyncio.sleep(0)


def connects(address: Address) -> bool:
    with socket.socket(socket.AF_UNIX if address.is_unix else socket.AF_INET) as sock:
        return sock.connect_ex(address.path or (address.host, address.port)) == 0


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.door.open(made.door.fitting(AdminRule(address=HERE)))
    yield made
    await made.door.close()
    await made.tasks.close()


async def test_it_tells_the_port_that_the_kernel_chose(world: World) -> None:
    assert world.door.address.port != 0
    assert await world.status(world.door.address) == 200


async def test_at_the_same_address_only_who_is_admitted_changes(world: World) -> None:
    before = world.door.address
    verb = ("POST", "/breakers/none/reset")
    assert await world.status(before, *verb) == 404
    rule = AdminRule(address=HERE, token="secret")
    assert world.door.fitting(rule) == ()
    await world.follow(rule)
    assert world.door.address == before
    assert await world.status(before, *verb) == 401
    assert await world.status(before, *verb, "Authorization: Bearer secret") == 404


async def test_at_another_address_it_serves_there_and_no_longer_here(world: World) -> None:
    before = world.door.address
    await world.follow(AdminRule(address=THERE))
    assert world.door.address.host == "127.0.0.2"
    assert await world.status(world.door.address) == 200
    await world.refuses(before)
    await world.follow(AdminRule(address=HERE))
    assert await world.status(world.door.address) == 200


async def test_sockets_that_are_not_to_be_used_after_all_are_closed(world: World, tmp_path: Path) -> None:
    there = Address(path=str(tmp_path / "admin.sock"))
    sockets = world.door.fitting(AdminRule(address=there))
    assert connects(there)
    world.door.discard(sockets)
    assert not connects(there)
    assert await world.status(world.door.address) == 200


async def test_an_address_that_cannot_be_had_changes_nothing(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(BindError, match=str(wanted)):
            world.door.fitting(AdminRule(address=wanted))
    assert await world.status(world.door.address) == 200


async def test_one_that_cannot_be_served_leaves_it_where_it_was(world: World) -> None:
    before = world.door.address
    rule = AdminRule(address=THERE)
    (bound,) = world.door.fitting(rule)
    there = Address(*bound.getsockname())
    bound.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        await world.door.follow(rule, [bound])
    assert world.door.address == before
    assert await world.status(before) == 200
    assert not connects(there)
    await world.follow(rule)
    assert await world.status(world.door.address) == 200


async def test_before_it_serves_nothing_is_kept_of_what_is_let_go_of() -> None:
    world = World()
    sockets = world.door.fitting(AdminRule(address=HERE))
    address = Address(*sockets[0].getsockname())
    world.door.discard(sockets)
    assert not connects(address)
    await world.door.close()
