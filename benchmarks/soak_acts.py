"""What the clients of the soak do: each act one small story over a connection or two, told by its outcome.

An act returns its outcome, or raises Failed with one. Which of them are as they should be stands beside the act: during
a restart of the backend a request may be refused and an answer be cut, but no answer is ever wrong, and nobody waits in
vain.
"""

import asyncio
import os
import random
import ssl
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks import soak_backend
from benchmarks.soak_link import CLOSED, CUT, WRONG, Answer, Failed, Link

OUTAGE = frozenset({"502", "503", "504"})
FINE = frozenset({"200"}) | OUTAGE
_KEPT = 8
_PIPELINED = 10
_MESSAGES = 20
_MEBIBYTE = 1 << 20
SLOW_SECONDS = 0.25
WATCH_SECONDS = 1.0
TALK_SECONDS = 0.1


class Site:
    """Where the clients call, and the connections they keep for each kind of call."""

    def __init__(self, port: int, secure: int, tls: ssl.SSLContext, rng: random.Random) -> None:
        self.port = port
        self.secure = secure
        self.tls = tls
        self.rng = rng
        self._kept: dict[bool, list[Link]] = {False: [], True: []}

    async def ask(self, head: bytes, body: bytes = b"", *, secure: bool = False) -> Answer:
        """One request over a kept connection, or a new one. Raises Failed."""
        kept = self._kept[secure]  # in turn, so that none is idle for so long that it is closed
        link = kept.pop(0) if kept else await self.link(secure=secure)
        try:
            await link.send(head + body)
            answer = await link.answer()
        except BaseException:
            link.cut()
            raise
        if answer.keeps and len(kept) < _KEPT:
            kept.append(link)
        else:
            link.cut()
        return answer

    async def link(self, *, secure: bool = False, receive: int = 0) -> Link:
        """A new connection. Raises Failed."""
        if secure:
            return await Link.open(self.secure, self.tls, receive=receive)
        return await Link.open(self.port, receive=receive)

    def close(self) -> None:
        """Close the kept connections."""
        for kept in self._kept.values():
            while kept:
                kept.pop().cut()


