"""A successor gets every listening socket; the predecessor leaves when that one accepts, and not before."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from sidecar import __version__
from sidecar.model.address import Address
from sidecar.transport import handover
from sidecar.transport.handover import Handover, HandoverError, Legacy, handover_name, may_take, take_over
from sidecar.transport.inlets import Inlet, Inlets
from sidecar.transport.packets import close, receive, send
from sidecar.transport.sockets import UnixFile, bind, refuse_newcomers

pytestmark = pytest.mark.both_loops

_NUMBERS = count()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"\0sidecar-test/{os.getpid()}/{next(_NUMBERS)}"


@pytest.fixture
def listening() -> Iterator[Inlet]:
    """A socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield Inlet("public", sock)


class Predecessor:
    """An instance that waits for a successor; what it says in its log can be waited for."""

    def __init__(self, name: str, inlets: Sequence[Inlet], ready_within: float) -> None:
        self.taken = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.handover = Handover(name, lambda: inlets, self.taken.set, loop, ready_within)
        self.lines: list[str] = []
        self._grew = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> bool:
        self.lines.append(record.getMessage())
        self._grew.set()
        return True

    async def said(self, text: str) -> None:
        async with asyncio.timeout(30):
            while not any(text in line for line in self.lines):
                self._grew.clear()
                await self._grew.wait()


@asynccontextmanager
async def predecessor(name: str, *inlets: Inlet, ready_within: float = 60) -> AsyncIterator[Predecessor]:
    """One that serves on these sockets."""
    running = Predecessor(name, inlets, ready_within)
    log = logging.getLogger("sidecar.handover")
    log.addFilter(running.emit)
    assert running.handover.start()
    try:
        yield running
    finally:
        await running.handover.close()
        log.removeFilter(running.emit)


@asynccontextmanager
async def successor(name: str) -> AsyncIterator[Legacy]:
    """One that has taken over the sockets."""
    legacy = await take_over(name)
    assert legacy is not None
    try:
        yield legacy
    finally:
        legacy.close()
        close(inlet.sock for inlet in legacy.inlets)


async def test_nobody_there_leaves_nothing(name: str) -> None:
    assert await take_over(name) is None


async def test_a_successor_gets_every_socket_and_what_it_is_for(name: str, listening: Inlet) -> None:
    admin = listening._replace(role="admin", lent=True)
    async with predecessor(name, listening, admin), successor(name) as legacy:
        assert [(inlet.role, inlet.lent) for inlet in legacy.inlets] == [("public", False), ("admin", True)]
        assert {inlet.sock.getsockname() for inlet in legacy.inlets} == {listening.sock.getsockname()}
        assert (legacy.pid, legacy.version) == (os.getpid(), __version__)


async def test_more_sockets_than_a_packet_carries_arrive(name: str, listening: Inlet) -> None:
    many = [listening._replace(role=str(number)) for number in range(150)]
    async with predecessor(name, *many), successor(name) as legacy:
        assert [inlet.role for inlet in legacy.inlets] == [inlet.role for inlet in many]


async def test_an_instance_without_sockets_can_be_taken_over(name: str) -> None:
    async with predecessor(name) as old, successor(name) as legacy:
        await legacy.ready()
        assert legacy.inlets == ()
        assert old.taken.is_set()


async def test_the_predecessor_leaves_when_the_successor_is_ready(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening) as old, successor(name) as legacy:
        assert not old.taken.is_set()
        await legacy.ready()
        assert old.taken.is_set()
        assert old.handover.taken_by == os.getpid()


async def test_each_is_named_by_the_process_that_its_service_manager_knows(
    name: str, listening: Inlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "service_pid", lambda: 12345)
    async with predecessor(name, listening) as old, successor(name) as legacy:
        assert legacy.pid == 12345
        await legacy.ready()
        await old.taken.wait()
        assert old.handover.taken_by == 12345


@pytest.mark.parametrize("dies", [False, True])
async def test_a_predecessor_that_was_told_to_end_meanwhile_leaves_no_socket_deaf(
    name: str, listening: Inlet, dies: bool
) -> None:
    async with predecessor(name, listening) as running, successor(name) as legacy:
        refuse_newcomers(listening.sock)
        if dies:
            await running.handover.close()
        await legacy.ready()
        with socket.create_connection(listening.sock.getsockname(), timeout=30):
            pass


async def test_the_name_is_free_as_soon_as_the_predecessor_leaves(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening), successor(name) as legacy:
        await legacy.ready()
        async with predecessor(name, *legacy.inlets), successor(name) as next_one:
            assert len(next_one.inlets) == 1


async def test_a_successor_that_gives_up_changes_nothing(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening) as old:
        async with successor(name):
            pass
        await old.said("did not take over: it ended the conversation; serving on")
        assert not old.taken.is_set()
        async with successor(name) as legacy:
            await legacy.ready()
        assert old.taken.is_set()


async def test_a_successor_that_gives_up_leaves_the_file_of_a_unix_socket_as_it_was(name: str, tmp_path: Path) -> None:
    path = tmp_path / "s"
    address = Address(path=str(path))
    (sock,) = bind(address, file=UnixFile(0o660))
    with sock:
        async with predecessor(name, Inlet("public", sock)) as running:
            async with successor(name) as legacy:
                Inlets(legacy.inlets).open(address, UnixFile(0o600))
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
            await running.said("serving on")
            assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_a_second_successor_is_refused_while_one_is_at_it(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening) as old, successor(name) as legacy:
        with pytest.raises(HandoverError, match=f"refuses: process {os.getpid()} is taking over already"):
            await take_over(name)
        await legacy.ready()
        assert old.taken.is_set()


