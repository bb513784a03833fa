"""The last TLS session with an endpoint, for the next connection to begin with.

It saves the endpoint a signature, ourselves the check of its certificates, and in TLS 1.2 both a round trip. A ticket
comes after the handshake, and others may follow, so the session is asked for when it is wanted. Knows no connection.
"""

from __future__ import annotations

import ssl
import weakref


class Resumption:
    """Of one endpoint, under one context and one name: nothing that was checked under others is taken for checked."""

    __slots__ = ("_latest", "_session")

    def __init__(self) -> None:
        self._latest: weakref.ref[ssl.SSLObject] | None = None
        self._session: ssl.SSLSession | None = None

    def session(self) -> ssl.SSLSession | None:
        """What to begin with; None where a whole handshake is needed."""
        latest = None if self._latest is None else self._latest()
        if latest is not None:
            self.keep(latest)
        return self._session

    def follow(self, established: ssl.SSLObject) -> None:
        """A handshake is complete."""
        self._latest = weakref.ref(established)

    def keep(self, ssl_object: ssl.SSLObject) -> None:
        """A connection is over, or somebody wants its session: what there is of it by now is kept."""
        session = ssl_object.session
        if session is not None and session.has_ticket:
            self._session = session

    def forget(self) -> None:
        """A handshake has failed: the next one begins from nothing."""
        self._latest = None
        self._session = None
