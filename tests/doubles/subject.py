"""A subject for the admin server that answers what a test sets, and remembers what it was asked to do."""

import asyncio
from collections.abc import Mapping, Sequence

from sidecar.admin.subject import Condition


class FakeSubject:
    def __init__(self) -> None:
        self.told: list[Condition] = [Condition("rules", holds=True, detail="3 routes")]
        self.has_been_ready = True
        self.drains: list[str] = []
        self.ended = asyncio.Event()

    def conditions(self) -> Sequence[Condition]:
        return self.told

    def status(self) -> Mapping[str, object]:
        return {"phase": "serving"}

    def effective_rules(self) -> Mapping[str, object]:
        return {"version": 1}

    def exposition(self, accept: str) -> tuple[bytes, str]:
        kind = "application/openmetrics-text; version=1.0.0" if "openmetrics" in accept else "text/plain; version=0.0.4"
        return b"sidecar_up 1\n", kind

    def start_drain(self, why: str) -> None:
        self.drains.append(why)

    async def drained(self, seconds: float) -> bool:
        return self.ended.is_set()
