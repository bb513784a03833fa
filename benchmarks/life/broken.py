"""A broken rules file: told with its line, nothing changes, and the repair is in force soon."""

import asyncio
import time
from functools import partial
from statistics import median
from typing import Any

from benchmarks.life.callers import paced
from benchmarks.life.finding import Finding
from benchmarks.life.stage import Stage, ask, prologue

NAME = "broken"
RATE = 500
_SECONDS = 2.0


def rules(origin: int, rate: str) -> str:
    """Rules with a rate limit of this rate."""
    return f"""upstreams:
  app: {{endpoints: ['http://127.0.0.1:{origin}']}}
routes:
  - name: limited
    match: {{path: /limited}}
    upstream: app
    rate_limits:
      - {{name: each, rate: {rate}}}
  - {{name: all, upstream: app}}
"""


async def play(stage: Stage) -> list[Finding]:
    """Break the file and repair it, several times, under load."""
    rounds = int(stage.length(10, 2))
    shown: list[float] = []
    repaired: list[float] = []
    told_lines = served = 0
    with stage.origin() as origin, stage.sidecar(rules(origin, "1000/s")) as sidecar:
        begins = prologue(sidecar.port, sidecar.admin)
        broken = begins + rules(origin, "1000")
        line = 1 + broken[: broken.index("rate: 1000")].count("\n")
        load = asyncio.ensure_future(paced(sidecar.port, "/small", RATE, rounds * _SECONDS))
        for number in range(rounds):
            generation = (await sidecar.status())["rules"]["generation"]
            written = time.time()
            sidecar.rules.write_text(broken)
            told = await sidecar.until(partial(_has_failed, written))
            shown.append(time.time() - written)
            told_lines += f".yaml:{line}:" in told["reload"]["last_error"]["problems"][0]
            served += (await ask(sidecar.port, "/limited")).status == 200
            served += (await sidecar.status())["rules"]["generation"] == generation
            written = time.time()
            sidecar.rules.write_text(begins + rules(origin, f"{1001 + number}/s"))
            await sidecar.until(partial(_is_past, generation))
            repaired.append(time.time() - written)
        called = await load
    stage.say(f"broken: shown after {median(shown):.2f} s, repaired after {median(repaired):.2f} s")
    return [
        Finding(
            NAME,
            f"a broken file is told in /status with its line, {rounds} times",
            f"{told_lines} times; after {median(shown):.2f} s, at most {max(shown):.2f} s",
            told_lines == rounds,
        ),
        Finding(
            NAME,
            "the rules before it stay in force: 0 failed requests",
            f"{called.requests} requests, {called.failed} failed",
            served == 2 * rounds and not called.failed,
        ),
        Finding(
            NAME,
            "the repair is in force by itself",
            f"after {median(repaired):.2f} s, at most {max(repaired):.2f} s",
            True,
        ),
    ]


def _has_failed(since: float, told: Any) -> bool:
    failed = told["reload"]["last_error"]
    return failed is not None and failed["time"] >= since


def _is_past(generation: int, told: Any) -> bool:
    return bool(told["rules"]["generation"] > generation)
