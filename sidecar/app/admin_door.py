"""The admin address: bound before anything is served, closed when all else is, moved by a reload.

Owns the server at that address and its sockets. What it serves is the subject's.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from sidecar.admin.server import AdminServer
from sidecar.admin.subject import Subject
from sidecar.app.doors import Inlets, with_port
from sidecar.rules.schema import AdminRule
from sidecar.transport.tasks import Tasks


class AdminDoor:
    """Serves one subject at the address of the rules. `address` has the port that the kernel chose, once bound."""

    def __init__(self, subject: Subject, rule: AdminRule, inlets: Inlets, tasks: Tasks) -> None:
        self.address = rule.address
        self._subject = subject
        self._rule = rule
        self._inlets = inlets
        self._tasks = tasks
        self._server = self._make(rule)

    def fitting(self, rule: AdminRule) -> Sequence[socket.socket]:
        """Sockets for this rule's address; none when it is served already.

        :raises BindError: it cannot be had; nothing has changed.
        """
        if rule.address == self._rule.address and self._server.is_serving:
            return ()
        return [one.dup() for one in self._inlets.open(rule.address)]

    def discard(self, sockets: Sequence[socket.socket]) -> None:
        """Let go of sockets from `fitting` that are not to be used after all."""
        for one in sockets:
            one.close()
        self._inlets.keep_only([self._rule.address] if self._server.is_serving else [])

    async def open(self, sockets: Sequence[socket.socket]) -> None:
        """Serve at sockets from `fitting`, the first ones."""
        await self._serve(self._rule, self._server, sockets)

    async def follow(self, rule: AdminRule, sockets: Sequence[socket.socket]) -> None:
        """Serve under this rule from now on, at `sockets` where it names another address.

        The server that was finishes what it answers, a `POST /reload` among them.

        :raises OSError: it cannot be served there; all is as it was."""
        before = self._server
        if not sockets:
            self._rule = rule
            before.guard_by(loopback=rule.address.is_loopback, token=rule.token)
            return
        await self._serve(rule, self._make(rule), sockets)
        self._inlets.keep_only([rule.address])
        self._tasks.start(before.close(), "close the admin address that was")

    async def close(self) -> None:
        """Serve no more; what is being answered is finished."""
        await self._server.close()
        self._inlets.close()

    async def _serve(self, rule: AdminRule, server: AdminServer, sockets: Sequence[socket.socket]) -> None:
        try:
            address = with_port(rule.address, sockets)
            await server.start(sockets)
        except BaseException:
            await server.close()
            self.discard(sockets)
            raise
        self.address, self._rule, self._server = address, rule, server

    def _make(self, rule: AdminRule) -> AdminServer:
        return AdminServer(self._subject, loopback=rule.address.is_loopback, token=rule.token)
