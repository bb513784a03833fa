"""What the policies that admit have in common: one small machine each, asked with `now` and told the outcome once.

An admission is asked before a request (rate limits, concurrency, fault) or before each of its attempts (circuit
breakers). It answers with one number, because a verdict of the hot path allocates nothing:

    ADMITTED  0   go on; there is nothing to give back
    > 0           go on; this is a permit, settled exactly once, whatever happens
    REFUSED  -1   `rule`, `reason`, `status` and `retry_after` say by what and until when
    WAIT     -2   not yet: ask `resume` at `wait_until`, or as soon as the applicant has been told `granted`

In shadow mode a machine decides as ever, and whoever asked goes on whatever it said: past a refusal without a permit,
which is counted.
A machine knows no clock, no task and no socket. It is a base class and not a protocol, because a compiled call of a
known class costs a tenth of a look-up by name (docs/adr/0004); policies share nothing else by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Self

from sidecar.model.facts import RequestFacts
from sidecar.model.observer import BreakerObserver, RouteObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.sharing import Memory

ADMITTED = 0
REFUSED = -1
WAIT = -2

NO_TIME = -1.0  # of `retry_after`: nobody knows


class Key:
    """What tells one caller from another, compiled from the words of the rules file, which are its `text`."""

    __slots__ = ("text",)

    text: str

    def of(self, head: RequestFacts, client_ip: str) -> str:
        """The key of one request."""
        raise NotImplementedError


class Applicant:
    """One exchange, as an admission sees it. Its identity is what a queue holds.

    `deadline` is the monotonic instant by which it has to have its answer, infinity when there is none.
    """

    __slots__ = ("deadline",)

    deadline: float

    def key(self, key: Key) -> str:
        """The value that a key of the rules has for this request."""
        raise NotImplementedError

    def granted(self, now: float) -> None:
        """What it waited for is there: `resume` will tell. Called by the machine inside another exchange's `settle`,
        so it only notes and schedules; it never asks back inside this call."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Binding:
    """What a machine is made from, whatever its policy: the checked rule and what surrounds it.

    `owner` is the route or upstream that the rule was written in, `scope` which of the two (`route` or `upstream`),
    `key` the rule's key in the file. `specs` are the checked rules: one, except where the key takes a list.
    `attempt_timeout` is in seconds, infinity where there is none. `memory` is what several workers share, None for one.
    """

    scope: str
    owner: str
    key: str
    specs: Sequence[Any]
    rng: Random
    observer: RouteObserver
    breaker_observer: Callable[[str], BreakerObserver]
    compile_key: Callable[[Sequence[str]], Key]
    attempt_timeout: float = math.inf
    memory: Memory | None = None

    @property
    def name(self) -> str:
        """The rule as people see it."""
        return f"{self.owner}/{self.key}"

    @property
    def shared(self) -> Memory:
        """The memory, of a machine that is made only where there is some; ValueError else."""
        if self.memory is None:
            raise ValueError(f"`{self.name}` is bound to memory that workers share, and there is none")
        return self.memory


class Admission:
    """One policy's machine. What it says of a verdict beside the number is valid until the next call."""

    __slots__ = ("announces", "measures", "name", "reason", "retry_after", "rule", "shadow", "status", "wait_until")

    def __init__(self, name: str, reason: Reason, shadow: bool = False) -> None:
        """`name` is the rule as people see it, such as `login/concurrency` or `upstream.app`."""
        self.name = name
        self.shadow = shadow
        self.announces = False  # whether it has `answer_fields`
        self.measures = False  # whether it wants to hear of attempts: `attempted`
        self.rule = name  # the rule that refused; another than `name` where one machine serves several rules
        self.reason = reason
        self.status = 0  # the status to refuse with, 0 for the reason's own
        self.retry_after = NO_TIME  # seconds until asking again makes sense
        self.wait_until = math.inf  # the instant of a WAIT's end

    @classmethod
    def bound(cls, binding: Binding) -> Self:
        """The machine for one rule."""
        raise NotImplementedError

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """The verdict. After a REFUSED nothing is held and nothing was spent."""
        raise NotImplementedError

    def resume(self, now: float, applicant: Applicant) -> int:
        """The verdict for one that had to wait: at `wait_until`, or after `granted`. Never WAIT without a later
        `wait_until`."""
        raise NotImplementedError

    def withdraw(self, now: float, applicant: Applicant) -> None:
        """One that waits has left: what was kept for it goes to the next."""

    def answering(self, now: float, permit: int) -> None:
        """What a permit of an attempt is for has begun to answer, with a status that counts as a success or a 101: at
        most once, and before its `settle`. How the answer ends may take hours to be known."""

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        """A permit is given back. `seconds` is how long what it was for took until its answer's head (or its failure).

        A permit of an earlier state of the machine is taken and means nothing."""

    def attempted(self, now: float, seconds: float, status: int) -> None:
        """An attempt for a request of the route got the head of its answer, `seconds` after the whole request (negative
        where it came before); or, with status 0, none by the endpoint's fault. Told to what admits requests."""

    def available(self, now: float) -> bool:
        """Whether asking now could end in anything but a refusal; takes nothing. Asked before a retry is paid for."""
        return True

    def answer_fields(self, now: float, applicant: Applicant) -> bytes:
        """Header lines, each with CRLF, that every answer to an applicant carries; empty for most."""
        return b""

    def snapshot(self, now: float) -> Mapping[str, object]:
        """What operators see: names of rule values and state, plain values only."""
        return {}

    def inherit(self, before: Admission, now: float) -> None:
        """Take over the living state of the machine that had this place under the rules before."""