def get(path: str, *fields: str) -> bytes:
    """A request without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: soak", *fields, "", ""]).encode()


def _post(length: int) -> bytes:
    return f"POST /echo HTTP/1.1\r\nHost: soak\r\nContent-Length: {length}\r\n\r\n".encode()


def _judged(answer: Answer, body: bytes) -> str:
    return WRONG if answer.status == 200 and answer.body != body else str(answer.status)


async def small(site: Site) -> str:
    """A small GET over a kept connection."""
    return _judged(await site.ask(get("/small")), soak_backend.SMALL)


async def secure(site: Site) -> str:
    """The same over TLS."""
    return _judged(await site.ask(get("/small"), secure=True), soak_backend.SMALL)


async def fresh(site: Site) -> str:
    """A connection for one request."""
    async with await site.link() as link:
        await link.send(get("/small", "Connection: close"))
        return _judged(await link.answer(), soak_backend.SMALL)


async def handshake(site: Site) -> str:
    """A TLS connection for one request."""
    async with await site.link(secure=True) as link:
        await link.send(get("/small", "Connection: close"))
        return _judged(await link.answer(), soak_backend.SMALL)


async def cached(site: Site) -> str:
    """One of ten thousand things that may be kept; more than there is room for."""
    name = f"thing-{site.rng.randrange(10_000)}"
    return _judged(await site.ask(get(f"/cached/{name}")), name.encode() * 64)


async def flaky(site: Site) -> str:
    """What fails in bursts."""
    return str((await site.ask(get("/flaky"))).status)


async def limited(site: Site) -> str:
    """A caller of many: most come once, some far too often."""
    name = "greedy" if site.rng.random() < 0.5 else f"caller-{site.rng.getrandbits(40)}"
    return str((await site.ask(get("/limited", f"X-Caller: {name}"))).status)


async def chunks(site: Site) -> str:
    """An answer without a length."""
    return _judged(await site.ask(get("/chunked")), soak_backend.CHUNK * soak_backend.CHUNKS)


async def post(site: Site) -> str:
    """A small body."""
    body = os.urandom(512)
    return _judged(await site.ask(_post(len(body)), body), _echoed(body))


async def upload(site: Site) -> str:
    """1 MiB, in pieces without a length."""
    body = bytes(site.rng.randbytes(1 << 16))
    async with await site.link() as link:
        await link.send(b"POST /echo HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(16):
            await link.send(b"%x\r\n%b\r\n" % (len(body), body))
        await link.send(b"0\r\n\r\n")
        return _judged(await link.answer(), _echoed(body * 16))


async def large_upload(site: Site) -> str:
    """1 MiB, with its length."""
    body = site.rng.randbytes(_MEBIBYTE)
    async with await site.link() as link:
        await link.send(_post(len(body)) + body)
        return _judged(await link.answer(), _echoed(body))


def _echoed(body: bytes) -> bytes:
    return soak_backend.told(len(body), zlib.crc32(body)).encode()


async def download(site: Site) -> str:
    """1 MiB, as fast as it comes."""
    return _judged(await site.ask(get("/large")), soak_backend.LARGE)


async def slow_download(site: Site) -> str:
    """1 MiB, a piece every quarter of a second."""
    async with await site.link(receive=1 << 16) as link:
        await link.send(get("/large"))
        head = await link.head()
        if head.status != 200:
            return str(head.status)
        for place in range(0, _MEBIBYTE, 1 << 16):
            if await link.exactly(1 << 16) != soak_backend.LARGE[place : place + (1 << 16)]:
                return WRONG
            await asyncio.sleep(SLOW_SECONDS)  # the slowness itself
        return "200"


async def pipelined(site: Site) -> str:
    """Requests ahead of their answers, which come in order."""
    names = [f"thing-{site.rng.randrange(10_000)}" for _ in range(_PIPELINED)]
    async with await site.link() as link:
        await link.send(b"".join(get(f"/cached/{name}") for name in names))
        for name in names:
            outcome = _judged(await link.answer(), name.encode() * 64)
            if outcome != "200":
                return outcome
    return "200"


async def events(site: Site) -> str:
    """A stream that lasts some seconds; every third is left in the middle."""
    leaves = site.rng.random() < 1 / 3
    async with await site.link() as link:
        await link.send(get("/events", "Accept: text/event-stream", "Connection: close"))
        if leaves:
            status = (await link.head()).status
            await asyncio.sleep(WATCH_SECONDS)  # it watches for a while
            return str(status)
        answer = await link.answer()
        wanted = b"".join(b"data: %d\n\n" % number for number in range(soak_backend.EVENTS))
        return _judged(answer, wanted)


async def socket_echo(site: Site) -> str:
    """A WebSocket whose messages come back; half of them end without a farewell."""
    async with await site.link() as link:
        await link.send(
            get(
                "/ws",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            )
        )
        status = (await link.head()).status
        if status != 101:
            return str(status)
        for _ in range(_MESSAGES):
            message = site.rng.randbytes(100)
            await link.send(b"\x82" + bytes([0x80 | len(message)]) + bytes(4) + message)
            if await link.exactly(2 + len(message)) != b"\x82" + bytes([len(message)]) + message:
                return WRONG
            await asyncio.sleep(TALK_SECONDS)  # a conversation takes its time
        if site.rng.random() < 0.5:
            await link.send(b"\x88\x82" + bytes(4) + struct.pack(">H", 1000))
            await link.rest()
        return "101"


_MALFORMED = (
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"b" * 40_000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"\r\n" * 50_000,
)


async def malformed(site: Site) -> str:
    """Something that is no request."""
    async with await site.link() as link:
        await link.send(site.rng.choice(_MALFORMED))
        answer = await link.answer()
        return str(answer.status)


async def stalled(site: Site) -> str:
    """A head or a body that does not come to its end."""
    start = site.rng.choice([b"GET /small HTTP/1.1\r\nHo", _post(1000) + b"half"])
    async with await site.link() as link:
        await link.send(start)
        return str((await link.answer()).status)


async def leaves(site: Site) -> str:
    """A client that goes away, with RST or FIN, in the middle of anything."""
    start, waits = site.rng.choice(
        [
            (b"GET /small HTTP/1.1\r\nHo", False),
            (get("/small"), False),
            (_post(100_000) + bytes(5_000), False),
            (get("/large"), True),
            (get("/events"), True),
            (get("/chunked"), True),
        ]
    )
    async with await site.link() as link:
        await link.send(start)
        if waits:
            await link.head()
        if site.rng.random() < 0.5:
            link.reset()
        return "left"


@dataclass(frozen=True, slots=True)
class Act:
    """How often a second it begins, and how it may end."""

    play: Callable[[Site], Awaitable[str]]
    rate: float
    expected: frozenset[str]

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return self.play.__name__.replace("_", " ")

    async def outcome(self, site: Site) -> str:
        """How it ended this time."""
        try:
            return await self.play(site)
        except Failed as failed:
            return failed.outcome


_BROKEN = FINE | {CUT}

ACTS = (
    Act(small, 300, FINE),
    Act(secure, 20, FINE),
    Act(fresh, 20, FINE),
    Act(handshake, 4, FINE),
    Act(cached, 20, FINE),
    Act(flaky, 10, FINE | {"500"}),
    Act(limited, 20, FINE | {"429"}),
    Act(chunks, 5, _BROKEN),
    Act(post, 15, FINE),
    Act(upload, 0.5, FINE | {CLOSED}),
    Act(large_upload, 1, FINE | {CLOSED}),
    Act(download, 3, _BROKEN),
    Act(slow_download, 1, _BROKEN),
    Act(pipelined, 2, FINE),
    Act(events, 1, _BROKEN),
    Act(socket_echo, 1, OUTAGE | {"101", CUT, CLOSED}),
    Act(malformed, 5, OUTAGE | {"400", "414", "431", "505", CLOSED}),
    Act(stalled, 2, OUTAGE | {"408"}),
    Act(leaves, 15, frozenset({"left", CUT, CLOSED})),
)
