"""Where an answer ends, whatever pieces it arrives in."""

import pytest

from benchmarks.answers import AnswerReader

ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("split", range(1, len(ANSWER)))
def test_an_answer_is_complete_only_with_its_last_byte(split: int) -> None:
    reader = AnswerReader()
    assert not reader.feed(ANSWER[:split])
    assert reader.feed(ANSWER[split:])
    assert reader.status == 200


def test_a_reader_serves_one_answer_after_another() -> None:
    reader = AnswerReader()
    assert reader.feed(ANSWER)
    assert reader.feed(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")
    assert reader.status == 503


@pytest.mark.parametrize(
    "received", [b"HTTP/1.1 200 OK\r\n\r\n", ANSWER + b"!", b"HTTP/1.1 OK\r\n\r\n", b"garbage\r\n\r\n"]
)
def test_what_is_not_a_counted_answer_is_refused(received: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        AnswerReader().feed(received)
