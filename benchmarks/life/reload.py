"""Two hundred reloads in twenty seconds, under load: nothing fails, closes, grows or is forgotten.

Between two reloads the timeout of one route changes, and another route comes or goes.
"""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.life.callers import Called, paced
from benchmarks.life.echoes import Echoes
from benchmarks.life.finding import Finding
from benchmarks.life.stage import Sidecar, Stage, ask, prologue
from benchmarks.paced import percentile

NAME = "reload"
RATE = 2000
WEBSOCKETS = 50
BURST = 10
GROWTH = 0.05

# Memory is looked at when the collector has been, a second after the last reload.
_SETTLED_SECONDS = 3.0
_WARM_RELOADS = 20


def rules(origin: int, number: int) -> str:
    """The rules of one generation."""
    passing = f"  - {{name: passing-{number}, match: {{path: /passing}}, upstream: app}}\n" if number % 2 else ""
    return f"""upstreams:
  app: {{endpoints: ['http://127.0.0.1:{origin}']}}
  failing:
    endpoints: ['http://127.0.0.1:{origin}']
    circuit_breaker: {{consecutive_failures: 3, open_for: 1h, max_open_for: 1h}}
routes:
  - {{name: limited, match: {{path: /limited}}, upstream: app,
     rate_limits: [{{name: slow, rate: 1/h, burst: {BURST}}}]}}
  - {{name: failing, match: {{path: /fail}}, upstream: failing, retry: null}}
  - {{name: changing, match: {{path: /changing}}, upstream: app, timeout: {{request: {10 + number % 7}s}}}}
{passing}  - {{name: all, upstream: app}}
"""


@dataclass(frozen=True, slots=True)
class Size:
    """What a process holds at a moment."""

    descriptors: int
    resident: int

    @classmethod
    def of(cls, sidecar: Sidecar) -> "Size":
        """What it holds now."""
        return cls(sidecar.descriptors(), sidecar.resident())


async def play(stage: Stage) -> list[Finding]:
    """Reload under load, and compare with the same load before."""
    seconds, reloads = int(stage.length(20, 3)), int(stage.length(200, 30))
    with stage.origin() as origin, stage.sidecar(rules(origin, 0)) as sidecar:
        await _half_spend(sidecar)
        opened = await _open_breaker(sidecar)
        async with Echoes(sidecar.port, WEBSOCKETS) as echoes:
            await _reload(sidecar, origin, range(1, 1 + _WARM_RELOADS), 0.05)
            calm = await paced(sidecar.port, "/small", RATE, seconds)
            stage.say(f"reload: without, p99 {calm.p99_ms:.2f} ms, {calm.failed} failed")
            await asyncio.sleep(_SETTLED_SECONDS)
            before = Size.of(sidecar)
            load = asyncio.ensure_future(paced(sidecar.port, "/small", RATE, seconds))
            took, done = await _reload(
                sidecar, origin, range(1 + _WARM_RELOADS, 1 + _WARM_RELOADS + reloads), seconds / reloads
            )
            stormy = await load
            stage.say(f"reload: {done} reloads, p99 {stormy.p99_ms:.2f} ms, {stormy.failed} failed")
            await asyncio.sleep(_SETTLED_SECONDS)
            after = Size.of(sidecar)
            admitted = await _spend(sidecar, BURST)
            kept = await _is_kept_open(sidecar, opened)
        return _findings((calm, stormy), (before, after), echoes, (reloads, done, took), (admitted, kept), seconds)


def _findings(
    loads: tuple[Called, Called],
    sizes: tuple[Size, Size],
    echoes: Echoes,
    reloads: tuple[int, int, float],
    kept: tuple[int, bool],
    seconds: int,
) -> list[Finding]:
    (calm, stormy), (before, after), (asked, done, took), (admitted, is_open) = loads, sizes, reloads, kept
    growth = after.resident / before.resident - 1

    def found(promise: str, measured: str, holds: bool | None) -> Finding:
        return Finding(NAME, promise, measured, holds)

    return [
        found(
            f"{asked} reloads in {seconds} s at {RATE} requests/s: 0 failed requests",
            f"{done} reloads, {stormy.requests} requests, {stormy.failed} failed",
            done == asked and not stormy.failed,
        ),
        found(
            f"{WEBSOCKETS} open WebSockets: 0 closed",
            f"{echoes.closed} closed, {echoes.messages} messages came back",
            not echoes.closed,
        ),
        found(
            "descriptors afterwards as before",
            f"{before.descriptors} → {after.descriptors}",
            after.descriptors <= before.descriptors * (1 + GROWTH),
        ),
        found(
            "resident memory: less than 5 % more",
            f"{before.resident / 2**20:.1f} → {after.resident / 2**20:.1f} MiB ({growth:+.1%})",
            growth < GROWTH,
        ),
        found(
            "a half-spent bucket stays half-spent",
            f"{admitted} of the {BURST - BURST // 2} that were left",
            admitted == BURST - BURST // 2,
        ),
        found("an open breaker stays open", "open, for as long as before" if is_open else "not open", is_open),
        found("p99 without and with reloads", f"{calm.p99_ms:.2f} and {stormy.p99_ms:.2f} ms", None),
        found("longest answer without and with", f"{calm.longest_ms:.0f} and {stormy.longest_ms:.0f} ms", None),
        found("a reload, from the question to the answer, median", f"{took * 1e3:.0f} ms", None),
    ]


async def _reload(sidecar: Sidecar, origin: int, numbers: range, every: float) -> tuple[float, int]:
    """Write other rules and have them reloaded, one after the other: the median of the seconds, and how many did."""
    begun, done = time.monotonic(), 0
    took: list[float] = []
    for index, number in enumerate(numbers):
        sidecar.rules.write_text(prologue(sidecar.port, sidecar.admin) + rules(origin, number))
        asked = time.monotonic()
        reply = await sidecar.post("/reload")
        took.append(time.monotonic() - asked)
        # The look at the file may have been faster than the question.
        done += reply.status == 200 and reply.json()["result"] in ("reloaded", "unchanged")
        await asyncio.sleep(max(0.0, begun + (index + 1) * every - time.monotonic()))
    told = await sidecar.status()
    if told["rules"]["generation"] != 1 + numbers.stop - 1:
        done = -1
    return percentile(sorted(took), 0.5), done


async def _spend(sidecar: Sidecar, requests: int) -> int:
    return [(await ask(sidecar.port, "/limited")).status for _ in range(requests)].count(200)


async def _half_spend(sidecar: Sidecar) -> None:
    if await _spend(sidecar, BURST // 2) != BURST // 2:
        raise RuntimeError("the bucket was not full at the start")


async def _open_breaker(sidecar: Sidecar) -> float:
    """Until when it is open, on this machine's clock."""
    for _ in range(3):
        await ask(sidecar.port, "/fail")
    return await _open_until(sidecar)


async def _open_until(sidecar: Sidecar) -> float:
    told = (await sidecar.status())["breakers"]["upstream.failing"]
    if told["state"] != "open":
        return 0.0
    return time.monotonic() + float(told["open_remaining"])


async def _is_kept_open(sidecar: Sidecar, before: float) -> bool:
    refused = await ask(sidecar.port, "/fail")
    after = await _open_until(sidecar)
    return refused.status == 503 and before > 0.0 and abs(after - before) < 1.0
