"""From an accepted socket to a connection: the layers between the two, as the listener's settings have them.

Owns which layers there are and in which order. What each does is its own.
"""

from __future__ import annotations

from sidecar.model.reason import Reason
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.listener import Accepted
from sidecar.transport.service import Service

_FULL = (Reason.OVERLOADED, "too many connections")


class Entrance:
    """Makes the connections of one listener; see Listener for `full`."""

    __slots__ = ("_service",)

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, full: bool) -> Accepted:
        return DownstreamConnection(self._service, _FULL if full else None)
