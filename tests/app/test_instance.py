"""What is handed down to an instance comes to where it belongs."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sidecar.app.instance import Plan, inlets_of
from sidecar.model.address import Address
from sidecar.transport.inlets import Inlet
from tests.doubles.running import loaded


@pytest.fixture
def sockets() -> Iterator[dict[str, socket.socket]]:
    """Listening ones, by what they were called."""
    made = {name: socket.create_server(("127.0.0.1", 0)) for name in ("public", "admin", "unknown")}
    yield made
    for one in made.values():
        one.close()


def where(sock: socket.socket) -> Address:
    return Address(*sock.getsockname())


def test_the_admins_socket_is_the_admins_and_every_other_is_a_listeners(sockets: dict[str, socket.socket]) -> None:
    public, admin = inlets_of([Inlet(name, sock) for name, sock in sockets.items()])
    assert public.open(where(sockets["unknown"])) == (sockets["unknown"],)
    assert public.open(where(sockets["public"])) == (sockets["public"],)
    assert admin.open(where(sockets["admin"])) == (sockets["admin"],)
    assert (public.handed_unused(), admin.handed_unused()) == ((), ())


def test_a_successor_is_told_again_which_is_which(sockets: dict[str, socket.socket]) -> None:
    public, admin = inlets_of([Inlet(name, sock) for name, sock in sockets.items()])
    for one in ("public", "unknown"):
        public.open(where(sockets[one]))
    admin.open(where(sockets["admin"]))
    assert [inlet.role for inlet in (*public.listening(), *admin.listening())] == ["public", "public", "admin"]


def test_workers_have_a_queue_each_and_the_admin_has_one() -> None:
    public, admin = inlets_of([], copies=3)
    try:
        assert [len(inlets.open(Address("127.0.0.1", 0))) for inlets in (public, admin)] == [3, 1]
    finally:
        public.close()
        admin.close()


def test_a_plan_is_for_one_process_that_follows_nobody() -> None:
    given = loaded("http://127.0.0.1:1")
    plan = Plan(given, lambda: given)
    assert (plan.workers, plan.takeover, plan.demo, plan.file) == (1, False, False, None)
