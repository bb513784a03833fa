"""A message goes out framed as its head announced, or not at all."""

from __future__ import annotations

import pytest

from sidecar.transport.phases import DONE
from sidecar.transport.sending import MessageWriter, declared_length
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from tests.transport.doubles import FakeTransport

HEAD = b"H\r\nContent-Length: 4\r\n\r\n"


class Out:
    """A writer and its transport."""

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.writer = MessageWriter()
        self.writer.attach(self.transport)  # type: ignore[arg-type]


@pytest.fixture
def out() -> Out:
    return Out()


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize(
    ("framing", "wire"),
    [
        (LENGTH, HEAD + b"abcd"),
        (CHUNKED, HEAD + b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"),
        (UNTIL_CLOSE, HEAD + b"abcd"),
    ],
)
def test_each_framing_is_put_on_the_wire(out: Out, framing: int, wire: bytes, hold: bool) -> None:
    out.writer.begin(HEAD, framing, -1, hold)
    assert out.transport.writes == ([] if hold else [HEAD])
    assert out.writer.data(b"ab")
    assert out.writer.data(b"")
    assert out.writer.data(b"cd")
    assert out.writer.end(b"")
    assert out.transport.sent == wire
    assert out.writer.phase == DONE


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, UNTIL_CLOSE])
@pytest.mark.parametrize("hold", [True, False])
def test_large_pieces_are_framed_like_small_ones(out: Out, framing: int, hold: bool) -> None:
    data = b"x" * 100000
    out.writer.begin(b"H", framing, 100000, hold)
    assert out.writer.data(data)
    assert out.writer.end(b"")
    body = b"186a0\r\n" + data + b"\r\n0\r\n\r\n" if framing == CHUNKED else data
    assert out.transport.sent == b"H" + body


def test_a_held_head_joins_a_small_first_piece(out: Out) -> None:
    out.writer.begin(HEAD, LENGTH, 4, True)
    out.writer.data(b"abcd")
    assert out.transport.writes == [HEAD + b"abcd"]


@pytest.mark.parametrize("framing", [NO_BODY, CHUNKED, UNTIL_CLOSE])
def test_a_held_head_goes_out_with_the_end_at_the_latest(out: Out, framing: int) -> None:
    out.writer.begin(b"H", framing, -1, True)
    assert out.writer.end(b"")
    assert len(out.transport.writes) == 1
    assert out.transport.sent.startswith(b"H")


def test_a_held_head_can_be_let_go(out: Out) -> None:
    out.writer.begin(b"H", NO_BODY, -1, True)
    out.writer.flush()
    out.writer.flush()
    assert out.transport.writes == [b"H"]


def test_trailers_follow_the_last_chunk(out: Out) -> None:
    out.writer.begin(b"H", CHUNKED, -1, False)
    out.writer.end(b"T: 1\r\n")
    assert out.transport.sent == b"H0\r\nT: 1\r\n\r\n"


@pytest.mark.parametrize("length", [-1, 4])
def test_a_body_that_belies_its_length_is_refused(out: Out, length: int) -> None:
    out.writer.begin(HEAD, LENGTH, length, False)
    assert out.writer.data(b"abc")
    assert not out.writer.end(b"")
    assert not out.writer.data(b"de")
    assert out.transport.sent == HEAD + b"abc"
    assert out.writer.data(b"d")
    assert out.writer.end(b"")


def test_a_body_that_was_not_announced_is_refused(out: Out) -> None:
    out.writer.begin(b"H", NO_BODY, -1, False)
    assert not out.writer.data(b"x")
    assert out.transport.sent == b"H"


def test_nothing_follows_the_end_and_nothing_precedes_the_head(out: Out) -> None:
    assert not out.writer.data(b"x")
    assert not out.writer.end(b"")
    out.writer.begin(b"H", UNTIL_CLOSE, -1, False)
    assert out.writer.end(b"")
    assert not out.writer.data(b"x")
    assert not out.writer.end(b"")
    assert out.transport.sent == b"H"


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"H\r\nContent-Length: 12\r\n\r\n", 12),
        (b"H\r\nA: b\r\ncontent-length:0\r\nC: d\r\n\r\n", 0),
        (b"H\r\nX-Content-Length: 12\r\n\r\n", -1),
        (b"H\r\nContent-Length: +1\r\n\r\n", -1),
        (b"H\r\n\r\n", -1),
    ],
)
def test_the_length_is_read_out_of_the_head(head: bytes, length: int) -> None:
    assert declared_length(head) == length
