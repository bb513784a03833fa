"""From an accepted socket to a connection: the layers between the two, as the listener's settings have them.

Owns which layers there are and in which order. What each does is its own.
"""

from __future__ import annotations

from sidecar.model.reason import Reason
from sidecar.transport.arrival import Announced
from sidecar.transport.byte_connection import ByteConnection
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.listener import Accepted
from sidecar.transport.preamble import Preamble, Refusal
from sidecar.transport.service import Service

_FULL = (Reason.OVERLOADED, "too many connections")


class Entrance:
    """Makes the connections of one listener; see Listener for `full`."""

    __slots__ = ("_service",)

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, full: bool) -> Accepted:
        service = self._service
        refusal = _FULL if full else None
        if service.proxy_protocol is not None:
            speaks_http = not service.raw and service.tls is None
            return Preamble(service, service.proxy_protocol, self._beyond, refusal, answers=speaks_http)
        return self._beyond(refusal, None)

    def _beyond(self, refusal: Refusal | None, announced: Announced | None) -> Accepted:
        """What comes after a PROXY header, or first where there is none."""
        service = self._service
        connection = ByteConnection(service, refusal) if service.raw else DownstreamConnection(service, refusal)
        connection.announced = announced
        if service.tls is None:
            return connection
        from sidecar.transport.secure import SecureServer  # who speaks no TLS never loads it

        return SecureServer(connection, service, service.tls)
