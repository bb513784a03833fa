"""What a client could send: requests made from a grammar, each with a little hostility in it. One seed, one sequence.

Owns the weights. Most parts of a request are plain, so that what is wrong is one thing and the rest is
read far enough to matter; a case in eight is one from the tables of other tests, with bytes changed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tests.differential import words
from tests.differential.seeds import SEEDS


def cases(seed: int, seeds: Sequence[bytes] = SEEDS) -> Iterator[bytes]:
    """Without end: what one client sends on one connection, mostly one request, sometimes two. `seeds` are mutated."""
    rng = random.Random(seed)
    while True:
        yield mutated(rng.choice(seeds), rng) if rng.random() < 0.125 else made(rng)


def made(rng: random.Random) -> bytes:
    """One case out of the grammar."""
    hostile = rng.choice((0.0, 0.02, 0.05, 0.15))
    method, target = one_of(words.METHODS, rng, hostile), one_of(words.TARGETS, rng, max(hostile, 0.15))
    separators = (b" ", b" ") if rng.random() > hostile / 3 else (rng.choice((b"  ", b"\t", b"", b"\x0b")), b" ")
    version = one_of(words.VERSIONS, rng, max(hostile, 0.06))
    start = method + separators[0] + target + separators[1] + version
    lines = [b"Host: " + one_of(words.HOSTS, rng, max(hostile, 0.1))] if rng.random() > 0.03 else []
    lines += [field(rng, hostile) for _ in range(rng.choice((0, 1, 1, 2, 4)))]
    framing, body = _framed(rng, hostile, method)
    lines += framing
    if rng.random() < 0.2:
        lines.append(b"Connection: " + rng.choice(words.CONNECTIONS))
    if rng.random() < 0.05:
        lines.append(rng.choice((b"Expect: 100-continue", b"Expect: 200-ok", b"Upgrade: websocket", b"TE: trailers")))
    if rng.random() < 0.5:
        rng.shuffle(lines)
    if lines and rng.random() < 0.05:
        lines.append(rng.choice(lines))
    data = b"".join([part + ended(rng, hostile) for part in (start, *lines)]) + ended(rng, hostile / 2) + body
    if rng.random() < 0.25:
        data += rng.choice(words.AFTER[:4] if rng.random() < 0.7 else words.AFTER)
    if rng.random() < 0.03:
        data = rng.choice((b"\r\n", b"\r\n\r\n", b"\n", b" ", b"\x00", b"\r\n\r\n\r\n", b"\r")) + data
    return mutated(data, rng) if rng.random() < hostile else data


def one_of(choice: tuple[Sequence[bytes], Sequence[bytes]], rng: random.Random, hostile: float) -> bytes:
    """A plain word, or as often as `hostile` says another."""
    return rng.choice(choice[1] if rng.random() < hostile else choice[0])


def ended(rng: random.Random, hostile: float) -> bytes:
    """The end of a line."""
    return rng.choice(words.ENDS[1] if rng.random() < hostile / 4 else words.ENDS[0])


def field(rng: random.Random, hostile: float) -> bytes:
    """A field line."""
    space = b" " if rng.random() > 0.15 else rng.choice((b"", b"\t", b"  ", b" \t "))
    return one_of(words.NAMES, rng, max(hostile, 0.15)) + b":" + space + one_of(words.VALUES, rng, max(hostile, 0.15))


def _framed(rng: random.Random, hostile: float, method: bytes) -> tuple[list[bytes], bytes]:
    """Framing fields and a body, which mostly fit each other."""
    kind = rng.random()
    if kind < (0.2 if method in (b"POST", b"PUT") else 0.7):
        return [], b""
    if kind < 0.75:
        body = rng.choice((b"hello", b"0\r\n\r\n", b"GET /"))
        if rng.random() > max(hostile, 0.25):
            return [b"Content-Length: 5"], body
        return [named(rng, b"Content-Length", hostile) + rng.choice(words.LENGTHS)], body
    lines = [b"Transfer-Encoding: chunked"]
    if rng.random() < max(hostile, 0.2):
        lines = [named(rng, b"Transfer-Encoding", hostile) + rng.choice(words.CODINGS)]
    if rng.random() < max(hostile, 0.05):
        lines.append(rng.choice((b"Content-Length: 5", b"content-length: 0", b"Transfer-Encoding: chunked", b"TE: x")))
    return lines, chunked_body(rng, hostile)


def named(rng: random.Random, name: bytes, hostile: float) -> bytes:
    """The name of a field in one of its spellings, and its colon."""
    spelled = rng.choice((name, name.lower(), name.upper()))
    if rng.random() < hostile:
        return rng.choice(
            (spelled + b" :", b" " + spelled + b":", spelled + b"\t: ", spelled.replace(b"-", b"_") + b":")
        )
    return spelled + rng.choice((b": ", b":", b":\t", b":  "))


def chunked_body(rng: random.Random, hostile: float) -> bytes:
    """Chunks, the last one, trailers."""
    body = b""
    for _ in range(rng.choice((0, 1, 1, 2))):
        size = rng.choice(words.SIZES) if rng.random() < max(hostile, 0.15) else b"5"
        body += size + ended(rng, hostile) + rng.choice((b"hello", b"0\r\n\r\n", b"GET /")) + ended(rng, hostile)
    last = (
        rng.choice((b"0", b"0", b"0", b"0", b"00", b"0;a", b"0 ", b"-0", b"0x0", b"")) if rng.random() < 0.3 else b"0"
    )
    return body + last + ended(rng, hostile) + (rng.choice(words.TRAILERS) if rng.random() < 0.3 else b"") + b"\r\n"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, dropped, put in, or copied from elsewhere in it."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            changed[at:at] = rng.choice(
                (*words.ENDS[1], b" ", b"\t", b":", b",", b";", b"0", b"\xff", b"\x7f", b"#", b"/")
            )
        elif kind == 1:
            del changed[at : at + rng.randrange(1, 6)]
        elif kind == 2 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 3 and at < len(changed):
            changed[at] ^= 0x20
        else:
            begin = changed.find(b"\r\n", at) + 2
            changed[begin:begin] = field(rng, 0.5) + b"\r\n"
    return bytes(changed)
