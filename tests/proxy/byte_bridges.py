"""A bridge for connections without HTTP between scripted streams, in virtual time."""

from __future__ import annotations

from typing import Any

from sidecar.transport.stream import Receiver
from sidecar.wire.forwarding import Origin
from tests.proxy.bridges import Bridge
from tests.proxy.streams import Clock, Downstream, UpstreamDouble


class ByteDownstream(Downstream):
    """A ByteConnection that writes a script of what it was told; `left` is what its client has not taken."""

    def __init__(self, clock: Clock, origin: Origin) -> None:
        super().__init__(clock, origin)
        self.left = 0
        self.receiver = Receiver()

    def unsent(self) -> int:
        return self.left

    @property
    def sent(self) -> bytes:
        return self.body


class ByteUpstream(UpstreamDouble):
    """A RawUpstream that writes a script of what it was told; `left` as above."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0

    def open_tunnel(self, receiver: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.receiver = receiver
        self.told.append("tunnel")

    def unsent(self) -> int:
        return self.left

    @property
    def sent(self) -> bytes:
        return self.body


class ByteBridge(Bridge):
    """A dispatcher whose one route is that of the listener `db`."""

    def __init__(self, *streams: ByteUpstream, **times: float) -> None:
        super().__init__(*streams, **times)
        self.origin = Origin("192.0.2.7", listener="db")
        runtime: Any = self.runtime
        runtime.byte_routes = {"db": self.route}

    def connect(self, refusal: Any = None) -> ByteDownstream:
        """One connection is accepted."""
        downstream = ByteDownstream(self.clock, self.origin)
        downstream.receiver = self.dispatcher.connection(downstream, refusal)
        return downstream

    @property
    def statuses(self) -> list[int]:
        """Of the connections that are over."""
        return [status for _, status, _ in self.route_log.finishes]