async def test_a_successor_that_takes_too_long_must_not_serve(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening, ready_within=0) as old, successor(name) as legacy:
        await old.said("did not take over: it took too long; serving on")
        with pytest.raises(HandoverError, match="goes on: it ended the conversation"):
            await legacy.ready()
        assert not old.taken.is_set()


async def test_a_predecessor_that_died_meanwhile_has_left(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening) as old, successor(name) as legacy:
        await old.handover.close()
        await legacy.ready()
        assert not old.taken.is_set()


async def test_a_successor_that_talks_nonsense_changes_nothing(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening) as old:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.setblocking(False)
            stranger.connect(name)
            await send(stranger, {"hello": True})
            await old.said("did not take over: it said neither")
        assert not old.taken.is_set()


async def test_a_name_that_is_held_already_costs_only_the_takeover(name: str) -> None:
    async with predecessor(name) as old:
        second = Handover(name, list, lambda: None, asyncio.get_running_loop())
        assert not second.start()
        await second.close()
        await old.said("no successor can take over: sidecar-test/")


@pytest.mark.parametrize(
    ("user", "own", "allowed"), [(1000, 1000, True), (0, 1000, True), (1001, 1000, False), (1000, 0, False)]
)
def test_only_the_same_user_and_root_share_sockets(user: int, own: int, allowed: bool) -> None:
    assert may_take(user, own) is allowed


async def test_another_user_is_refused(name: str, listening: Inlet, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = iter([True, False])  # the successor asks first
    monkeypatch.setattr(handover, "may_take", lambda _user, _own: next(verdicts))
    async with predecessor(name, listening) as old:
        with pytest.raises(HandoverError, match="refuses: only the user who runs it, or root, may take over"):
            await take_over(name)
        assert not old.taken.is_set()


async def test_sockets_of_another_user_are_not_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "may_take", lambda _user, _own: False)
    async with predecessor(name):
        with pytest.raises(HandoverError, match=f"process {os.getpid()} of user {os.geteuid()} holds the name"):
            await take_over(name)


@asynccontextmanager
async def impostor(name: str, *packets: dict[str, object]) -> AsyncIterator[None]:
    """Somebody under that name who says only this, and then waits for the other's end."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(name)
        listening.listen()
        listening.setblocking(False)

        async def speak() -> None:
            connection, _ = await loop.sock_accept(listening)
            with connection:
                for packet in packets:
                    await send(connection, packet)
                with pytest.raises(Exception):  # noqa: B017, PT011 - however it ends
                    await receive(connection)

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(speak())
            yield


async def test_a_predecessor_that_says_nothing_is_not_waited_for_for_ever(name: str) -> None:
    async with impostor(name):
        with pytest.raises(HandoverError, match="did not hand over its sockets: it took too long"):
            await take_over(name, timeout=0)


@pytest.mark.parametrize(
    "packets",
    [
        [{"sidecar": "1", "pid": 1, "sockets": 2}, {"inlets": [["public", False]]}],
        [{"sidecar": "1", "pid": 1, "sockets": 2}, {}],
        [{"sidecar": "1", "pid": 1}],
        [{"sidecar": "1", "pid": "x", "sockets": 0}],
    ],
)
async def test_a_predecessor_that_hands_over_less_than_it_says_is_refused(
    name: str, packets: list[dict[str, object]]
) -> None:
    async with impostor(name, *packets):
        with pytest.raises(HandoverError, match="did not hand over its sockets"):
            await take_over(name)


async def test_without_a_free_descriptor_a_successor_waits(
    name: str, listening: Inlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_ACCEPT_PAUSE_SECONDS", 0)
    real: Callable[[socket.socket], tuple[socket.socket, object]] = socket.socket.accept
    failures = iter([OSError(errno.EMFILE, "Too many open files")])

    def accept(sock: socket.socket) -> tuple[socket.socket, object]:
        for failure in failures:
            raise failure
        return real(sock)

    async with predecessor(name, listening):
        monkeypatch.setattr(socket.socket, "accept", accept)
        async with successor(name) as legacy:
            assert len(legacy.inlets) == 1


def test_an_instance_is_found_by_its_user_and_its_admin_address() -> None:
    assert handover_name(Address("127.0.0.1", 9901), 1000) == "\0sidecar/1000/127.0.0.1:9901"
    assert handover_name(Address("127.0.0.1", 9901), 0) != handover_name(Address("127.0.0.1", 9901), 1000)


def test_a_long_admin_address_still_makes_a_name() -> None:
    names = {handover_name(Address(path="/" + letter * 106), 4_000_000_000) for letter in "ab"}
    assert len(names) == 2
    assert all(len(name.encode()) <= 107 for name in names)


async def test_a_successor_finds_an_instance_under_the_name_that_it_moved_to(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening) as running:
        running.handover.move(f"{name}/moved")
        assert await take_over(name) is None
        async with successor(f"{name}/moved") as legacy:
            await legacy.ready()
        assert running.taken.is_set()


async def test_a_successor_that_is_at_it_may_finish_after_a_move(name: str, listening: Inlet) -> None:
    async with predecessor(name, listening) as running, successor(name) as legacy:
        running.handover.move(f"{name}/moved")
        await legacy.ready()
        assert running.handover.taken_by == os.getpid()
        running.handover.move(name)
        assert await take_over(name) is None, "nobody moves who has been taken over"


async def test_a_name_that_another_one_holds_is_not_moved_to(name: str, listening: Inlet) -> None:
    async with predecessor(f"{name}/moved"), predecessor(name, listening) as running:
        running.handover.move(f"{name}/moved")
        await running.said("no successor can take over")
        async with successor(name) as legacy:
            await legacy.ready()
        assert running.taken.is_set()
