"""What the seams between transport and bridge do by themselves: the receiver nothing, the others refuse."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.transport.stream import DEAF, Acceptor, Channel, DownstreamStream, Receiver, UpstreamStream
from sidecar.wire.message import NO_BODY, RequestHead, ResponseHead

HEARD: dict[str, tuple[Any, ...]] = {
    "request_data": (b"a",),
    "request_bulk": (memoryview(b"a"),),
    "request_end": (b"",),
    "request_broken": (Reason.BAD_REQUEST, "why"),
    "downstream_gone": (),
    "downstream_paused": (),
    "downstream_resumed": (),
    "expired": (),
    "leased": (UpstreamStream(),),
    "lease_failed": (Cause.CONNECT_FAILURE, "why"),
    "response_head": (ResponseHead(), True),
    "response_data": (b"a",),
    "response_bulk": (memoryview(b"a"),),
    "response_end": (b"",),
    "upstream_failed": (Cause.RESET, "why"),
    "upstream_paused": (),
    "upstream_resumed": (),
}
REFUSED: list[tuple[type, str, tuple[Any, ...]]] = [
    (DownstreamStream, "ends", ()),
    (DownstreamStream, "send_informational", (b"",)),
    (DownstreamStream, "send_head", (b"", NO_BODY, False)),
    (DownstreamStream, "send_data", (b"",)),
    (DownstreamStream, "send_bulk", (memoryview(b""),)),
    (DownstreamStream, "send_end", ()),
    (DownstreamStream, "reset", ()),
    (DownstreamStream, "open_tunnel", ()),
    (DownstreamStream, "pause", ()),
    (DownstreamStream, "resume", ()),
    (Acceptor, "request", (DownstreamStream(), RequestHead())),
    (Acceptor, "refuse", (DownstreamStream(), Reason.BAD_REQUEST, "why")),
    (UpstreamStream, "start", (DEAF, b"GET", b"", NO_BODY, False)),
    (UpstreamStream, "send_data", (b"",)),
    (UpstreamStream, "send_bulk", (memoryview(b""),)),
    (UpstreamStream, "send_end", ()),
    (UpstreamStream, "cancel", ()),
    (UpstreamStream, "discard", ()),
    (UpstreamStream, "pause", ()),
    (UpstreamStream, "resume", ()),
    (Channel, "lease", (DEAF, 1.0)),
    (Channel, "forget", (DEAF,)),
]


def test_a_receiver_by_itself_hears_everything_and_does_nothing() -> None:
    names = {name for name, value in vars(Receiver).items() if callable(value) and not name.startswith("_")}
    assert names - {"announcement"} == set(HEARD)
    for name, arguments in HEARD.items():
        assert getattr(DEAF, name)(*arguments) is None
    assert not hasattr(DEAF, "__dict__")


@pytest.mark.parametrize(
    ("kind", "name", "arguments"), REFUSED, ids=lambda value: str(getattr(value, "__name__", value))
)
def test_a_stream_that_does_not_say_how_refuses(kind: type, name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NotImplementedError):
        getattr(kind(), name)(*arguments)
    assert inspect.getdoc(getattr(kind, name))


def test_a_receiver_that_nobody_asks_through_announces_nobody() -> None:
    assert DEAF.announcement("v1") == b"PROXY UNKNOWN\r\n"
