"""Who finds room when accepting ends: the queue counts against the maximum like everybody else, and once."""

from __future__ import annotations

import pytest

from sidecar.model.address import Address
from tests.transport.test_listener import connected, finish, heard, listening, port_of

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
