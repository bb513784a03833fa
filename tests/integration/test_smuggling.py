"""Requests that two readers could understand in two ways: refused, or forwarded in exactly one form.

Every case is followed by a canary on the same connection and one on a new connection. Whatever becomes of the case, the
backend may see only whole requests that this table expects: not a byte of it may become part of another request.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.doubles.backend import Backend
from tests.doubles.running import running

H = b"Host: a\r\n"
POST = b"POST /case HTTP/1.1\r\n" + H
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"


class Refused(NamedTuple):
    name: str
    data: bytes
    status: int = 400


REFUSED = [
    Refused("both framings", POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN),
    Refused("both framings, other order", POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN),
    Refused("two lengths", POST + b"Content-Length: 0\r\nContent-Length: 33\r\n\r\n" + HIDDEN),
    Refused("two lengths in a list", POST + b"Content-Length: 0, 33\r\n\r\n" + HIDDEN),
    Refused("length with a plus", POST + b"Content-Length: +0\r\n\r\n" + HIDDEN),
    Refused("negative length", POST + b"Content-Length: -1\r\n\r\n" + HIDDEN),
    Refused("length in hex", POST + b"Content-Length: 0x10\r\n\r\n" + HIDDEN),
    Refused("length with an underscore", POST + b"Content-Length: 1_0\r\n\r\n" + HIDDEN),
    Refused("length with a space inside", POST + b"Content-Length: 1 0\r\n\r\n" + HIDDEN),
    Refused("empty length", POST + b"Content-Length: \r\n\r\n" + HIDDEN),
    Refused("length past 2^64", POST + b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN),
    Refused("unknown coding", POST + b"Transfer-Encoding: gzip\r\n\r\n" + HIDDEN, 400),
    Refused("coding before chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    Refused("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    Refused("two transfer codings", POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN),
    Refused("coding with a tail", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    # RFC 9110 section 5.6.1.2 would let it pass; but not every backend ignores the empty member.
    Refused("an empty member before chunked", POST + b"Transfer-Encoding: , chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
    Refused("quoted coding", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + HIDDEN),
    Refused("coding behind a vertical tab", POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    Refused("coding with a space before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    Refused("folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    Refused("folded field", POST + b"X-A: 1\r\n\tContent-Length: 5\r\n\r\n" + HIDDEN),
    Refused("first line folded", b"POST /case HTTP/1.1\r\n X: 1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("chunked to HTTP/1.0", b"POST /case HTTP/1.0\r\n" + H + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN),
    Refused("bare LF in the head", POST + b"X-A: 1\nContent-Length: 5\r\n\r\n" + HIDDEN),
    Refused("bare LF after the request line", b"POST /case HTTP/1.1\n" + H + b"\r\n" + HIDDEN),
    Refused("head ends in bare LFs", b"GET /case HTTP/1.1\r\nHost: a\n\n" + HIDDEN),
    Refused("bare CR in a value", POST + b"X-A: 1\rContent-Length: 5\r\n\r\n" + HIDDEN),
    Refused("bare CR as an ending", POST + b"X-A: 1\rTransfer-Encoding: chunked\r\n\r\n" + HIDDEN),
    Refused("NUL in a value", POST + b"X-A: 1\x002\r\n\r\n" + HIDDEN),
    Refused("NUL in a name", POST + b"X\x00A: 1\r\n\r\n" + HIDDEN),
    Refused("no colon", POST + b"X-A\r\n\r\n" + HIDDEN),
    Refused("empty name", POST + b": 1\r\n\r\n" + HIDDEN),
    Refused("a name with a bracket", POST + b"X[A]: 1\r\n\r\n" + HIDDEN),
    Refused("a name that is not ASCII", POST + b"X-\xe9: 1\r\n\r\n" + HIDDEN),
    Refused("no Host", b"GET /case HTTP/1.1\r\nX: 1\r\n\r\n" + HIDDEN),
    Refused("two Hosts", b"GET /case HTTP/1.1\r\n" + H + b"Host: b\r\n\r\n" + HIDDEN),
    Refused("Host with a path", b"GET /case HTTP/1.1\r\nHost: a/b\r\n\r\n" + HIDDEN),
    Refused("Host with a user", b"GET /case HTTP/1.1\r\nHost: u@a\r\n\r\n" + HIDDEN),
    Refused("two spaces in the request line", b"GET  /case HTTP/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a tab in the request line", b"GET\t/case HTTP/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a space in the target", b"GET /case /x HTTP/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("no version", b"GET /case\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a version with one digit more", b"GET /case HTTP/1.10\r\n" + H + b"\r\n" + HIDDEN),
    Refused("version 0.9", b"GET /case HTTP/0.9\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a space after the version", b"GET /case HTTP/1.1 \r\n" + H + b"\r\n" + HIDDEN),
    Refused("a lower-case version", b"GET /case http/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a fragment of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40),
    Refused("CONNECT", b"CONNECT a:80 HTTP/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a target without a slash", b"GET case HTTP/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a control byte in the target", b"GET /ca\x01se HTTP/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("a control byte in the method", b"G\x01T /case HTTP/1.1\r\n" + H + b"\r\n" + HIDDEN),
    Refused("chunk size with a sign", POST + CHUNKED + b"\r\n+0\r\n\r\n" + HIDDEN),
    Refused("chunk size in 0x", POST + CHUNKED + b"\r\n0x0\r\n\r\n" + HIDDEN),
    Refused("chunk size past 2^64", POST + CHUNKED + b"\r\n10000000000000000\r\nx\r\n0\r\n\r\n" + HIDDEN),
    Refused("empty chunk size", POST + CHUNKED + b"\r\n\r\nx\r\n0\r\n\r\n" + HIDDEN),
    Refused("chunk size with a space before", POST + CHUNKED + b"\r\n 1\r\nx\r\n0\r\n\r\n" + HIDDEN),
    Refused("chunk size ends in LF", POST + CHUNKED + b"\r\n1\nx\r\n0\r\n\r\n" + HIDDEN),
    Refused("chunk longer than it says", POST + CHUNKED + b"\r\n1\r\nxy\r\n0\r\n\r\n" + HIDDEN),
    Refused("chunk ends in LF", POST + CHUNKED + b"\r\n1\r\nx\n0\r\n\r\n" + HIDDEN),
    Refused("a bare LF in an extension", POST + CHUNKED + b"\r\n1;a\nb\r\nx\r\n0\r\n\r\n" + HIDDEN),
    Refused("a bare CR in an extension", POST + CHUNKED + b"\r\n1;a\rb\r\nx\r\n0\r\n\r\n" + HIDDEN),
    Refused("a bare LF in a trailer", POST + CHUNKED + b"\r\n0\r\nX: 1\nY: 2\r\n\r\n" + HIDDEN),
    Refused("a folded trailer", POST + CHUNKED + b"\r\n0\r\nX: 1\r\n Y: 2\r\n\r\n" + HIDDEN),
    Refused("Content-Length named by Connection", POST + b"Connection: content-length\r\nContent-Length: 3\r\n\r\nabc"),
    Refused("Host named by Connection", POST + b"Connection: host\r\n\r\n" + HIDDEN),
]


class Passed(NamedTuple):
    name: str
    data: bytes
    bodies: list[bytes]


PASSED = [
    Passed("the same length twice in one form", POST + b"Content-Length: 3\r\n\r\nabc", [b"abc"]),
    Passed("chunked in capitals", POST + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", [b"abc"]),
    Passed("chunk size with zeros", POST + CHUNKED + b"\r\n0003\r\nabc\r\n000\r\n\r\n", [b"abc"]),
    Passed("chunk extension", POST + CHUNKED + b'\r\n3;n="v;\\"";m\r\nabc\r\n0;last\r\n\r\n', [b"abc"]),
    Passed("length with spaces around", POST + b"Content-Length: \t 3 \t\r\n\r\nabc", [b"abc"]),
    Passed("a body that looks like a request", POST + b"Content-Length: 33\r\n\r\n" + HIDDEN, [HIDDEN]),
    Passed("GET with a body", b"GET /case HTTP/1.1\r\n" + H + b"Content-Length: 3\r\n\r\nabc", [b"abc"]),
    Passed("a chunk that looks like the end", POST + CHUNKED + b"\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", [b"0\r\n\r\n"]),
]  # fmt: skip


def _whole(backend: Backend) -> None:
    """Nothing but whole requests ever arrived: what the requests hold is all there was."""
    for connection in backend.connections:
        assert bytes(connection.received) == b"".join(request.raw for request in connection.requests)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_what_is_ambiguous_is_refused_and_the_connection_closed(case: Refused) -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            await peer.send(case.data)
            answer = await peer.answer(case.data.split(b" ", 1)[0])
            assert (answer.status, answer.problem["reason"]) == (case.status, "bad_request")
            assert answer.get("connection") == b"close"
            peer.half_close()
            assert await peer.ended() == b""
        async with proxy.peer() as canary:
            assert (await canary.get("/canary")).status == 200
        await proxy.quiet()
        # A request with a bad body may have begun; it must then have been broken off, and its connection with it.
        assert [request.target for request in backend.requests if request.target != b"/case"] == [b"/canary"]
        spoilt = [connection for connection in backend.connections if b"/case" in connection.received]
        for connection in spoilt:
            assert b"/canary" not in connection.received
            assert b"/hidden" not in connection.received
            assert connection.gone.is_set()


@pytest.mark.parametrize("case", PASSED, ids=lambda case: case.name)
async def test_what_is_unusual_is_forwarded_in_one_form(case: Passed) -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(case.data + b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in (*case.bodies, b""):
            assert (await peer.answer()).status == 200
        assert [request.body for request in backend.requests] == [*case.bodies, b""]
        assert backend.requests[-1].target == b"/canary"
        for request in backend.requests:
            framings = request.all("content-length") + request.all("transfer-encoding")
            assert len(framings) <= 1
        _whole(backend)


async def test_two_equal_lengths_are_one_or_none() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.ask(POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")
        if answer.status == 200:
            assert backend.requests[0].all("content-length") == [b"3"]
        else:
            assert (answer.status, backend.requests) == (400, [])


async def test_every_split_of_a_refused_request_is_refused_alike() -> None:
    data = POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n"
    async with Backend() as backend, running(backend.url) as proxy:
        for at in range(1, len(data) - 7, 3):
            async with proxy.peer() as peer:
                await peer.send(data[:at])
                await proxy.turns(5)
                await peer.send(data[at:])
                assert (await peer.answer(b"POST")).status == 400
        assert backend.requests == []
