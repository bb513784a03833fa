"""What runs as one instance, be it one process or several: the plan it is made from, and what `run` asks of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.app.drain import Drain
from sidecar.app.lifecycle import Lifecycle
from sidecar.app.reload import Reloader
from sidecar.model.address import Address
from sidecar.rules.load import Loaded
from sidecar.telemetry.stats import Stats
from sidecar.transport.inlets import Inlet, Inlets
from sidecar.transport.tasks import Tasks

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run. `read` loads the rules again; `file` is where they come from, None for none."""

    loaded: Loaded
    read: Callable[[], Loaded]
    file: str | None = None
    workers: int = 1
    takeover: bool = False
    demo: bool = False


class Instance(Protocol):
    """A whole sidecar, as the process that leads it sees it."""

    lifecycle: Lifecycle
    drain: Drain
    stats: Stats
    tasks: Tasks
    reloader: Reloader
    inlets: Inlets
    admin_inlets: Inlets

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens."""

    @property
    def admin_address(self) -> Address:
        """Where its admin is."""

    async def start(self) -> None:
        """Serve.

        :raises BindError: an address cannot be had.
        :raises CommandError: it cannot serve for another reason."""

    def watch(self, seconds: float) -> None:
        """Replace every other process of it that does not answer for so long. The caller answers for this one."""

    async def hand_on(self) -> None:
        """A successor accepts on the same sockets: close the admin address, and drain without a word to anybody."""

    async def close(self) -> None:
        """Take everything down at once."""


def inlets_of(handed: Sequence[Inlet], copies: int = 1) -> tuple[Inlets, Inlets]:
    """Where an instance listens and where its admin does, from what was handed down to it."""
    public = [inlet for inlet in handed if inlet.role != ADMIN]
    return Inlets(public, copies), Inlets([inlet for inlet in handed if inlet.role == ADMIN], role=ADMIN)
