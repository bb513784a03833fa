"""Mutated heads by the thousand: refused with `BadMessage`, or accepted and then safe to forward.

Twenty thousand in the ordinary run, with a fixed seed; one million when SIDECAR_DEEP=1.
"""

import os
import random

from sidecar.wire.errors import CODES, BadMessage
from sidecar.wire.fieldnames import HOP_BY_HOP, REWRITTEN, TOKEN_BYTES, VALUE_BYTES
from sidecar.wire.framing import downstream_framing
from sidecar.wire.head import HeadLimits, parse_request, parse_response
from sidecar.wire.message import RequestHead, ResponseHead
from sidecar.wire.writer import request_head, response_head

ROUNDS = 500_000 if os.environ.get("SIDECAR_DEEP") == "1" else 10_000
LIMITS = HeadLimits(max_bytes=400, max_fields=12, max_target=60)

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /p?q=1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\n\r\nhello",
    b"PUT http://h/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:8\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nVia: 1.0 x\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.1.1.1\r\nX-Request-Id: r\r\n\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\nVia: 1.0 x\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
]
FRAGMENTS = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"\x00",
        b"\x0b",
        b"\x7f",
        b"\xff",
        b"\r\n ",
        b"#",
    ),
    *(
        b"Host: b\r\n",
        b"Content-Length: 6\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"?",
        b"/",
        b"@",
    ),
    *(
        b"Transfer-Encoding: x\r\n",
        b"Connection: close\r\n",
        b"Connection: host\r\n",
        b"Upgrade: h2c\r\n",
        b"+",
        b"-",
        b"0",
    ),
    *(
        b"Connection: x-a, cookie\r\n",
        b"X-Sidecar-Attempt: 2\r\n",
        b"A:" * 20,
        b"A: b\r\n" * 13,
        b"1" * 25,
        b"HTTP/1.1",
    ),
    *(b"Cookie: c\r\n", b"X-Forwarded-Host: z\r\n", b"Proxy-Connection: x\r\n", b"http://", b"chunked", b"GET ", b"*"),
]


def mutated(seed: bytes, rng: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            data[at:at] = rng.choice(FRAGMENTS)
        elif kind == 1:
            data[at : at + rng.randrange(1, 8)] = b""
        elif kind == 2 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 3 and at < len(data):
            data[at] ^= 0x20
        elif kind == 4:
            begin = data.find(b"\r\n", at) + 2
            data[begin:begin] = rng.choice(FRAGMENTS)
        else:
            data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.randrange(40)]
    return bytes(data)


def assert_forwardable(fields: bytes, cut: frozenset[bytes]) -> None:
    assert fields == b"" or fields.endswith(b"\r\n")
    for line in fields.split(b"\r\n")[:-1]:
        name, colon, value = line.partition(b":")
        assert colon
        assert name
        assert not name.translate(None, TOKEN_BYTES)
        assert not value.translate(None, VALUE_BYTES)
        assert name.lower() not in cut


def assert_request_round_trips(data: bytes, head: RequestHead) -> None:
    assert 0 < head.size <= len(data)
    assert data[head.size - 4 : head.size] == b"\r\n\r\n"
    assert_forwardable(head.fields, HOP_BY_HOP | REWRITTEN)
    again = parse_request(request_head(head, b""), HeadLimits())
    assert again is not None
    assert (again.method, again.target, again.fields) == (head.method, head.origin_target, again.fields)
    assert (again.framing, again.content_length, again.upgrade) == (head.framing, head.content_length, head.upgrade)
    assert (again.path, again.query, again.authority) == (head.path, head.query, head.authority)
    if head.minor_version == 1:
        assert again.fields == head.fields


def assert_response_round_trips(data: bytes, head: ResponseHead, method: bytes) -> None:
    assert 0 < head.size <= len(data)
    assert_forwardable(head.fields, HOP_BY_HOP)
    sent = response_head(head, downstream_framing(head.framing, 1), head.keep_alive, 1)
    again = parse_response(sent, HeadLimits(), method)
    assert again is not None
    assert (again.status, again.reason) == (head.status, head.reason)
    assert again.fields.startswith(head.fields)
    assert again.content_length == head.content_length
    assert again.framing == downstream_framing(head.framing, 1)


def test_mutated_requests_are_refused_or_safe_to_forward() -> None:
    rng = random.Random(20240607)
    accepted = refused = 0
    for _ in range(ROUNDS):
        data = mutated(rng.choice(REQUESTS), rng)
        searched = rng.choice((0, 0, rng.randrange(len(data) + 1)))
        try:
            head = parse_request(data, LIMITS, searched)
        except BadMessage as error:
            refused += 1
            if error.code not in CODES - {"upstream_protocol_error"}:
                raise
            continue
        if head is not None:
            accepted += 1
            assert_request_round_trips(data, head)
    assert accepted > ROUNDS // 10
    assert refused > ROUNDS // 10


def test_mutated_responses_are_refused_or_safe_to_forward() -> None:
    rng = random.Random(20240608)
    accepted = refused = 0
    for _ in range(ROUNDS):
        data = mutated(rng.choice(RESPONSES), rng)
        method = rng.choice((b"GET", b"HEAD"))
        searched = rng.choice((0, 0, rng.randrange(len(data) + 1)))
        try:
            head = parse_response(data, LIMITS, method, searched)
        except BadMessage as error:
            refused += 1
            if error.code != "upstream_protocol_error":
                raise
            continue
        if head is not None:
            accepted += 1
            assert_response_round_trips(data, head, method)
    assert accepted > ROUNDS // 10
    assert refused > ROUNDS // 10
