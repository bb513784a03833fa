"""Where a drill plays: the real product between clients and stand-ins, in memory and virtual time, or on loopback.

Owns what is built up and taken down. Knows no scenario's meaning: whoever runs it says what happens when.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from sidecar.app.wiring import Proxy
from sidecar.drill.backend import StandIn
from sidecar.drill.heard import Heard, HeardStats
from sidecar.drill.network import Network, Place, Post, Socket
from sidecar.drill.scenario import Scenario
from sidecar.drill.staging import Staged, staged
from sidecar.drill.virtual_time import VirtualLoop
from sidecar.model.address import Address
from sidecar.rules.load import Loaded
from sidecar.transport.sockets import UnixFile
from sidecar.transport.tasks import Tasks

_LOOPBACK = "127.0.0.1"
_LISTENED = 1024
# Before the load begins: for first health checks, and connections.
WARM_UP = 1.0


def place_of(address: Address) -> Place:
    """Where this is, in the network."""
    return (address.host, address.port) if address.path is None else address.path


class VirtualSite:
    """A place in the network."""

    def __init__(self, network: Network, address: Address) -> None:
        self._network = network
        self._place = place_of(address)
        self._post: Post | None = None

    @property
    def refused(self) -> int:
        """See Site."""
        return self._network.refused[self._place]

    def open(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """See Site."""
        self._post = self._network.listen(self._place, factory)

    def shut(self) -> None:
        """See Site."""
        if self._post is not None:
            self._post.close()

    def vanish(self) -> None:
        """See Site."""
        self._network.unreachable.add(self._place)

    def appear(self) -> None:
        """See Site."""
        self._network.unreachable.discard(self._place)


class RealSite:
    """A port of loopback, kept by a socket that is bound to it and does not listen: whoever connects is refused, by
    the kernel, which tells nobody."""

    refused = 0

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._keeper = self._bound(0)
        self.address = Address(_LOOPBACK, self._keeper.getsockname()[1])
        self._factory: Callable[[], asyncio.Protocol] | None = None
        self._server: Any = None
        self._full: list[socket.socket] = []

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    def open(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """See Site."""
        self._factory = factory
        if not self._full:
            self._listen(factory)

    def shut(self) -> None:
        """See Site."""
        self._factory = None
        self._close()

    def vanish(self) -> None:
        """See Site. Nobody accepts, and the queue is full: the kernel answers no SYN any more."""
        self._close()
        silent = self._bound(self.address.port)
        silent.listen(0)
        self._full.append(silent)
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex((_LOOPBACK, self.address.port))
            self._full.append(sock)

    def appear(self) -> None:
        """See Site."""
        for sock in self._full:
            sock.close()
        self._full.clear()
        if self._factory is not None:
            self._listen(self._factory)

    def close(self) -> None:
        """Let go of the port."""
        self._factory = None
        self.appear()
        self._close()
        self._keeper.close()

    def _bound(self, port: int) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((_LOOPBACK, port))
        return sock

    def _listen(self, factory: Callable[[], asyncio.Protocol]) -> None:
        sock = self._bound(self.address.port)
        sock.listen(_LISTENED)
        serving = self._tasks.start(self._serve(sock, factory), f"listen on {self.address}")
        # Cancelled before its first step, it would never have heard of its socket.
        serving.add_done_callback(lambda done: sock.close() if done.cancelled() else None)

    async def _serve(self, sock: socket.socket, factory: Callable[[], asyncio.Protocol]) -> None:
        server = await self._loop.create_server(factory, sock=sock)
        if self._factory is None or self._full or self._server is not None:
            server.close()  # it was told otherwise meanwhile
        else:
            self._server = server

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()


class _Inlets:
    """Where the proxy listens in the network; see doors.Inlets."""

    def open(self, address: Address, file: UnixFile | None = None) -> Any:
        return (Socket(place_of(address)),)

    def keep_only(self, addresses: Iterable[Address]) -> None:
        """Nothing: nobody else listens here."""

    def is_shared(self, address: Address) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


class Stage:
    """One stage. `epoch` is when the load begins, by the loop's time; `entrance` where clients connect."""

    def __init__(self, shown: Staged, heard: Heard, proxy: Proxy, backends: tuple[StandIn, ...], epoch: float) -> None:
        self.staged = shown
        self.heard = heard
        self.proxy = proxy
        self.backends = backends
        self.epoch = epoch

    @property
    def entrance(self) -> Address:
        """Where clients connect."""
        placed = zip(self.proxy.addresses, self.proxy.loaded.rules.listeners, strict=True)
        return next(address for address, rule in placed if rule.name == self.staged.listener.name)


@asynccontextmanager
async def built(scenario: Scenario, loaded: Loaded, seed: int, tasks: Tasks) -> AsyncIterator[Stage]:
    """The stage, from before the first connection until after the last.

    :raises DrillError: these rules cannot be drilled."""
    loop = asyncio.get_running_loop()
    epoch = loop.time() + WARM_UP
    async with AsyncExitStack() as stack:
        sites: dict[Address, RealSite] = {}

        def real(_written: Address) -> Address:
            site = RealSite(tasks)
            stack.callback(site.close)
            sites[site.address] = site
            return site.address

        virtual = loop if isinstance(loop, VirtualLoop) else None
        shown = staged(loaded, scenario.load.listener, None if virtual is not None else real)
        if virtual is None:
            shown = _on_free_ports(shown)
        backends = []
        for place in shown.places:
            rng = random.Random(f"{seed} {place.name}")  # noqa: S311 - repeatable is what it has to be
            site = sites[place.address] if virtual is None else VirtualSite(virtual.network, place.address)
            backend = StandIn(place.name, site, scenario.backend, rng, epoch, place.checked_by)
            backend.open()
            stack.callback(backend.close)
            backends.append(backend)
        heard = Heard(lambda: loop.time() - epoch, shown.called)
        proxy = Proxy(
            shown.loaded,
            lambda line: True,
            rng=random.Random(f"{seed} proxy"),  # noqa: S311 - as above
            inlets=None if virtual is None else _Inlets(),
            clock=loop.time,
            stats=HeardStats(heard, loop.time),
            admin=False,
        )
        proxy.environment.log = heard.exchanges
        stack.push_async_callback(proxy.close)
        await proxy.start()
        yield Stage(shown, heard, proxy, tuple(backends), epoch)


def _on_free_ports(shown: Staged) -> Staged:
    free = Address(_LOOPBACK, 0)
    rules = shown.loaded.rules
    listeners = tuple([replace(rule, address=free) for rule in rules.listeners])
    loaded = replace(shown.loaded, rules=replace(rules, listeners=listeners))
    return replace(shown, loaded=loaded, listener=replace(shown.listener, address=free))
