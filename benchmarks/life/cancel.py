"""A hundred thousand requests, each left by its client at a random moment: nothing stays behind in the proxy.

At whatever point: before the head is whole, in the upload, while the endpoint thinks, in the answer, in a tunnel. Most
leave with a reset, some with a FIN.
"""

import asyncio
import random
import socket
import struct
from typing import Any

from benchmarks.life.finding import Finding
from benchmarks.life.reload import GROWTH, Size
from benchmarks.life.stage import Sidecar, Stage, ask

NAME = "cancel"
_CLIENTS = 64
_FIN_RATIO = 0.1
_LONGEST_SECONDS = 0.02
_SETTLED_SECONDS = 3.0
_HEAD = b"%b HTTP/1.1\r\nHost: a\r\nUser-Agent: leaver\r\n%b\r\n"
_REQUESTS = (
    _HEAD % (b"GET /small", b""),
    _HEAD % (b"GET /slow/15", b""),
    _HEAD % (b"GET /large", b""),
    _HEAD % (b"GET /download/1", b""),
    _HEAD % (b"GET /stuck", b""),
    _HEAD % (b"GET /fail", b""),
    _HEAD % (b"GET /ws", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    _HEAD % (b"POST /slow/5", b"Content-Length: 20000\r\n") + bytes(20000),
    _HEAD % (b"POST /small", b"Transfer-Encoding: chunked\r\n") + b"400\r\n" + bytes(1024) + b"\r\n0\r\n\r\n",
)


def rules(origin: int) -> str:
    """Policies that hold something for each request."""
    return f"""upstreams:
  app: {{endpoints: ['http://127.0.0.1:{origin}'], circuit_breaker: null, pool: {{max_connections: 48}}}}
routes:
  - name: all
    upstream: app
    concurrency: {{max: 40, max_queue: 16, max_wait: 10ms}}
    rate_limits: [{{name: each, rate: 1000000/s, key: client_ip}}]
"""


async def play(stage: Stage) -> list[Finding]:
    """Leave, and look at what is left."""
    requests = int(stage.length(100_000, 3000))
    with stage.origin() as origin, stage.sidecar(rules(origin)) as sidecar:
        await _leave(sidecar.port, requests // 10)  # pools, tables and buffers as large as they will be
        await asyncio.sleep(_SETTLED_SECONDS)
        before = Size.of(sidecar)
        await _leave(sidecar.port, requests)
        told = await sidecar.until(lambda told: not _under_way(told))
        await asyncio.sleep(_SETTLED_SECONDS)
        told, after = await sidecar.status(), Size.of(sidecar)
        serves = await _serves(sidecar)
    growth = after.resident / before.resident - 1
    left = _under_way(told)
    stage.say(f"cancel: {before} then {after}, left {left}")
    return [
        Finding(
            NAME,
            f"{requests} requests left by their clients at random: no request, place, lease or connection stays behind",
            f"{left} left over; serves as before: {'yes' if serves else 'no'}",
            not left and serves,
        ),
        Finding(
            NAME,
            "descriptors afterwards as before (kept connections to the endpoint among them)",
            f"{before.descriptors} → {after.descriptors}",
            after.descriptors <= before.descriptors + 48,
        ),
        Finding(
            NAME,
            "resident memory: less than 5 % more",
            f"{before.resident / 2**20:.1f} → {after.resident / 2**20:.1f} MiB ({growth:+.1%})",
            growth < GROWTH,
        ),
    ]


def _under_way(told: Any) -> int:
    """Whatever the proxy holds for somebody, added up from its status."""
    route, upstream = told["routes"][0], told["upstreams"][0]
    places = route["policies"]["all/concurrency"]
    (endpoint,) = upstream["endpoints"]
    pool = endpoint["pool"]
    held = (route["in_flight"], endpoint["in_flight"], places["in_flight"], places["queued"], pool["in_use"])
    down, up = told["connections"]["downstream"], told["connections"]["upstream"]
    return sum(map(int, (*held, pool["waiting"], down["active"], down["idle"], up["active"])))


async def _serves(sidecar: Sidecar) -> bool:
    replies = await asyncio.gather(*(ask(sidecar.port, "/slow/5") for _ in range(40)))
    return all(reply.status == 200 for reply in replies)


async def _leave(port: int, requests: int) -> None:
    dice = [random.Random(seed) for seed in range(_CLIENTS)]
    async with asyncio.TaskGroup() as clients:
        for each in dice:
            clients.create_task(_client(port, requests // _CLIENTS, each))


async def _client(port: int, requests: int, dice: random.Random) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(requests):
        request = dice.choice(_REQUESTS)
        sent = request[: dice.randrange(1, len(request))] if dice.random() < 0.3 else request
        with socket.socket() as client:
            client.setblocking(False)
            if dice.random() > _FIN_RATIO:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, sent)
            # The moment is the point; part of them leave at once, in the same turn of the proxy's loop.
            await asyncio.sleep(dice.choice((0.0, dice.random() * _LONGEST_SECONDS)))
