"""The backend of the soak: `python -m benchmarks.soak_backend PORT`. It answers whatever the soak's clients ask for.

`/small`, `/large` (1 MiB) and `/chunked` (16 KiB without a length) are what they say, `/echo` tells length and
checksum of the body it was sent, `/cached/N` may be kept by the sidecar, `/events` are server-sent for some seconds,
`/ws` echoes WebSocket messages, and `/flaky` fails for two seconds of every twenty.
"""

import asyncio
import sys
import time
import zlib

from aiohttp import web

LARGE = bytes(range(256)) * 4096
SMALL = b'{"id":48151623,"name":"Ada Lovelace","active":true}'
CHUNK = b"0123456789abcdef" * 256
CHUNKS = 4
EVENTS = 25
EVENT_SECONDS = 0.2
_BURST_SECONDS, _BURST_EVERY = 2.0, 20.0


async def small(request: web.Request) -> web.Response:
    """One line of JSON."""
    return web.Response(body=SMALL, content_type="application/json")


async def cached(request: web.Request) -> web.Response:
    """Different bytes at each path, that may be shown again later."""
    name = request.match_info["name"].encode()
    return web.Response(body=name * 64, headers={"Cache-Control": "max-age=1"})


async def large(request: web.Request) -> web.Response:
    """LARGE."""
    return web.Response(body=LARGE)


async def chunked(request: web.Request) -> web.StreamResponse:
    """CHUNK, so many times."""
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    for _ in range(CHUNKS):
        await answer.write(CHUNK)
    await answer.write_eof()
    return answer


async def echo(request: web.Request) -> web.Response:
    """Length and checksum of the body, once all of it is here."""
    size, checksum = 0, 0
    async for piece in request.content.iter_any():
        size += len(piece)
        checksum = zlib.crc32(piece, checksum)
    return web.Response(text=told(size, checksum))


def told(size: int, checksum: int) -> str:
    """What `/echo` answers."""
    return f"{size} {checksum}"


async def flaky(request: web.Request) -> web.Response:
    """500 in a burst, 200 outside of it."""
    failing = time.monotonic() % _BURST_EVERY < _BURST_SECONDS
    return web.Response(status=500 if failing else 200, text="flaky")


async def events(request: web.Request) -> web.StreamResponse:
    """EVENTS events and the end."""
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await answer.prepare(request)
    for number in range(EVENTS):
        await answer.write(b"data: %d\n\n" % number)
        await asyncio.sleep(EVENT_SECONDS)  # the pace of the events is what is offered
    return answer


async def sockets(request: web.Request) -> web.WebSocketResponse:
    """What comes goes back."""
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        if message.type is web.WSMsgType.BINARY:
            await answer.send_bytes(message.data)
    return answer


def application() -> web.Application:
    """All of it."""
    app = web.Application(client_max_size=0)
    app.router.add_get("/small", small)
    app.router.add_get("/limited", small)
    app.router.add_get("/healthz", small)
    app.router.add_get("/cached/{name}", cached)
    app.router.add_get("/large", large)
    app.router.add_get("/chunked", chunked)
    app.router.add_post("/echo", echo)
    app.router.add_get("/flaky", flaky)
    app.router.add_get("/events", events)
    app.router.add_get("/ws", sockets)
    return app


def main(port: int) -> None:
    """Serve until SIGTERM."""
    web.run_app(application(), host="127.0.0.1", port=port, print=None, access_log=None, shutdown_timeout=0.5)


if __name__ == "__main__":
    main(int(sys.argv[1]))
