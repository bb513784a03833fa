"""HTTP/1.1, read by hand: however its bytes are cut, and nothing that is none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.drill.messages import MalformedError, Reader

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Drill: 7\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n"
REQUEST = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


@given(st.sampled_from([ANSWER, CHUNKED, REQUEST]), st.lists(st.integers(0, 120), max_size=12))
def test_a_message_is_the_same_however_its_bytes_are_cut(whole: bytes, cuts: list[int]) -> None:
    reader = Reader(is_answer=whole is not REQUEST)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    complete = False
    for begin, end in pairwise(places):
        assert not complete or begin == end
        complete = reader.feed(whole[begin:end])
    assert complete
    assert reader.whole
    assert not reader.has_more
    assert reader.message is not None
    assert bytes(reader.message.body) == b"hello"
    assert reader.message.start == ((b"POST", b"/a?b") if whole is REQUEST else (b"200",))


def test_what_follows_a_message_is_left_for_the_next() -> None:
    reader = Reader(is_answer=True)
    assert reader.feed(ANSWER + ANSWER[:-1])
    assert reader.has_more
    reader.next()
    assert not reader.feed(b"")
    assert reader.feed(b"o")


def test_an_interim_answer_is_passed_over() -> None:
    reader = Reader(is_answer=True)
    assert reader.feed(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ANSWER)
    assert reader.message is not None
    assert reader.message.status == 200


def test_without_a_length_an_answer_ends_with_its_connection_and_only_then() -> None:
    reader = Reader(is_answer=True)
    assert not reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert reader.end()
    short = Reader(is_answer=True)
    assert not short.feed(ANSWER[:-1])
    assert not short.end()
    assert not Reader(is_answer=True).end()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_some_answers_have_no_body_whatever_they_say(status: bytes) -> None:
    reader = Reader(is_answer=True)
    assert reader.feed(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n")


def test_nor_has_the_answer_to_head() -> None:
    reader = Reader(is_answer=True)
    reader.next(without_body=True)
    assert reader.feed(ANSWER.removesuffix(b"hello"))


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x2e",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * 70000,
    ],
)
def test_what_is_no_http_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Reader(is_answer=True).feed(data)
