"""The PROXY header of an accepted connection: whose is believed, and what becomes of the others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.model.connections import Connections
from sidecar.model.reason import Reason
from sidecar.transport.arrival import Announced, PreambleTerms
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.entrance import Entrance
from sidecar.transport.listener import Accepted
from sidecar.transport.registry import NOTHING, Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin
from tests.transport.clients import GET
from tests.transport.doubles import Calls, FakeAcceptor, FakeTransport, VirtualLoop

LINE = b"PROXY TCP4 203.0.113.9 10.0.0.2 51000 443\r\n"
CLIENT = Announced("203.0.113.9", 51000, "10.0.0.2", 443)


class Log:
    """What would be written."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


class Switched(FakeTransport):
    """A transport that can be handed on."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("10.0.0.1", 4000), "sockname": ("10.0.0.3", 80)}.get(name, default)


class Scene:
    """A listener that expects PROXY headers, and one connection to it."""

    def __init__(self, loop: VirtualLoop, *, trusts: bool = True, raw: bool = False, full: bool = False) -> None:
        self.loop = loop
        self.calls: Calls = []
        self.counted: list[str] = []
        self.log = Log()
        self.announced: list[Announced | None] = []
        self.registry = Registry()
        self.counts = Connections()
        self.acceptor = FakeAcceptor(self.calls)
        wheel = DeadlineWheel(loop, loop.time)
        settings = DownstreamSettings(header_timeout=5)
        self.service = Service(settings, self.acceptor, self._origin, wheel, self.counts, self.registry, "public")
        self.service.proxy_protocol = PreambleTerms(lambda _: trusts, self.counted.append, self.log)  # type: ignore[arg-type]
        self.service.raw = raw
        self.transport = Switched()
        self.transport.protocol = self.first = Entrance(self.service)(full)
        self.first.connection_made(self.transport)  # type: ignore[arg-type]

    def _origin(self, transport: Any, announced: Announced | None) -> Origin:
        self.announced.append(announced)
        return Origin("10.0.0.1" if announced is None else announced.source)

    @property
    def protocol(self) -> Accepted:
        return self.transport.protocol  # type: ignore[no-any-return]

    def sends(self, data: bytes) -> None:
        self.protocol.data_received(data)

    @property
    def stands(self) -> bool:
        return isinstance(self.protocol, DownstreamConnection)


@pytest.fixture
def scene(virtual: VirtualLoop) -> Iterator[Scene]:
    made = Scene(virtual)
    yield made
    assert made.counts.active == 0
    assert made.counts.idle == len(made.registry)


def test_what_follows_the_header_is_read_as_if_it_had_come_first(virtual: VirtualLoop) -> None:
    scene = Scene(virtual)
    scene.sends(LINE + GET % 1)
    assert scene.calls[0] == ("request", b"GET /1")
    assert scene.announced == [CLIENT]
    assert scene.acceptor.streams[0].origin.peer_ip == "203.0.113.9"
    assert scene.counted == ["ok"]
    assert (scene.counts.active, scene.counts.idle, len(scene.registry)) == (1, 0, 1)


def test_a_header_may_come_byte_by_byte(scene: Scene) -> None:
    for place in range(len(LINE)):
        assert not scene.stands
        scene.sends(LINE[place : place + 1])
    assert scene.stands
    assert scene.announced == [CLIENT]


def test_a_connection_of_the_proxy_s_own_has_the_socket_s_address(scene: Scene) -> None:
    scene.sends(b"PROXY UNKNOWN\r\n")
    assert scene.announced == [None]
    assert scene.counted == ["local"]


@pytest.mark.parametrize("data", [GET % 1, b"PROXY TCP4 x\r\n", b"\x16\x03\x01"])
def test_one_without_a_good_header_is_answered_and_closed(scene: Scene, data: bytes) -> None:
    scene.sends(data)
    assert scene.calls == [("refuse", Reason.BAD_REQUEST)]
    assert scene.transport.sent.startswith(b"HTTP/1.1 400")
    assert scene.transport.eof_sent
    assert scene.counted == ["malformed"]
    assert scene.log.lines[0].startswith("listener public: a connection from 10.0.0.1 is refused: ")
    scene.protocol.connection_lost(None)


def test_a_stranger_is_refused_before_it_says_anything(virtual: VirtualLoop) -> None:
    scene = Scene(virtual, trusts=False)
    assert scene.calls == [("refuse", Reason.BAD_REQUEST)]
    assert scene.counted == ["untrusted"]
    assert scene.log.lines == [
        "listener public: a connection from 10.0.0.1 is refused: it is none of `trusted_proxies`"
    ]
    scene.sends(LINE + GET % 1)
    assert scene.calls == [("refuse", Reason.BAD_REQUEST)]
    assert scene.announced == [None]


@pytest.mark.parametrize("data", [b"", LINE[:9]])
def test_one_that_does_not_come_to_the_end_of_its_header_is_refused_in_time(scene: Scene, data: bytes) -> None:
    if data:
        scene.sends(data)
    scene.loop.advance(4.9)
    assert scene.calls == []
    scene.loop.advance(0.2)
    assert scene.calls == [("refuse", Reason.HEADER_TIMEOUT)]
    assert scene.counted == ["timeout"]
    scene.protocol.connection_lost(None)


def test_where_no_http_is_spoken_it_is_cut(virtual: VirtualLoop) -> None:
    for trusts, data in ((False, b""), (True, b"SSH-2.0")):
        scene = Scene(virtual, trusts=trusts, raw=True)
        if data:
            scene.sends(data)
        assert scene.transport.aborted
        assert scene.transport.sent == b""
        assert len(scene.registry) == scene.counts.idle == 0
        scene.first.connection_lost(None)
        assert len(scene.counted) == 1


@pytest.mark.parametrize(("data", "result"), [(b"", "left"), (LINE[:5], "malformed")])
def test_one_that_leaves_before_is_counted_and_not_worth_a_line(scene: Scene, data: bytes, result: str) -> None:
    if data:
        scene.sends(data)
    assert not scene.protocol.eof_received()
    scene.protocol.connection_lost(None)
    assert scene.counted == [result]
    assert scene.log.lines == []


def test_one_that_is_reset_before_is_forgotten(scene: Scene) -> None:
    scene.protocol.connection_lost(ConnectionResetError())
    assert scene.counted == ["left"]
    assert len(scene.registry) == 0


def test_one_too_many_is_told_so_after_its_header(virtual: VirtualLoop) -> None:
    scene = Scene(virtual, full=True)
    assert scene.calls == []
    scene.sends(LINE + GET % 1)
    assert scene.calls == [("refuse", Reason.OVERLOADED)]
    assert scene.announced == [CLIENT]


def test_it_counts_as_an_idle_connection_from_its_accept_on(scene: Scene) -> None:
    assert (scene.counts.idle, len(scene.registry)) == (1, 1)
    (closable,) = scene.registry
    assert closable.carries() == NOTHING
    closable.leave_websocket()


def test_the_registry_is_never_empty_while_it_is_handed_on(scene: Scene) -> None:
    told: list[bool] = []
    scene.registry.when_empty(lambda: told.append(True))
    scene.sends(LINE)
    assert scene.stands
    assert told == []


def test_who_has_just_connected_when_we_leave_has_a_moment(scene: Scene) -> None:
    scene.registry.close_idle()
    seen = []
    for seconds in (0.9, 0.2):
        scene.loop.advance(seconds)
        seen.append(scene.transport.closed)
    assert seen == [False, True]
    assert scene.calls == []
    assert scene.counted == []


def test_who_speaks_in_that_moment_is_served(virtual: VirtualLoop) -> None:
    scene = Scene(virtual)
    scene.registry.close_idle()
    scene.sends(LINE + GET % 1)
    assert scene.calls[0] == ("request", b"GET /1")
    assert scene.acceptor.streams[0].leaving


def test_who_was_silent_for_long_is_closed_at_once_when_we_leave(scene: Scene) -> None:
    scene.loop.advance(2)
    scene.registry.close_idle()
    assert scene.transport.closed


@pytest.mark.parametrize("way", ["end_now", "abort"])
def test_it_can_be_ended_at_once_and_that_cuts_nothing_short(scene: Scene, way: str) -> None:
    (closable,) = scene.registry
    assert not getattr(closable, way)()
    assert scene.transport.aborted
    assert len(scene.registry) == 0
    scene.sends(LINE)
    scene.protocol.connection_lost(None)
    assert scene.counted == []


def test_a_layer_that_fails_leaves_nothing_in_the_registry_behind(virtual: VirtualLoop) -> None:
    scene = Scene(virtual)
    scene.service.origin_factory = lambda *_: 1 / 0  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        scene.sends(LINE)
    assert len(scene.registry) == 1, "the broken one, which its transport will end"


def test_a_header_that_does_not_come_gives_way(scene: Scene) -> None:
    scene.loop.advance(2)
    (closable,) = scene.registry
    assert closable.waits() == (False, 0.0)
    assert closable.give_way()
    assert scene.transport.aborted
    assert (scene.counted, len(scene.registry)) == (["timeout"], 0)
    scene.protocol.connection_lost(None)


def test_one_whose_header_lies_unread_gives_no_way(virtual: VirtualLoop) -> None:
    scene = Scene(virtual)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        scene.transport.get_extra_info = lambda name, default=None: ours if name == "socket" else default  # type: ignore[method-assign]
        theirs.send(LINE)
        (closable,) = scene.registry
        assert not closable.give_way()
    assert (scene.counted, scene.transport.closed) == ([], False)
