"""What the supervisor and its workers say to each other, as values. Nothing here does anything."""

from __future__ import annotations

import copyreg
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from sidecar.admin.subject import Condition
from sidecar.debug.terms import Terms
from sidecar.health.verdicts import Verdict
from sidecar.model.address import Address
from sidecar.rules.load import Loaded
from sidecar.telemetry.events import Event


def read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """What pickle calls to make such a view again: it cannot name the type itself."""
    return MappingProxyType(mapping)


# The rules hold read-only views of their mappings.
copyreg.pickle(MappingProxyType, lambda view: (read_only, (dict(view),)))


class Place(NamedTuple):
    """An address of the rules. Its sockets travel beside the message, so many descriptors for each place, in this
    order. `lent`: a service manager keeps them open after us."""

    address: Address
    sockets: int
    lent: bool


@dataclass(frozen=True, slots=True)
class Begin:
    """To a worker: serve. After `memory` descriptors of the shared memory come those of `places`. `verdicts` is what is
    known of the endpoints already, `drained` are those that an operator has drained."""

    loaded: Loaded
    file: str | None
    worker: int
    workers: int
    memory: int
    places: Sequence[Place]
    verdicts: Sequence[Verdict] = ()
    drained: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Adopt:
    """To a worker, as a question: put these rules in force. The answer: the sentence that says why not, or None."""

    loaded: Loaded
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class Look:
    """To a worker, as a question: what do you see? The answer is a Sight."""


@dataclass(frozen=True, slots=True)
class Count:
    """To a worker, as a question: what have you counted? The answer is a dump (telemetry.merging), packed
    (telemetry.parts)."""


@dataclass(frozen=True, slots=True)
class Sight:
    """All that a worker tells of itself. `status` and the dump `counts` were made in turns and are packed
    (telemetry.parts): a pickle of ten thousand routes would hold up both loops."""

    conditions: Sequence[Condition]
    status: Sequence[bytes]
    counts: Sequence[bytes]
    breakers: Sequence[str]
    endpoints: Sequence[str]


@dataclass(frozen=True, slots=True)
class Command:
    """To a worker: an operator's word to a `breaker` or an `endpoint`."""

    kind: str
    name: str
    verb: str


@dataclass(frozen=True, slots=True)
class Inspect:
    """To a worker, as a question: what is inside you? The answer is JSON-ready. `number` is what `Cease` names."""

    number: int
    terms: Terms


@dataclass(frozen=True, slots=True)
class Cease:
    """To a worker: nobody waits for the answer to the `Inspect` of this number any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Leave:
    """To a worker: drain. `hurry`: end now. `handed_on`: a successor accepts on the same sockets."""

    hurry: bool = False
    handed_on: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """To a worker: are you alive? And from it: yes."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it serves."""


@dataclass(frozen=True, slots=True)
class Unable:
    """From a worker: it cannot serve. `code` is the exit code that says why."""

    code: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Happened:
    """From a worker: an event."""

    event: Event


@dataclass(frozen=True, slots=True)
class Lead:
    """To a worker: look at the endpoints' health from now on, for all."""


@dataclass(frozen=True, slots=True)
class Findings:
    """From the worker that looks, to all others: what holds of endpoints."""

    verdicts: Sequence[Verdict]


@dataclass(frozen=True, slots=True)
class Lost:
    """From a worker, to the one that looks: nobody listens at this endpoint."""

    upstream: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Left:
    """From a worker: its drain is over, so much had to be cut, and this is all that it ever counted."""

    cut: int
    counts: Any
