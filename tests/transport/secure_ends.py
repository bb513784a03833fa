"""The TLS layer between a transport without a socket and a protocol that writes down, and a peer to talk to it.

`Wire` carries bytes between the layer under test and `tests.tls.hands.End`, cut wherever a test wants it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sidecar.model.connections import Connections
from sidecar.model.observer import TlsObserver
from sidecar.tls.contexts import Credentials, Identity, client_context, server_context
from sidecar.transport.registry import NOTHING, Registry
from sidecar.transport.secure import SecureClient, SecureServer
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.tls_terms import TlsTerms
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin
from tests.doubles.certificates import root, server_certificate
from tests.tls.hands import End
from tests.transport.doubles import Calls, FakeAcceptor, FakeTransport, VirtualLoop

BIG = bytes(range(256)) * 1024  # sixteen records


class Pipe(FakeTransport):
    """A transport without a socket whose protocol may change hands."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.taken = 0

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def abort(self) -> None:
        super().abort()
        self.reading = True

    def fresh(self) -> bytes:
        """What was sent since the last look."""
        found = self.sent[self.taken :]
        self.taken = len(self.sent)
        return found


class Inner:
    """The protocol above. `on` maps a call's name to what is done inside it."""

    announced = None

    def __init__(self) -> None:
        self.calls: Calls = []
        self.transport: Any = None
        self.carried = NOTHING
        self.stays_open = False
        self.on: dict[str, Callable[..., object]] = {}
        self.received = b""

    def _heard(self, name: str, *what: Any) -> None:
        self.calls.append((name, *what))
        if name in self.on:
            self.on[name](*what)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._heard("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._heard("data", data)

    def eof_received(self) -> bool:
        self._heard("eof")
        return self.stays_open

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard("lost", None if exc is None else type(exc).__name__)

    def pause_writing(self) -> None:
        self._heard("full")

    def resume_writing(self) -> None:
        self._heard("flows")

    def carries(self) -> int:
        return self.carried

    @property
    def names(self) -> list[str]:
        """The calls without what they carried."""
        return [call[0] for call in self.calls]


class Observed(TlsObserver):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def handshake(self, result: str, seconds: float) -> None:
        assert seconds >= 0.0
        self.results.append(result)


def credentials(folder: Path, **options: Any) -> Credentials:
    """A server's, of one identity."""
    files = server_certificate().write(folder)
    return server_context([Identity(files.certificate, files.private_key)], now=time.time(), **options)


def trusting(folder: Path, **options: Any) -> Credentials:
    """A client's."""
    return client_context(ca=root().write(folder), now=time.time(), **options)


class Wire:
    """The layer under test on one side, the standard library's TLS on the other."""

    def __init__(self, virtual: VirtualLoop, peer: End) -> None:
        self.virtual = virtual
        self.peer = peer
        self.inner = Inner()
        self.pipe = Pipe()
        self.wheel = DeadlineWheel(virtual, virtual.time)
        self.layer: Any = None

    def made(self, layer: Any) -> None:
        """The layer's connection stands."""
        self.layer = layer
        self.pipe.protocol = layer
        layer.connection_made(self.pipe)

    def give(self, data: bytes, cuts: Iterator[int] | None = None) -> None:
        """Bytes of the wire to whoever has the transport now, in pieces of so many."""
        while data:
            size = next(cuts) if cuts is not None else len(data)
            piece, data = data[:size], data[size:]
            self.pipe.protocol.data_received(piece)

    def shake(self, cuts: Iterator[int] | None = None) -> None:
        """A whole handshake; raises what the peer's side raises."""
        done = False
        while not (done and self.inner.transport is not None):
            before = len(self.pipe.sent), done
            done = done or self.peer.step()
            self.give(self.peer.outgoing.read(), cuts)
            self.peer.incoming.write(self.pipe.fresh())
            if (len(self.pipe.sent), done) == before and self.pipe.closed:
                return

    def shake_and_hear(self) -> None:
        """For a handshake that fails only when the peer reads what came of it."""
        self.shake()
        self.hear()

    def say(self, data: bytes, cuts: Iterator[int] | None = None) -> None:
        """The peer says something."""
        self.peer.object.write(data)
        self.give(self.peer.outgoing.read(), cuts)

    def hear(self) -> bytes:
        """What the peer reads of what was sent."""
        self.peer.incoming.write(self.pipe.fresh())
        return self.peer.read()

    def end(self) -> bytes:
        """The peer's close_notify, as bytes to give."""
        with suppress(ssl.SSLWantReadError):
            self.peer.object.unwrap()
        return self.peer.outgoing.read()

    def lose(self, fault: Exception | None = None) -> None:
        """The transport below is gone."""
        self.pipe.closed = True
        self.layer.connection_lost(fault)


class ServerWire(Wire):
    """With the server's side under test."""

    def __init__(self, virtual: VirtualLoop, folder: Path, **options: Any) -> None:
        trust = trusting(folder, **options.pop("trust", {})).context
        if options.pop("old", False):
            trust.maximum_version = ssl.TLSVersion.TLSv1_2
        super().__init__(virtual, End(trust, False, options.pop("name", "localhost")))
        self.observed = Observed()
        self.terms = TlsTerms(
            credentials(folder, **options.pop("credentials", {})).context,
            options.pop("handshake_timeout", 10.0),
            options.pop("max_handshakes", 4),
            self.observed,
        )
        self.heard: Calls = []
        self.service = Service(
            DownstreamSettings(),
            FakeAcceptor(self.heard),
            lambda transport, announced: Origin("127.0.0.1"),
            self.wheel,
            Connections(),
            Registry(),
            "public",
        )
        self.service.tls = self.terms

    def accept(self) -> None:
        """The connection is accepted."""
        self.made(SecureServer(self.inner, self.service, self.terms))

    def counted(self) -> tuple[int, int, int]:
        """Who is registered, idle, and shaking hands."""
        return len(self.service.registry), self.service.connections.idle, self.terms.handshakes


class ClientWire(Wire):
    """With the client's side under test."""

    def __init__(self, virtual: VirtualLoop, folder: Path, name: str = "localhost", **options: Any) -> None:
        super().__init__(virtual, End(credentials(folder, **options).context, True))
        self.context = trusting(folder).context
        self.name = name

    def connect(self) -> asyncio.Task[None]:
        """The connection to the endpoint stands, and somebody waits for the handshake."""
        self.made(SecureClient(self.inner, self.context, self.name, self.wheel))
        waiting = self.virtual.create_task(self.layer.established())
        self.virtual.turn(1)
        self.peer.incoming.write(self.pipe.fresh())
        return waiting
