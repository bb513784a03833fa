"""How long a reload of 10, 1 000 and 10 000 routes takes, and how long it holds up requests meanwhile."""

import asyncio
from statistics import median

from benchmarks.life.callers import paced
from benchmarks.life.finding import Finding
from benchmarks.life.stage import Stage, prologue

NAME = "sizes"
ROUTES = (10, 1000, 10_000)
RATE = 500
LONGEST_MS = 50
"""How long nobody may wait more than without a reload, up to a thousand routes."""

_PATH = "/small"
# The caller is a process of its own. Asking the sidecar whether it calls already would hold up ten thousand routes.
_CALLER_STARTS_SECONDS = 0.7


def rules(origin: int, routes: int, number: int) -> str:
    """So many routes with a rate limit and a timeout of their own; the limits of all of them change with `number`."""
    lines = [
        f"  - {{name: r{index}, match: {{path: /{index}}}, upstream: app, "
        f"rate_limits: [{{name: each, rate: {1000 + number}/s}}]}}\n"
        for index in range(routes - 1)
    ]
    first = f"upstreams:\n  app: {{endpoints: ['http://127.0.0.1:{origin}']}}\nroutes:\n"
    return first + "".join(lines) + "  - {name: all, upstream: app}\n"


async def play(stage: Stage) -> list[Finding]:
    """One size after the other."""
    return [await _size(stage, routes) for routes in ROUTES[: int(stage.length(3, 2))]]


async def _size(stage: Stage, routes: int) -> Finding:
    rounds = int(stage.length(5, 1))
    seconds = 2 + 14 * routes // 10_000  # one that reads once more for the change of the file may be ahead of it
    took: list[float] = []
    held_up: list[float] = []
    with stage.origin() as origin, stage.sidecar(rules(origin, routes, 0)) as sidecar:
        calm = await paced(sidecar.port, _PATH, RATE, 2)
        for number in range(1, rounds + 1):
            load = asyncio.ensure_future(paced(sidecar.port, _PATH, RATE, seconds))
            await asyncio.sleep(_CALLER_STARTS_SECONDS)
            text = prologue(sidecar.port, sidecar.admin) + rules(origin, routes, number)
            sidecar.rules.write_text(text)
            told = (await sidecar.post("/reload")).json()
            if told["result"] == "unchanged":  # the look at the file was faster
                told = (await sidecar.status())["reload"]["last"]
            took.append(float(told["seconds"]))
            called = await load
            held_up.append(called.longest_ms)
            stage.say(f"sizes: {routes} routes: {took[-1]:.3f} s, longest answer {called.longest_ms:.0f} ms")
    longest = max(held_up)
    return Finding(
        NAME,
        f"a reload of {routes:,} routes that changes each of them".replace(",", " ")
        + (f": holds nobody up for {LONGEST_MS} ms" if routes <= 1000 else ""),
        f"{median(took) * 1e3:.0f} ms; longest answer meanwhile {median(held_up):.0f} ms, at most {longest:.0f} ms "
        f"(without {calm.longest_ms:.0f} ms)",
        median(held_up) - calm.longest_ms < LONGEST_MS if routes <= 1000 else None,
    )
