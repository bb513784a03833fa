"""The bounded copy of a body."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.body_buffer import BodyBuffer


@given(st.lists(st.binary(max_size=20), max_size=12), st.integers(min_value=0, max_value=50))
def test_it_gives_back_what_it_was_given_and_knows_when_it_is_over_its_bound(pieces: list[bytes], limit: int) -> None:
    buffer = BodyBuffer(limit)
    for piece in pieces:
        buffer.add(piece)
    whole = b"".join(pieces)
    assert buffer.take() == whole
    assert buffer.take() == whole, "taking leaves it for a repeat"
    assert buffer.full() is (len(whole) > limit)


def test_once_let_go_it_holds_nothing_and_takes_nothing() -> None:
    buffer = BodyBuffer(10)
    buffer.add(b"abc")
    buffer.let_go()
    buffer.add(b"def")
    assert buffer.take() == b""
    assert not buffer.full()
    assert not buffer.kept
