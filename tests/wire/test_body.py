"""Bodies with a length, without one, and none: payload, end and what a close means."""

import pytest

from sidecar.wire.body import ChunkedBody, LengthBody, NoBody, UntilCloseBody, reader_for
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE, HeadLimits


def test_no_body_is_done_and_takes_nothing() -> None:
    body = NoBody()
    assert (body.done, body.feed(b"next", 1), body.consumed, body.received) == (True, b"", 1, 0)
    assert body.finish_at_close()


@pytest.mark.parametrize("split", range(8))
def test_a_counted_body_ends_at_its_last_byte(split: int) -> None:
    data = b"payloadNEXT"
    body = LengthBody(7)
    first = body.feed(data[:split])
    assert (body.done, body.finish_at_close()) == (split == 7, split == 7)
    if not body.done:
        second = body.feed(b"xx" + data[split:], 2)
        assert (first + second, body.consumed) == (b"payload", 2 + 7 - split)
    assert (body.done, body.received, body.remaining, body.finish_at_close()) == (True, 7, 0, True)
    assert body.trailers == b""


def test_a_counted_body_hands_whole_reads_on_without_a_copy() -> None:
    data = b"abc"
    body = LengthBody(6)
    assert body.feed(data) is data
    assert body.consumed == 3


def test_an_empty_counted_body_is_done_and_a_negative_one_refused() -> None:
    assert LengthBody(0).done
    with pytest.raises(ValueError, match="never negative"):
        LengthBody(-1)


def test_a_close_delimited_body_takes_everything_until_the_close() -> None:
    data = b"abc"
    body = UntilCloseBody()
    assert body.feed(data) is data
    assert body.feed(b"xyz", 1) == b"yz"
    assert (body.done, body.consumed, body.received, body.trailers) == (False, 3, 5, b"")
    assert body.finish_at_close()
    assert body.done


@pytest.mark.parametrize(
    ("framing", "kind"),
    [(NO_BODY, NoBody), (LENGTH, LengthBody), (CHUNKED, ChunkedBody), (UNTIL_CLOSE, UntilCloseBody)],
)
def test_the_reader_follows_the_framing(framing: int, kind: type[object]) -> None:
    assert isinstance(reader_for(framing, 3, HeadLimits()), kind)
