"""What has been read of a request, piece by piece, and what is left for the next."""

from __future__ import annotations

import pytest

from sidecar.model.reason import Reason
from sidecar.transport.intake import RequestIntake
from sidecar.wire.errors import BadMessage
from sidecar.wire.message import HeadLimits

LIMITS = HeadLimits(2048, 50, 512)
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
CHUNKS = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def intake() -> RequestIntake:
    return RequestIntake(LIMITS, None)


@pytest.mark.parametrize("at", range(1, len(GET)))
def test_a_head_in_two_pieces_is_one_head(intake: RequestIntake, at: int) -> None:
    assert intake.head(GET[:at]) is None
    assert intake.backlog == GET[:at]
    head = intake.head(GET[at:] + b"next")
    assert head is not None
    assert (head.method, intake.complete, intake.body, intake.backlog) == (b"GET", True, b"", b"next")


def test_a_whole_body_comes_with_its_head(intake: RequestIntake) -> None:
    assert intake.head(POST + b"abcdnext") is not None
    assert (intake.complete, intake.body, intake.backlog) == (True, b"abcd", b"next")


def test_a_body_in_pieces_ends_where_its_length_says(intake: RequestIntake) -> None:
    assert intake.head(POST + b"a") is not None
    assert (intake.complete, intake.body) == (False, b"a")
    assert intake.feed(b"bc") == b"bc"
    assert intake.feed(b"dnext") == b"d"
    assert (intake.complete, intake.backlog) == (True, b"next")


def test_a_chunked_body_ends_with_its_trailers(intake: RequestIntake) -> None:
    assert intake.head(CHUNKS + b"2\r\nab\r\n") is not None
    assert (intake.complete, intake.body) == (False, b"ab")
    assert intake.feed(b"0\r\nT: 1\r\n\r\nnext") == b""
    assert (intake.complete, intake.trailers, intake.backlog) == (True, b"T: 1\r\n", b"next")


def test_one_request_leaves_nothing_to_the_next(intake: RequestIntake) -> None:
    intake.head(CHUNKS + b"0\r\nT: 1\r\n\r\n" + GET)
    assert intake.head(b"") is not None
    assert (intake.complete, intake.body, intake.trailers, intake.backlog, intake.reason) == (True, b"", b"", b"", None)


@pytest.mark.parametrize("tail", [b"zz\r\n", b"2\r\nabX"])
def test_a_bad_chunk_breaks_the_request(intake: RequestIntake, tail: bytes) -> None:
    intake.head(CHUNKS)
    assert intake.feed(tail) == b""
    assert (intake.complete, intake.reason) == (False, Reason.BAD_REQUEST)
    assert intake.detail


@pytest.mark.parametrize(("cap", "reason"), [(3, Reason.BODY_TOO_LARGE), (0, Reason.BODY_TOO_LARGE), (4, None)])
@pytest.mark.parametrize("request_", [POST + b"abcd", POST, CHUNKS + b"4\r\nabcd\r\n"])
def test_the_cap_holds_for_lengths_and_chunks(cap: int, reason: Reason | None, request_: bytes) -> None:
    intake = RequestIntake(LIMITS, cap)
    assert intake.head(request_) is not None
    assert intake.reason is reason


def test_no_acceptable_head_is_an_exception(intake: RequestIntake) -> None:
    with pytest.raises(BadMessage):
        intake.head(b"\0")


def test_what_is_kept_is_read_first(intake: RequestIntake) -> None:
    assert intake.keep(GET[:5]) == 5
    assert intake.keep(GET[5:10]) == 10
    assert intake.head(GET[10:]) is not None
