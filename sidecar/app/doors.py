"""The listeners that the rules name, kept, opened and closed by difference.

Owns which address has which listener, and what a listener hands to its connections. A reload that leaves an address in
touches no connection there: those accepted from then on keep to the new settings. Sockets come from the inlets, which
keep the originals: a listener closes its own copies only.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Protocol

from sidecar.app.front import Front
from sidecar.app.listener_credentials import SecuredListener
from sidecar.app.settings import downstream_settings, origin_factory, preamble_terms, unix_file
from sidecar.model.address import Address
from sidecar.rules.schema import ListenerRule
from sidecar.telemetry.stats import Stats
from sidecar.transport.arrival import PreambleTerms
from sidecar.transport.entrance import Entrance
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry
from sidecar.transport.room import Room
from sidecar.transport.service import Service
from sidecar.transport.sockets import UnixFile
from sidecar.transport.sparing_log import SparingLog
from sidecar.transport.stream import Acceptor
from sidecar.transport.wheel import DeadlineWheel

NO_TLS: Mapping[str, SecuredListener] = MappingProxyType({})

_LOG = logging.getLogger("sidecar.listener")


class Inlets(Protocol):
    """Where listening sockets come from; see transport/inlets.py."""

    def open(self, address: Address, file: UnixFile | None = None) -> Sequence[socket.socket]:
        """The sockets that listen at an address; the same ones for the same address. `file` is what that of a unix
        socket is to be, where it is to be something else than it is.

        :raises BindError: it cannot be listened on."""

    def keep_only(self, addresses: Collection[Address]) -> None:
        """Close the sockets of every other address."""

    def is_shared(self, address: Address) -> bool:
        """Whether another process accepts on these sockets too."""

    def close(self) -> None:
        """Close them all."""


class Door:
    """One listener, and where the rules put it."""

    __slots__ = ("address", "listener", "rule", "secured", "service")

    def __init__(
        self,
        rule: ListenerRule,
        address: Address,
        listener: Listener,
        service: Service,
        secured: SecuredListener | None,
    ) -> None:
        self.rule = rule
        self.secured = secured
        self.address = address  # with the port that the kernel chose
        self.listener = listener
        self.service = service

    def follow(self, rule: ListenerRule, preamble: PreambleTerms | None, secured: SecuredListener | None) -> None:
        """Connections accepted from now on keep to this rule, and to what it speaks TLS with."""
        if rule.name != self.rule.name:
            # Those that are open came in by a name that no route knows any more: their clients shall come again.
            for connection in self.listener.registry:
                connection.close_when_idle()
        self.rule = rule
        self.secured = secured
        self.service.tls = None if secured is None else secured.terms
        self.service.settings = downstream_settings(rule)
        self.service.name = rule.name
        self.service.raw = rule.protocol == "tcp"
        self.service.origin_factory = origin_factory(rule, self.address.port)
        self.service.proxy_protocol = preamble
        self.listener.name = rule.name
        self.listener.max_connections = rule.max_connections


class Doors:
    """The doors of the process, in the rules' order."""

    def __init__(self, front: Front, inlets: Inlets, acceptor: Acceptor, wheel: DeadlineWheel, stats: Stats) -> None:
        self._front = front
        self._inlets = inlets
        self._acceptor = acceptor
        self._wheel = wheel
        self._stats = stats
        self._log = SparingLog(_LOG, wheel.now)
        self.all: list[Door] = []

    @property
    def addresses(self) -> list[Address]:
        """Where they are."""
        return [door.address for door in self.all]

    @property
    def secured(self) -> dict[str, SecuredListener]:
        """What those that speak TLS do so with, by their names."""
        return {door.rule.name: door.secured for door in self.all if door.secured is not None}

    def fitting(self, rules: Sequence[ListenerRule], secured: Mapping[str, SecuredListener] = NO_TLS) -> list[Door]:
        """A door for each rule: the one at its address, or a new one, bound and not yet accepting. `secured` is what
        those that speak TLS do so with, by their names.

        :raises BindError: an address cannot be had; nothing is left bound that was not before.
        """
        known = {door.rule.address: door for door in self.all}
        doors: list[Door] = []
        try:
            for rule in rules:
                doors.append(known.get(rule.address) or self._make(rule, secured))  # noqa: PERF401 - what was made is let go of
            for rule in rules:
                # Not before: where another address cannot be had, the files of sockets in use stay as they are.
                if rule.unix is not None:
                    self._inlets.open(rule.address, unix_file(rule))
        except OSError:
            self.discard(doors)
            raise
        return doors

    def discard(self, doors: Sequence[Door]) -> None:
        """Let go of doors from `fitting` that are not to be used after all."""
        for door in doors:
            if door not in self.all:
                door.listener.stop_accepting()
            elif door.rule.unix is not None:
                with suppress(OSError):
                    self._inlets.open(door.rule.address, unix_file(door.rule))
        self._inlets.keep_only([door.rule.address for door in self.all])

    def fresh(self, doors: Sequence[Door]) -> list[Door]:
        """Those that are not in use yet."""
        return [door for door in doors if door not in self.all]

    async def open(self, doors: Sequence[Door]) -> None:
        """Accept at those of these doors that are new."""
        for door in self.fresh(doors):
            await door.listener.start()

    def replace(
        self, doors: Sequence[Door], rules: Sequence[ListenerRule], secured: Mapping[str, SecuredListener] = NO_TLS
    ) -> None:
        """These are the doors from now on, under these rules; busy connections of the others end in their own time."""
        for door, rule in zip(doors, rules, strict=True):
            door.follow(rule, self._preamble(rule), secured.get(rule.name))
        gone = [door for door in self.all if door not in doors]
        self.all = list(doors)
        for door in gone:
            door.listener.stop_accepting()
            door.listener.close_idle()
            door.listener.registry.when_empty(partial(self._front.forget, door.listener))
        for door in doors:
            if door.listener not in self._front.listeners:
                self._front.listeners.append(door.listener)
        self._inlets.keep_only([rule.address for rule in rules])

    def _preamble(self, rule: ListenerRule) -> PreambleTerms | None:
        return preamble_terms(rule, self._stats.listener(rule.name).announced, self._log)

    def _gave_way(self, service: Service, count: int, news: bool) -> None:
        self._stats.listener(service.name).gave_way += count
        if news:
            self._stats.events.tell(
                "crowded",
                f"listener.{service.name}",
                "all connections are taken; those that carry nothing give way to newcomers",
                alarming=True,
            )

    def _make(self, rule: ListenerRule, secured: Mapping[str, SecuredListener]) -> Door:
        sockets = [one.dup() for one in self._inlets.open(rule.address, unix_file(rule))]
        address = with_port(rule.address, sockets)
        registry = Registry()
        service = Service(
            downstream_settings(rule),
            self._acceptor,
            origin_factory(rule, address.port),
            self._wheel,
            self._stats.downstream_connections,
            registry,
            rule.name,
        )
        service.proxy_protocol = self._preamble(rule)
        service.raw = rule.protocol == "tcp"
        listener = Listener(
            rule.name,
            sockets,
            Entrance(service),
            registry,
            self._wheel.loop,
            rule.max_connections,
            is_shared=partial(self._inlets.is_shared, rule.address),
            make_room=Room(registry, self._wheel.now, partial(self._gave_way, service)).make,
        )
        found = secured.get(rule.name)
        if found is not None:
            service.tls = found.terms
        return Door(rule, address, listener, service, found)


def with_port(address: Address, sockets: Sequence[socket.socket]) -> Address:
    """The address with the port that the kernel chose, where it was asked to."""
    if address.is_unix or address.port:
        return address
    return Address(address.host, sockets[0].getsockname()[1])
