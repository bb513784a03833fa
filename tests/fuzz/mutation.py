"""Mutations that keep a structure: pieces between separators change places, and words of the language come and go.

Bytes in, bytes out, and chance is passed in. libFuzzer's own mutations are mixed with these (worker.py); without
atheris these are all there are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence


def mutated(data: bytes, longest: int, rng: random.Random, words: Sequence[bytes], cut: bytes) -> bytes:
    """One to three mutations of `data`; at most `longest` bytes. `cut`: what its pieces are separated by."""
    for _ in range(rng.randrange(1, 4)):
        data = rng.choice(_OF_PIECES)(data, rng, cut) if rng.random() < 0.4 else _of_bytes(data, rng, words)
    return data[:longest]


def _of_bytes(data: bytes, rng: random.Random, words: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    kind = rng.randrange(7)
    if kind <= 1 and words:
        return data[:at] + rng.choice(words) + data[at:]
    if kind == 2 and words:
        word = rng.choice(words)
        return data[:at] + word + data[at + len(word) :]
    if kind == 3:
        return data[:at] + data[at + rng.randrange(1, 9) :]
    if kind == 4 and at < len(data):
        return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]
    if kind == 5:
        begin = rng.randrange(len(data) + 1)
        return data[:at] + data[begin : begin + rng.randrange(40)] + data[at:]
    return data[:at] + bytes((rng.randrange(256),)) + data[at + rng.randrange(2) :]


def _swapped(data: bytes, rng: random.Random, cut: bytes) -> bytes:
    pieces = data.split(cut)
    one, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return cut.join(pieces)


def _doubled(data: bytes, rng: random.Random, cut: bytes) -> bytes:
    pieces = data.split(cut)
    pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(pieces))
    return cut.join(pieces)


def _dropped(data: bytes, rng: random.Random, cut: bytes) -> bytes:
    pieces = data.split(cut)
    del pieces[rng.randrange(len(pieces))]
    return cut.join(pieces)


def _joined(data: bytes, rng: random.Random, cut: bytes) -> bytes:
    # Two pieces with another mark between them than there was, or none.
    at = data.find(cut, rng.randrange(len(data) + 1))
    return data if at < 0 else data[:at] + rng.choice((b"", b" ", b"\t", cut[-1:], cut * 2)) + data[at + len(cut) :]


_OF_PIECES = (_swapped, _doubled, _dropped, _joined)
