"""Says when a certificate in use is about to end, and when it has ended: once each, as an event.

Owns when to look. Who shows an ended certificate goes on showing it: a client that minds leaves, and one that does not
is served.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.app.credentials import ENDS_SOON, certificates_of, end_of, name_of
from sidecar.rules.load import Loaded
from sidecar.telemetry.events import Events

if TYPE_CHECKING:
    from sidecar.tls.certificates import CertificateFacts

# A machine's wall clock is set, and stands still with the machine: what is due by it is looked for this often, seconds.
_AT_LEAST = 3600.0


class Expiry:
    """Looks at the certificates of the rules in force; `wall` is Unix seconds."""

    def __init__(self, events: Events, loop: asyncio.AbstractEventLoop, wall: Callable[[], float] = time.time) -> None:
        self._events = events
        self._loop = loop
        self._wall = wall
        self._certificates: list[tuple[str, CertificateFacts]] = []
        self._told: dict[tuple[str, str], str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, loaded: Loaded) -> None:
        """These are the rules in force from now on."""
        self._certificates = certificates_of(loaded)
        known = {(owner, facts.fingerprint) for owner, facts in self._certificates}
        self._told = {place: told for place, told in self._told.items() if place in known}
        self.look()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """Tell what has come to be since the last look, and look again when more will."""
        self.stop()
        now = self._wall()
        next_look = _AT_LEAST
        for owner, facts in self._certificates:
            left = facts.not_after - now
            state = "ended" if left <= 0 else "ends soon" if left < ENDS_SOON else ""
            place = (owner, facts.fingerprint)
            if state and self._told.get(place) != state:
                self._told[place] = state
                self._tell(owner, facts, state, now)
            if left > 0:
                next_look = min(next_look, left - ENDS_SOON if left >= ENDS_SOON else left)
        if self._certificates:
            # A moment later than due, lest it comes a hair too early by the other clock.
            self._timer = self._loop.call_later(next_look + 1.0, self.look)

    def _tell(self, owner: str, facts: CertificateFacts, state: str, now: float) -> None:
        told = {
            "name": name_of(facts),
            "state": state,
            "not_after": facts.not_after,
            "fingerprint": facts.fingerprint,
        }
        text = f"the certificate of {name_of(facts)} {end_of(facts, now)}"
        self._events.tell("certificate", owner, text, told, alarming=True)
