"""One that asks a rate limit: its keys are what the test says."""

from __future__ import annotations

import math

from sidecar.model.facts import RequestFacts
from sidecar.policies.contract import Applicant, Key


class FixedKey(Key):
    """A key of the rules that a test has made up."""

    def __init__(self, text: str) -> None:
        self.text = text

    def of(self, head: RequestFacts, client_ip: str) -> str:
        """Nobody asks a made-up key about a request."""
        raise AssertionError("an applicant knows its keys")


class LimitedApplicant(Applicant):
    """An applicant with the same value for every key, unless `values` names the key's text."""

    def __init__(self, value: str = "a", deadline: float = math.inf, **values: str) -> None:
        self.value = value
        self.values = values
        self.deadline = deadline

    def key(self, key: Key) -> str:
        """The value for this key."""
        return self.values.get(key.text, self.value)

    def granted(self, now: float) -> None:
        """A rate limit grants nothing: its instants are known beforehand."""
        raise AssertionError("nobody waits for a grant")
