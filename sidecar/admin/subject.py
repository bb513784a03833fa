"""What the admin server looks at and what it may ask for: a protocol that wiring fulfils.

Admin looks only; what its verbs do are methods of the subject. So nothing in admin knows how the proxy is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.debug.terms import Terms
from sidecar.telemetry.parts import Part


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that readiness asks for; `detail` says why it does not hold, or what makes it hold."""

    name: str
    holds: bool
    detail: str = ""


class Subject(Protocol):
    """A running proxy, as the admin server sees it."""

    async def refresh(self) -> None:
        """Look again, where looking takes a while: several processes have to be asked. All else tells what was seen
        then, or what is now. Never raises."""

    def conditions(self) -> Sequence[Condition]:
        """Everything readiness asks for, as it is now."""

    @property
    def has_been_ready(self) -> bool:
        """Whether every condition has held at once at some time."""

    def status(self) -> Iterator[Part]:
        """A JSON-ready snapshot of everything that moves, in parts (telemetry.parts) of less than a millisecond's work,
        those of one member in a row. What is told of one route, upstream or breaker is of one instant; others may have
        moved on before theirs. The rules are those in force at the first part."""

    def effective_rules(self) -> Mapping[str, object]:
        """The rules in force with every default filled in and every secret redacted."""

    def exposition(self, accept: str) -> tuple[Iterable[bytes], str]:
        """The metrics and their content type, in the form that `accept` asks for. Each piece is about a
        millisecond's work."""

    def events(self) -> Sequence[Mapping[str, object]]:
        """What changed state of late and why, JSON-ready, the oldest first."""

    def follow_events(self, listener: Callable[[Mapping[str, object]], None]) -> Callable[[], None]:
        """Call `listener` with each event from now on, as `events` tells it. Returns what ends that."""

    def rule(self, name: str) -> Sequence[Mapping[str, object]]:
        """The keys behind the name that a refusal gives its rule, JSON-ready: `key`, `value`, `from`. Empty: none."""

    def breaker_names(self) -> Sequence[str]:
        """The labels of the circuit breakers there are: `upstream.app`, `route.login`."""

    def command_breaker(self, label: str, verb: str) -> bool:
        """Hold a breaker `open` or, with `close`, closed; `auto` gives it back to its rule. False: no such breaker."""

    def endpoint_names(self) -> Sequence[str]:
        """The names of the endpoints there are: `app/127.0.0.1:3000`."""

    def command_endpoint(self, name: str, verb: str) -> bool:
        """`drain`: send an endpoint no more attempts; `ready`: send it some again. False: no such endpoint."""

    async def inspect(self, terms: Terms, worker: int | None) -> Mapping[str, Mapping[str, object]]:
        """The inside of each process by its name, JSON-ready; `error` says why one has not answered. `worker` is the
        only one that is asked, None for all. Cancelled, it ends what the processes do for it. Raises NoSuchWorkerError,
        and BusyError while such a look is under way and can only be one."""

    async def reload(self, why: str) -> Mapping[str, object]:
        """Read the rules again; the report of it, JSON-ready: `result` is `reloaded`, `unchanged` or `failed`, and
        `problems` says why it failed. Never raises."""

    def start_drain(self, why: str) -> None:
        """Begin to drain; does nothing when a drain is under way."""

    async def drained(self, seconds: float) -> bool:
        """Wait at most so long for the drain to have ended; whether it has."""
