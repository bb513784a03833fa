"""Mutations change what there is, stay within their bounds, and depend on nothing but what they are given."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutation import mutated

DATA = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n"


@given(
    st.binary(max_size=60), st.integers(0, 40), st.integers(), st.lists(st.binary(min_size=1, max_size=5), max_size=3)
)
def test_whatever_there_is_the_result_is_within_its_length(
    data: bytes, longest: int, seed: int, words: list[bytes]
) -> None:
    once = mutated(data, longest, random.Random(seed), words, b"\r\n")
    assert len(once) <= longest
    assert once == mutated(data, longest, random.Random(seed), words, b"\r\n")


def test_pieces_change_places_come_twice_and_go_and_words_come() -> None:
    found = {mutated(DATA, 200, random.Random(seed), [b"Word: 1\r\n"], b"\r\n") for seed in range(600)}
    assert len(found) > 400
    assert any(b"\r\nX-A: 1\r\nHost: a\r\n" in one for one in found)
    assert any(one.count(b"Host: a\r\n") == 2 for one in found)
    assert any(b"Host" not in one and b"X-A: 1" in one for one in found)
    assert any(b"Word: 1\r\n" in one for one in found)
