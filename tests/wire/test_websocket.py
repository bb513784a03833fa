"""Frames are counted alike wherever the bytes are split."""
# mypy: no-warn-unreachable
# (after `assert not x.at_boundary` mypy takes x to be within a frame for good)

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.websocket import GOING_AWAY, Frames, is_websocket

TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9


def frame(opcode: int, payload: bytes, *, masked: bool = False, final: bool = True) -> bytes:
    length = len(payload)
    bit = 0x80 if masked else 0
    if length < 126:
        size = bytes([bit | length])
    elif length < 65536:
        size = bytes([bit | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([bit | 127]) + length.to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | opcode]) + size + (b"MASK" if masked else b"") + payload


TABLE = [
    frame(TEXT, b""),
    frame(TEXT, b"hello"),
    frame(TEXT, b"\x88\x02\x03\xe9"),  # what looks like a Close inside a payload is none
    frame(BINARY, b"x" * 125, masked=True),
    frame(BINARY, b"y" * 126),
    frame(BINARY, b"y" * 126, masked=True),
    frame(TEXT, b"frag", final=False),
    frame(PING, b""),
    frame(PING, b"", masked=True),
]
LARGE = frame(BINARY, b"z" * 65536)


@pytest.mark.parametrize("one", TABLE)
def test_a_frame_split_anywhere_ends_where_it_ends(one: bytes) -> None:
    for cut in range(1, len(one)):
        frames = Frames()
        frames.follow(one[:cut])
        assert not frames.at_boundary
        assert frames.finish(one[cut:] + b"\x81\x01x") == len(one) - cut
        assert frames.at_boundary
        assert not frames.closed


def test_a_large_frame_split_in_its_header_or_its_payload_ends_where_it_ends() -> None:
    for cut in (1, 2, 3, 9, 10, 11, 40_000, len(LARGE) - 1):
        frames = Frames()
        frames.follow(LARGE[:cut])
        assert frames.finish(LARGE[cut:] + b"more") == len(LARGE) - cut
        assert frames.at_boundary


def test_two_frames_split_everywhere_at_two_places_are_two() -> None:
    both = TABLE[1] + frame(CLOSE, b"\x03\xe8")
    for first, second in itertools.combinations(range(len(both) + 1), 2):
        frames = Frames()
        for piece in (both[:first], both[first:second], both[second:]):
            frames.follow(piece)
        assert frames.at_boundary
        assert frames.closed


def test_nothing_is_left_of_a_frame_at_a_boundary() -> None:
    frames = Frames()
    assert frames.at_boundary
    assert frames.finish(TABLE[1]) == 0
    frames.follow(TABLE[1])
    assert frames.finish(TABLE[1]) == 0


def test_a_frame_that_does_not_end_takes_everything() -> None:
    frames = Frames()
    frames.follow(TABLE[1][:3])
    assert frames.finish(TABLE[1][3:5]) == 2
    assert not frames.at_boundary


@pytest.mark.parametrize("size", [b"\xff" * 8, b"\x80" + b"\0" * 7, b"\x7f" + b"\xff" * 7], ids=bytes.hex)
def test_a_frame_longer_than_any_never_ends(size: bytes) -> None:
    frames = Frames()
    for piece in (b"\x82\x7f" + size, b"x" * 1000, b"\x81\x00" * 3):
        frames.follow(piece)
    assert not frames.closed
    assert not frames.at_boundary


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("payload", [b"", b"\x03\xe9", b"\x03\xe9 restart"])
def test_a_close_has_passed_with_its_last_byte(payload: bytes, masked: bool) -> None:
    close = frame(CLOSE, payload, masked=masked)
    frames = Frames()
    for at in range(len(close)):
        assert not frames.closed
        frames.follow(close[at : at + 1])
    assert frames.closed


def test_what_the_proxy_says_is_a_whole_close() -> None:
    assert frame(CLOSE, (1001).to_bytes(2, "big")) == GOING_AWAY


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), st.binary(max_size=300), st.booleans()), max_size=6),
    st.data(),
)
def test_any_frames_in_any_pieces_end_at_a_boundary(parts: list[tuple[int, bytes, bool]], data: st.DataObject) -> None:
    whole = b"".join(frame(opcode, payload, masked=masked) for opcode, payload, masked in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    frames = Frames()
    for start, end in itertools.pairwise([0, *cuts, len(whole)]):
        frames.follow(whole[start:end])
    assert frames.at_boundary
    assert not frames.closed


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frames_do_no_harm(noise: bytes) -> None:
    frames = Frames()
    frames.follow(noise)
    assert 0 <= frames.finish(noise) <= len(noise)


@pytest.mark.parametrize(
    ("value", "is_one"), [(b"websocket", True), (b"WebSocket", True), (b"h2c", False), (b"", False)]
)
def test_a_websocket_is_known_by_the_value_of_upgrade(value: bytes, is_one: bool) -> None:
    assert is_websocket(value) is is_one
