"""Who is let in: the queue counts against the maximum like everybody else, and once; a bug costs one connection."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.model.address import Address
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry
from sidecar.transport.sockets import bind
from tests.transport.test_listener import Accepted, connected, finish, greeted, heard, listening, port_of

pytestmark = pytest.mark.both_loops


async def test_of_those_in_the_queue_as_many_are_let_in_as_there_is_room_for() -> None:
    listener = listening(Address("127.0.0.1", 0), max_connections=3)
    await listener.start()
    clients = [connected(("127.0.0.1", port_of(listener))) for _ in range(4)]
    listener.stop_accepting()
    assert [await heard(client) for client in clients] == [b"welcome"] * 3 + [b"full"]
    for client in clients:
        client.close()
    await finish(listener, [])


@pytest.mark.parametrize("where", ["accepting", "room", "making"])
async def test_a_connection_that_cannot_be_made_is_cut_and_the_next_ones_are_served(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry()
    bugs = [where]

    def stumbles(here: str) -> None:
        if bugs == [here]:
            bugs.clear()
            raise RuntimeError("boom")

    def make(full: bool) -> Accepted:
        stumbles("making")
        return Accepted(registry, full)

    def make_room(places: int) -> bool:
        stumbles("room")
        return True

    loop = asyncio.get_running_loop()
    sockets = bind(Address("127.0.0.1", 0))
    listener = Listener("l", sockets, make, registry, loop, 0, lambda: stumbles("accepting"), make_room=make_room)
    await listener.start()
    writers: list[asyncio.StreamWriter] = []
    greetings = [await greeted(writers, Address(), port_of(listener)) for _ in range(3)]
    assert greetings == [b"", b"welcome", b"welcome"]
    assert "boom" in caplog.text
    await finish(listener, writers)
