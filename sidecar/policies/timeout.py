"""How long a request may take, in its parts. Here: what a rule may say about it; the deadline itself is an instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Mode, Off, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutSpec:
    """How long a request may take. A zero switches a part off."""

    request: Annotated[
        Seconds | None, Off(), "from the request's first byte to the head of the answer, all attempts"
    ] = 15.0
    attempt: Annotated[
        Seconds | None, Off(), "one attempt, to the head of its answer; absent: what is left of request"
    ] = None
    idle: Annotated[Seconds | None, Off(), "between two parts of a body, and in a tunnel"] = 60.0
    total: Annotated[Seconds | None, Off(), "the whole exchange, body included"] = None
    mode: Mode = "enforce"
