"""What an endpoint could answer: status lines, fields and bodies, a little hostile. One seed, one sequence.

Owns the weights, and the words that requests do not have. An answer is all that comes before the endpoint closes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.differential import words
from tests.differential.grammar import chunked_body, ended, field, mutated, named, one_of

_PLAIN = (b"200 OK", b"200 OK", b"404 Not Found", b"503 Service Unavailable", b"302 Found", b"201 Created")
_HOSTILE = (
    b"200", b"200 ", b"200  OK", b"200\tOK", b"200 \xff", b"200 O\x00K", b"200 O\rK", b"204 No Content",
    b"304 Not Modified", b"206 Partial Content", b"205 Reset Content", b"100 Continue", b"101 Switching Protocols",
    b"103 Early Hints", b"199 x", b"099 x", b"99 x", b"600 x", b"599 x", b"999 x", b"1000 x", b"2000", b"20",
    b"2 00 OK", b"+200 OK", b"-200 OK", b"0200 OK", b"20x OK", b"0xc8 OK", b"", b"OK", b"426 Upgrade Required",
    b"407 Proxy", b"200 a\x7f", b"200 " + b"a" * 300,
)  # fmt: skip
_VERSIONS = (b"HTTP/1.1",), (
    b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"ICY",
    b"HTTP/1.10", b"HTTP/01.1", b"", b" HTTP/1.1", b"HTTP/1,1", b"HTTP/1.1 ", b"XHTTP/1.1", b"\x00HTTP/1.1",
    b"\r\nHTTP/1.1", b"HTTP/1.",
)  # fmt: skip
_FIELDS = (
    b"Set-Cookie: a=b", b"Set-Cookie: c=d; Path=/", b"Content-Type: text/plain", b"Location: /x", b'ETag: "e"',
    b"Vary: Accept", b"Cache-Control: no-store", b"Retry-After: 1", b"Keep-Alive: timeout=5",
    b"Proxy-Authenticate: Basic", b"Trailer: X-T",
)  # fmt: skip
_AFTER = (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"X", b"\r\n", b"0\r\n\r\n")


def answers(seed: int) -> Iterator[bytes]:
    """Without end."""
    rng = random.Random(seed)
    while True:
        yield made(rng)


def made(rng: random.Random) -> bytes:
    """One answer, with an interim one before it now and then."""
    hostile = rng.choice((0.0, 0.02, 0.05, 0.15))
    start = one_of(_VERSIONS, rng, max(hostile, 0.08)) + b" " + one_of((_PLAIN, _HOSTILE), rng, max(hostile, 0.2))
    lines = [rng.choice(_FIELDS) for _ in range(rng.choice((0, 1, 2, 3)))]
    if rng.random() < 0.3:
        lines.append(field(rng, max(hostile, 0.1)))
    framing, body = _framed(rng, hostile)
    lines += framing
    if rng.random() < 0.2:
        lines.append(b"Connection: " + rng.choice(words.CONNECTIONS))
    if rng.random() < 0.5:
        rng.shuffle(lines)
    data = b"".join([part + ended(rng, hostile) for part in (start, *lines)]) + ended(rng, hostile / 2) + body
    if rng.random() < 0.15:
        data += rng.choice(_AFTER)
    if rng.random() < 0.05:
        data = rng.choice((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")) + data
    return mutated(data, rng) if rng.random() < hostile else data


def _framed(rng: random.Random, hostile: float) -> tuple[list[bytes], bytes]:
    kind = rng.random()
    if kind < 0.2:
        return [], rng.choice((b"", b"hello", b"until the end"))
    if kind < 0.6:
        if rng.random() > max(hostile, 0.25):
            return [b"Content-Length: 5"], rng.choice((b"hello", b"hello", b"hello", b"hell", b""))
        lines = [named(rng, b"Content-Length", hostile) + rng.choice(words.LENGTHS)]
        if rng.random() < 0.2:
            lines.append(b"Content-Length: 5")
        return lines, b"hello"
    lines = [b"Transfer-Encoding: chunked"]
    if rng.random() < max(hostile, 0.2):
        lines = [named(rng, b"Transfer-Encoding", hostile) + rng.choice(words.CODINGS)]
    if rng.random() < max(hostile, 0.05):
        lines.append(rng.choice((b"Content-Length: 5", b"content-length: 0", b"Transfer-Encoding: chunked")))
    body = chunked_body(rng, hostile)
    return lines, body[: rng.randrange(len(body))] if rng.random() < 0.1 else body
