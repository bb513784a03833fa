"""The instance of one process: the proxy, its reloads and its admin, all on one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sidecar.app import logs
from sidecar.app.garbage import Tidying, tidy
from sidecar.app.instance import Plan, inlets_of
from sidecar.app.reload import Reloader
from sidecar.app.wiring import Proxy
from sidecar.model.address import Address
from sidecar.rules.load import Loaded
from sidecar.telemetry.file_writer import GATHER_SECONDS
from sidecar.transport.inlets import Inlet

_STDOUT = 1


class Solo:
    """See instance.Instance."""

    def __init__(self, plan: Plan, handed: Sequence[Inlet] = ()) -> None:
        self.inlets, self.admin_inlets = inlets_of(handed)
        self._write = logs.line_writer(_STDOUT, GATHER_SECONDS)
        proxy = self.proxy = Proxy(
            plan.loaded,
            self._write,
            file=plan.file,
            inlets=self.inlets,
            admin_inlets=self.admin_inlets,
        )
        self.lifecycle, self.drain = proxy.lifecycle, proxy.drain
        self.stats, self.tasks = proxy.stats, proxy.tasks
        self._tidying = Tidying(asyncio.get_running_loop())
        self.reloader = Reloader(plan.read, self._adopt, plan.loaded, proxy.stats, proxy.tasks, tidy=self._tidying.soon)
        proxy.oversight.reloader = self.reloader

    @property
    def addresses(self) -> Sequence[Address]:
        """See Instance."""
        return self.proxy.addresses

    @property
    def admin_address(self) -> Address:
        """See Instance."""
        return self.proxy.admin_address

    async def start(self) -> None:
        """See Instance."""
        await self.proxy.start()
        tidy()

    def watch(self, seconds: float) -> None:
        """See Instance. There is nobody else."""

    async def hand_on(self) -> None:
        """See Instance."""
        self.inlets.is_doubled = True
        self.drain.follow()
        if self.proxy.admin is not None:
            await self.proxy.admin.close()

    async def close(self) -> None:
        """See Instance."""
        self._tidying.cancel()
        await self.proxy.close()
        self._write.close()

    async def _adopt(self, loaded: Loaded) -> None:
        await self.proxy.adopt(loaded)
        logs.set_up(loaded.rules.log.level, loaded.rules.log.format)
