"""One worker process, led over its link by a test in the supervisor's place."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from sidecar.app.errors import Exit
from sidecar.app.messages import Adopt, Beat, Begin, Command, Happened, Leave, Left, Look, Place, Ready, Sight, Unable
from sidecar.app.worker import HandedInlets
from sidecar.health.verdicts import Verdict
from sidecar.model.address import Address
from sidecar.rules.load import Loaded
from sidecar.telemetry.parts import unpacked
from sidecar.transport.sockets import BindError
from sidecar.workers.link import Link, Message
from sidecar.workers.memory import SharedMemory
from tests.doubles.backend import OK, Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.process import ROOT, START_SECONDS
from tests.doubles.running import loaded, rules_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")

_T = TypeVar("_T")

AT_ONCE = ["drain.announce=0s"]


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


class Led:
    """A worker, number 1 of 2. `said` is what it said, in order, and `listener` where it is to listen."""

    def __init__(self, process: asyncio.subprocess.Process, ours: socket.socket) -> None:
        self.process = process
        self.said: list[object] = []
        self.memory = SharedMemory.create(2)
        self.listener = listening()
        self.port: int = self.listener.getsockname()[1]
        self.link = Link(ours, asyncio.get_running_loop(), self._heard, self._ended)
        self._bell = asyncio.Event()

    def _heard(self, message: Message) -> None:
        self.said.append(message.body)
        self._bell.set()

    def _ended(self) -> None:
        self._bell.set()

    @property
    def places(self) -> list[Place]:
        return [Place(Address("127.0.0.1", 0), 1, False)]

    def begin(self, rules: Loaded, verdicts: Sequence[Verdict] = (), drained: Sequence[str] = ()) -> None:
        memory = self.memory.descriptors
        told = Begin(rules, None, 1, 2, len(memory), self.places, verdicts, drained)
        self.link.tell(told, [*memory, self.listener.fileno()])

    async def heard(self, kind: type[_T]) -> _T:
        """Waits until it says something of this kind."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                for body in self.said:
                    if isinstance(body, kind):
                        return body
                assert not self.link.ended, self.said
                self._bell.clear()
                await self._bell.wait()

    async def look(self) -> Sight:
        sight = await self.link.ask(Look(), START_SECONDS)
        assert isinstance(sight, Sight)
        return sight

    async def status(self) -> dict[str, Any]:
        return await unpacked((await self.look()).status)

    async def ended(self) -> int:
        async with asyncio.timeout(START_SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def led() -> AsyncIterator[Led]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sidecar", "worker", str(theirs.fileno())),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
    one = Led(process, ours)
    try:
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await one.ended()
        one.link.close()
        one.listener.close()
        one.memory.close()


async def test_it_serves_from_begin_on_until_it_is_told_to_leave() -> None:
    async with Backend() as backend, led() as one:
        one.begin(loaded(backend.url, sets=AT_ONCE))
        await one.heard(Ready)
        async with await Peer.connect(one.port) as peer:
            assert (await peer.get()).status == 200
            sight = await one.look()
            status = await unpacked(sight.status)
            assert (status["phase"], sight.endpoints) == ("serving", (f"app/127.0.0.1:{backend.port}",))
            assert [condition.holds for condition in sight.conditions] == [True] * 3
            os.kill(one.process.pid, signal.SIGTERM)  # a whole group may be sent it; only its supervisor leads
            assert (await peer.get()).status == 200
            one.link.tell(Leave())
            assert await peer.ended() == b""
        left = await one.heard(Left)
        assert left.cut == 0
        assert await one.ended() == Exit.DONE


async def test_what_it_had_to_cut_it_says_at_once_when_it_is_hurried() -> None:
    async def stuck(call: Call) -> None:
        await call.wait_gone()

    async with Backend(stuck) as backend, led() as one:
        one.begin(loaded(backend.url, sets=["drain.announce=0s", "drain.deadline=600s"]))
        await one.heard(Ready)
        async with await Peer.connect(one.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await backend.wait_requests(1)
            one.link.tell(Leave())
            one.link.tell(Leave(hurry=True))
            assert (await one.heard(Left)).cut == 1
            assert await one.ended() == Exit.CUT


async def test_one_that_is_told_to_leave_before_it_serves_serves_who_waits_and_leaves() -> None:
    async with Backend() as backend, led() as one:
        one.begin(loaded(backend.url, sets=AT_ONCE))
        one.link.tell(Leave())
        async with await Peer.connect(one.port) as peer:
            assert (await peer.get()).status == 200
        assert (await one.heard(Left)).cut == 0
        assert await one.ended() == Exit.DONE


async def test_it_answers_whether_it_is_alive() -> None:
    async with Backend() as backend, led() as one:
        one.begin(loaded(backend.url))
        await one.heard(Ready)
        one.link.tell(Beat())
        assert await one.heard(Beat) == Beat()


async def test_without_a_supervisor_it_ends_whether_it_has_begun_or_not() -> None:
    async with led() as one:
        one.link.close()
        assert await one.ended() == Exit.FAILED
    async with Backend() as backend, led() as one:
        one.begin(loaded(backend.url, sets=AT_ONCE))
        await one.heard(Ready)
        one.link.close()
        assert await one.ended() == Exit.DONE


async def test_it_says_why_it_cannot_serve() -> None:
    async with led() as one:
        memory = one.memory.descriptors
        one.link.tell(Begin(loaded("http://127.0.0.1:1"), None, 1, 2, len(memory), []), memory)
        unable = await one.heard(Unable)
        assert (unable.code, unable.sentence) == (Exit.BIND, "no socket for 127.0.0.1:0 was handed down")
        assert await one.ended() == Exit.BIND


async def test_it_adopts_rules_or_says_why_not_and_keeps_its_own() -> None:
    def rules(url: str, version: str, address: str = "127.0.0.1:0") -> Loaded:
        text = rules_text(url, route=f"response_headers: {{set: {{x-rules: {version}}}}}", address=address)
        return loaded(rules=text)

    async with Backend() as backend, led() as one:
        one.begin(rules(backend.url, "one"))
        await one.heard(Ready)
        async with await Peer.connect(one.port) as peer:
            refused = await one.link.ask(Adopt(rules(backend.url, "two", "127.0.0.1:1"), []), START_SECONDS)
            assert refused == "no socket for 127.0.0.1:1 was handed down"
            assert (await peer.get()).get("x-rules") == b"one"
            adopted = Adopt(rules(backend.url, "three"), one.places)
            assert await one.link.ask(adopted, START_SECONDS, [one.listener.fileno()]) is None
            assert (await peer.get()).get("x-rules") == b"three"


async def test_it_begins_with_what_is_known_and_was_commanded_before_it_came() -> None:
    rules = rules_text(
        "http://127.0.0.1:1", "http://127.0.0.1:2", upstream="health_check: {path: /, interval: 300s, timeout: 300s}"
    )
    verdicts = [("app", "app/127.0.0.1:1", False, "status 503"), ("app", "app/127.0.0.1:2", True, "")]
    async with led() as one:
        one.begin(loaded(rules=rules), verdicts, ["app/127.0.0.1:2"])
        await one.heard(Ready)
        first, second = (await one.status())["upstreams"][0]["endpoints"]
        assert (first["down"], first["why_down"]) == (True, "status 503")
        assert (second["down"], second["drained"]) == (False, True)
        one.link.tell(Command("endpoint", "app/127.0.0.1:2", "ready"))
        _, second = (await one.status())["upstreams"][0]["endpoints"]
        assert second["takes_attempts"]


async def test_it_obeys_a_command_that_came_while_it_was_starting() -> None:
    async with led() as one:
        one.begin(loaded("http://127.0.0.1:1"))
        one.link.tell(Command("endpoint", "app/127.0.0.1:1", "drain"))
        await one.heard(Ready)
        (told,) = (await one.status())["upstreams"][0]["endpoints"]
        assert told["drained"] is True


async def test_it_tells_what_happens_to_it_and_leaves_commands_and_drains_to_the_supervisor() -> None:
    async def ill(call: Call) -> None:
        await call.send(OK.replace(b"200 OK", b"500 Ill"))

    sets = [*AT_ONCE, "upstreams.app.circuit_breaker={consecutive_failures: 1}", "defaults.retry=null"]
    async with Backend(ill) as backend, led() as one:
        one.begin(loaded(backend.url, sets=sets))
        await one.heard(Ready)
        one.link.tell(Command("breaker", "upstream.app", "auto"))
        async with await Peer.connect(one.port) as peer:
            assert (await peer.get()).status == 500
        assert (await one.heard(Happened)).event.subject == "upstream.app"
        one.link.tell(Leave())
        await one.heard(Left)
        assert [body.event.kind for body in one.said if isinstance(body, Happened)] == ["breaker"]


def handed(inlets: HandedInlets, address: Address, *socks: socket.socket) -> None:
    inlets.take([Place(address, len(socks), False)], deque(os.dup(sock.fileno()) for sock in socks))


def test_sockets_that_are_handed_down_are_kept_by_address_until_the_rules_let_go_of_them() -> None:
    inlets, first, second = HandedInlets(), Address("127.0.0.1", 1), Address("127.0.0.1", 2)
    with listening() as one, listening() as other:
        handed(inlets, first, one)
        handed(inlets, second, one, other)
        kept = inlets.open(first)
        assert [sock.getsockname() for sock in inlets.open(second)] == [one.getsockname(), other.getsockname()]
        handed(inlets, first, other)  # known already: the new copies are closed
        assert inlets.open(first) is kept
        inlets.keep_only([second])
        assert kept[0].fileno() == -1
        with pytest.raises(BindError, match=r"no socket for 127\.0\.0\.1:1 was handed down"):
            inlets.open(first)
        assert not inlets.is_shared(second)
        inlets.handed_on = True
        assert inlets.is_shared(second)
        inlets.close()
        with pytest.raises(BindError):
            inlets.open(second)
