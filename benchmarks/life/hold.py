"""The backend is killed and started again every few seconds: with `hold`, clients wait instead of failing.

Every other time it is killed without a word. Answers take a moment, so that some are under way when it goes.
"""

import asyncio
import os
import signal
import time
from contextlib import ExitStack

from benchmarks.life.callers import paced
from benchmarks.life.finding import Finding
from benchmarks.life.stage import Stage
from benchmarks.processes import free_port

NAME = "hold"
RATE = 200
EVERY_SECONDS = 5.0
GONE_SECONDS = 1.0
_CONNECTIONS = 800


def rules(origin: int) -> str:
    """What config/examples/hold.yaml has, for more callers."""
    return f"""upstreams:
  app:
    endpoints: ['http://127.0.0.1:{origin}']
    hold: {{timeout: 5s, max_requests: 1000, release: 500/s}}
routes:
  - {{name: all, upstream: app}}
"""


async def play(stage: Stage) -> list[Finding]:
    """A steady load of GETs, and a backend that goes and comes back."""
    seconds = stage.length(60, 11)
    restarts, longest_gone = 0, 0.0
    with ExitStack() as running:
        port = free_port()
        origin = running.enter_context(stage.origin_process(port))
        sidecar = running.enter_context(stage.sidecar(rules(port)))
        load = asyncio.ensure_future(paced(sidecar.port, "/slow/20", RATE, seconds, _CONNECTIONS))
        while not (await asyncio.wait([load], timeout=EVERY_SECONDS - GONE_SECONDS))[0]:
            gone = time.monotonic()
            if restarts % 2:
                os.kill(origin.pid, signal.SIGKILL)
            await asyncio.to_thread(origin.stop)
            await asyncio.sleep(GONE_SECONDS)
            origin = await asyncio.to_thread(running.enter_context, stage.origin_process(port))
            restarts, longest_gone = restarts + 1, max(longest_gone, time.monotonic() - gone)
            stage.say(f"hold: restart {restarts}, gone for {time.monotonic() - gone:.2f} s")
        called = await load
        told = (await sidecar.status())["upstreams"][0]["policies"]["app/hold"]
    return [
        Finding(
            NAME,
            f"the backend restarted {restarts} times in {seconds:g} s at {RATE} GETs/s: 0 failed requests",
            f"{called.requests} requests, {called.failed} failed; {told['held_total']} were held",
            restarts > 0 and not called.failed,
        ),
        Finding(
            NAME,
            "longest wait",
            f"{called.longest_ms / 1e3:.2f} s; the backend was gone for up to {longest_gone:.2f} s",
        ),
    ]
