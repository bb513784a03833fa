"""A receiver that hears nothing: what a connection holds while no exchange does, so that it need not ask."""

from __future__ import annotations

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.transport.stream import UpstreamStream
from sidecar.wire.message import ResponseHead


class DeafReceiver:
    """Both ears of the bridge, see RequestReceiver and ResponseReceiver; every method does nothing."""

    __slots__ = ()

    def request_data(self, data: bytes) -> None:
        """Nothing."""

    def request_end(self, trailers: bytes) -> None:
        """Nothing."""

    def request_broken(self, reason: Reason, detail: str) -> None:
        """Nothing."""

    def downstream_gone(self) -> None:
        """Nothing."""

    def downstream_paused(self) -> None:
        """Nothing."""

    def downstream_resumed(self) -> None:
        """Nothing."""

    def expired(self) -> None:
        """Nothing."""

    def leased(self, stream: UpstreamStream) -> None:
        """Nothing."""

    def lease_failed(self, cause: Cause, detail: str) -> None:
        """Nothing."""

    def response_head(self, head: ResponseHead, more: bool) -> None:
        """Nothing."""

    def response_data(self, data: bytes) -> None:
        """Nothing."""

    def response_end(self, trailers: bytes) -> None:
        """Nothing."""

    def upstream_failed(self, cause: Cause, detail: str) -> None:
        """Nothing."""

    def upstream_paused(self) -> None:
        """Nothing."""

    def upstream_resumed(self) -> None:
        """Nothing."""


DEAF = DeafReceiver()
