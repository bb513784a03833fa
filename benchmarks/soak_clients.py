"""The clients of the soak: `python -m benchmarks.soak_clients PORT SECURE_PORT CERTIFICATE` acts until SIGTERM.

Every act begins at its own rate, evenly and whatever became of those before it. At the end the outcomes of each are
told as one line of JSON.
"""

import asyncio
import json
import random
import signal
import ssl
import sys
from collections import Counter

import uvloop

from benchmarks.soak_acts import ACTS, Act, Site

_MOST_AT_ONCE = 2000
_LAST_SECONDS = 60.0
SKIPPED = "skipped"


class Troupe:
    """All that act, and what came of it."""

    def __init__(self, site: Site) -> None:
        self.outcomes: dict[str, Counter[str]] = {act.name: Counter() for act in ACTS}
        self._site = site
        self._at_once: Counter[str] = Counter()
        self._playing: set[asyncio.Task[None]] = set()

    async def begin(self, act: Act, ends: asyncio.Event) -> None:
        """Begin it again and again until `ends`, then wait for those under way."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._site.rng.random() / act.rate
        while not ends.is_set():
            try:
                async with asyncio.timeout_at(due):
                    await ends.wait()
            except TimeoutError:
                self._start(act)
            due += 1 / act.rate

    async def over(self) -> None:
        """Wait for those that still act."""
        if self._playing:
            await asyncio.wait(self._playing, timeout=_LAST_SECONDS)

    def _start(self, act: Act) -> None:
        if self._at_once[act.name] >= _MOST_AT_ONCE:
            self.outcomes[act.name][SKIPPED] += 1
            return
        self._at_once[act.name] += 1
        task = asyncio.ensure_future(self._play(act))
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)

    async def _play(self, act: Act) -> None:
        try:
            outcome = await act.outcome(self._site)
        except Exception as bug:  # noqa: BLE001 - told like any other outcome that should not be
            outcome = f"{type(bug).__name__}: {bug}"
        self._at_once[act.name] -= 1
        self.outcomes[act.name][outcome] += 1


async def perform(port: int, secure: int, certificate: str) -> dict[str, Counter[str]]:
    """Act until SIGTERM; the outcomes of each act."""
    ends = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ends.set)
    troupe = Troupe(Site(port, secure, ssl.create_default_context(cafile=certificate), random.Random(1)))
    async with asyncio.TaskGroup() as group:
        for act in ACTS:
            group.create_task(troupe.begin(act, ends))
    await troupe.over()
    return troupe.outcomes


def main(port: int, secure: int, certificate: str) -> None:
    """Run and tell."""
    outcomes = uvloop.run(perform(port, secure, certificate))
    sys.stdout.write("VERDICT " + json.dumps(outcomes) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
