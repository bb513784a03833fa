"""Five hundred renewed certificates in fifty seconds, under load: newcomers see the newest, and nothing fails or grows.

Both files are put in place, one after the other, and a reload is asked; so some looks at the files find a new
certificate beside the old key, and have to leave everything as it is.
"""

import asyncio
import socket
import ssl
import time
from hashlib import sha256

from benchmarks.life.authority import Authority
from benchmarks.life.callers import Called, Calling, posting
from benchmarks.life.finding import Finding
from benchmarks.life.reload import Size
from benchmarks.life.stage import Sidecar, Stage

NAME = "certificates"
STAYING = 12
COMING = 4
EVERY_SECONDS = 0.1
# What reloads leave is collected when it has grown by a quarter. A context that was kept would cost 50 KiB each time.
GROWTH = 0.1

# Before memory is looked at: what a reload leaves behind is tidied up a second after the last one.
_SETTLED_SECONDS = 3.0
_WARM_SWAPS = 20
_LIMIT_SECONDS = 20.0


def rules(origin: int) -> str:
    """The plainest there are."""
    return f"""upstreams:
  app: {{endpoints: ['http://127.0.0.1:{origin}']}}
routes:
  - {{name: all, upstream: app}}
"""


async def play(stage: Stage) -> list[Finding]:
    """Swap under load, and look at what the process holds before and afterwards."""
    swaps = int(stage.length(500, 25))
    authority = Authority(stage.room)
    authority.renew()
    tls = f"{{certificate: '{authority.certificate}', private_key: '{authority.private_key}'}}"
    context = ssl.create_default_context(cafile=str(authority.path))
    calling = Calling()
    with stage.origin() as origin, stage.sidecar(rules(origin), tls=tls) as sidecar:
        async with asyncio.TaskGroup() as group:
            for place in range(STAYING + COMING):
                group.create_task(posting(calling, lambda: sidecar.port, tls=context, closes=place >= STAYING))
            await _swap(sidecar, authority, context, _WARM_SWAPS)
            await asyncio.sleep(_SETTLED_SECONDS)
            before, begun = Size.of(sidecar), time.monotonic()
            newest = await _swap(sidecar, authority, context, swaps)
            seconds = time.monotonic() - begun
            await asyncio.sleep(_SETTLED_SECONDS)
            after = Size.of(sidecar)
            calling.ends = True
        generation = int((await sidecar.status())["rules"]["generation"])
    stage.say(f"certificates: {newest} of {swaps} seen in {seconds:.0f} s, {calling.failed} failed {calling.failures}")
    return _findings((swaps, newest, generation), seconds, calling.called, (before, after))


def _findings(swaps: tuple[int, int, int], seconds: float, called: Called, sizes: tuple[Size, Size]) -> list[Finding]:
    (asked, newest, generation), (before, after) = swaps, sizes
    growth = after.resident / before.resident - 1
    return [
        Finding(
            NAME,
            f"{asked} renewed certificates under load over TLS: 0 failed requests",
            f"in {seconds:.0f} s, {called.requests} requests, {called.failed} failed",
            generation > asked and not called.failed,
        ),
        Finding(
            NAME,
            "a connection after a reload is shown the newest certificate",
            f"{newest} of {asked}",
            newest == asked,
        ),
        Finding(
            NAME,
            "descriptors afterwards as before",
            f"{before.descriptors} → {after.descriptors}",
            after.descriptors <= before.descriptors + COMING * 2,
        ),
        Finding(
            NAME,
            "resident memory: less than 10 % more",
            f"{before.resident / 2**20:.1f} → {after.resident / 2**20:.1f} MiB ({growth:+.1%})",
            growth < GROWTH,
        ),
    ]


async def _swap(sidecar: Sidecar, authority: Authority, context: ssl.SSLContext, swaps: int) -> int:
    """Renew so often, at an even pace; how often the connection after it was shown what was renewed."""
    begun, seen = time.monotonic(), 0
    for number in range(swaps):
        renewed = authority.renew()
        reply = await sidecar.post("/reload")
        if reply.status != 200:
            raise RuntimeError(f"a renewed certificate was not taken: {reply.body.decode()}")
        seen += await asyncio.to_thread(_shown, sidecar.port, context) == renewed
        await asyncio.sleep(max(0.0, begun + (number + 1) * EVERY_SECONDS - time.monotonic()))
    return seen


def _shown(port: int, context: ssl.SSLContext) -> str:
    with (
        socket.create_connection(("127.0.0.1", port), _LIMIT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        return sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
