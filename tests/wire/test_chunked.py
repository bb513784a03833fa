"""The chunked coding at every split point, and every way to get it wrong."""

import pytest

from sidecar.wire.chunked import FREE_EXTENSION_BYTES, MAX_EXTENSION, ChunkedBody
from sidecar.wire.errors import BadMessage
from sidecar.wire.message import HeadLimits

LIMITS = HeadLimits(max_bytes=200, max_fields=3)
WHOLE = b'4\r\nWiki\r\n6;a=b;c="d e"\r\npedia \r\n00E\r\nin \r\n\r\nchunks.\r\n0;last\r\nX-Sum: 1\r\nHost: evil\r\n\r\n'
PAYLOAD = b"Wikipedia in \r\n\r\nchunks."


def refusal(data: bytes, limits: HeadLimits = LIMITS, code: str = "bad_request") -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        ChunkedBody(limits, code).feed(data)
    return caught.value


@pytest.mark.parametrize("step", [1, 2, 3, 5, len(WHOLE)])
def test_payload_end_and_trailers_are_the_same_in_pieces_of_any_size(step: int) -> None:
    body = ChunkedBody(LIMITS)
    payload = b""
    for at in range(0, len(WHOLE), step):
        assert not body.finish_at_close()
        piece = WHOLE[at : at + step]
        payload += body.feed(piece)
        assert body.consumed == len(piece)
    assert (payload, body.done, body.received) == (PAYLOAD, True, len(PAYLOAD))
    assert body.trailers == b"X-Sum: 1\r\n"
    assert body.finish_at_close()


@pytest.mark.parametrize("split", range(len(WHOLE)))
def test_two_reads_with_the_next_message_behind_end_at_the_same_byte(split: int) -> None:
    body = ChunkedBody(LIMITS)
    payload = body.feed(b"head" + WHOLE[:split], 4)
    assert (body.done, body.consumed) == (False, 4 + split)
    payload += body.feed(WHOLE[split:] + b"GET / HTTP/1.1")
    assert (payload, body.done, body.consumed) == (PAYLOAD, True, len(WHOLE) - split)


def test_one_read_with_everything_counts_from_its_start() -> None:
    body = ChunkedBody(LIMITS)
    assert body.feed(b"head" + WHOLE + b"next", 4) == PAYLOAD
    assert body.consumed == 4 + len(WHOLE)


def test_a_chunk_that_is_the_whole_read_is_not_copied() -> None:
    body = ChunkedBody(LIMITS)
    body.feed(b"10\r\n")
    data = b"0123456789"
    assert body.feed(data) is data


def test_an_empty_body_has_no_trailers() -> None:
    body = ChunkedBody(LIMITS)
    assert (body.feed(b"0\r\n\r\n"), body.done, body.trailers) == (b"", True, b"")


BAD = [
    b"\r\n",
    b" 5\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b"5\t\r\nhello\r\n",
    b"5 ;x\r\nhello\r\n",
    b"+5\r\nhello\r\n",
    b"-5\r\nhello\r\n",
    b"0x5\r\nhello\r\n",
    b"5_0\r\n",
    b"g\r\n",
    b";x\r\n",
    b"5\nhello\r\n",
    b"5\rhello\r\n",
    b"5\r\r\nhello\r\n",
    b"5;a\nhello\r\n",
    b"5;a\rb\r\nhello\r\n",
    b"5;a\x00\r\nhello\r\n",
    b"5\r\nhello!\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello\r0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"8000000000000000\r\n",
    b"ffffffffffffffff\r\n",
    b"00000000000000005\r\nhello\r\n",
    b"11111111111111111\r\n",
    b"5;" + b"a" * MAX_EXTENSION + b"\r\nhello\r\n",
    b"0\r\nX\r\n\r\n",
    b"0\r\n: v\r\n\r\n",
    b"0\r\nX : v\r\n\r\n",
    b"0\r\nX: v\r\n folded\r\n\r\n",
    b"0\r\nX: a\nb\r\n\r\n",
    b"0\r\nX: a\rb\r\n\r\n",
    b"0\r\nX: \x00\r\n\r\n",
    b"0\r\n \r\n\r\n",
]


@pytest.mark.parametrize("data", BAD)
@pytest.mark.parametrize("code", ["bad_request", "upstream_protocol_error"])
def test_a_malformed_chunk_is_refused_whole_and_byte_by_byte(data: bytes, code: str) -> None:
    assert refusal(data, code=code).code == code
    body = ChunkedBody(LIMITS, code)
    for at in range(len(data)):
        try:
            body.feed(data[at : at + 1])
        except BadMessage as error:
            assert (error.code, body.done) == (code, False)  # noqa: PT017 - it may come at any byte
            return
    pytest.fail("accepted in single bytes")


def test_the_largest_size_is_accepted_and_waits_for_its_data() -> None:
    body = ChunkedBody(LIMITS)
    assert body.feed(b"7fffffffffffffff\r\nab") == b"ab"
    assert not body.finish_at_close()


@pytest.mark.parametrize("held", [b"", b"5", b"5\r", b"5\r\n", b"5\r\nhell", b"5\r\nhello", b"5\r\nhello\r", b"0\r\n"])
def test_a_close_before_the_end_is_incomplete(held: bytes) -> None:
    body = ChunkedBody(LIMITS)
    body.feed(held)
    assert not body.finish_at_close()


def test_extensions_that_outweigh_the_payload_are_refused() -> None:
    piece = b"1;" + b"a" * (MAX_EXTENSION - 1) + b"\r\nx\r\n"
    body = ChunkedBody(LIMITS)
    accepted = FREE_EXTENSION_BYTES // MAX_EXTENSION
    body.feed(piece * accepted)
    with pytest.raises(BadMessage, match="outweigh"):
        body.feed(piece)
    roomy = b"400;" + b"a" * (MAX_EXTENSION - 1) + b"\r\n" + b"x" * 1024 + b"\r\n"
    assert len(ChunkedBody(LIMITS).feed(roomy * 2 * accepted)) == 2048 * accepted


def test_trailers_are_held_to_the_limits_of_heads() -> None:
    assert refusal(b"0\r\n" + b"A: b\r\n" * 4 + b"\r\n").code == "headers_too_large"
    assert refusal(b"0\r\nA: " + b"b" * 300).code == "headers_too_large"
    assert refusal(b"0\r\nA: " + b"b" * 300, code="upstream_protocol_error").code == "upstream_protocol_error"
    body = ChunkedBody(LIMITS)
    body.feed(b"0\r\nA: ")
    body.feed(b"b" * 190)
    with pytest.raises(BadMessage, match="too large"):
        body.feed(b"b" * 10)


def test_an_endless_size_line_is_refused_in_small_reads() -> None:
    body = ChunkedBody(LIMITS)
    body.feed(b"1;")
    body.feed(b"a" * (MAX_EXTENSION - 1))
    with pytest.raises(BadMessage, match="too long"):
        body.feed(b"a")


def _refused(pieces: list[bytes]) -> bool:
    body = ChunkedBody(HeadLimits())
    try:
        for piece in pieces:
            body.feed(piece)
    except BadMessage:
        return True
    return False


@pytest.mark.parametrize("end", [b"\n", b"\n\n", b"X-T: 1\n", b"X-T: 1\n\n", b"X-T: 1\r\n\n"])
def test_a_bare_lf_after_the_last_chunk_is_refused_when_it_comes(end: bytes) -> None:
    data = b"3\r\nabc\r\n0\r\n" + end
    for cut in range(11, len(data) + 1):
        assert _refused([data[:cut], data[cut:]])
    assert _refused([bytes([byte]) for byte in data])


def test_trailers_may_come_in_any_pieces() -> None:
    data = b"0\r\nX-T: 1\r\nX-U: 2\r\n\r\n"
    for cut in range(1, len(data)):
        body = ChunkedBody(HeadLimits())
        body.feed(data[:cut])
        body.feed(data[cut:])
        assert (body.done, body.trailers) == (True, b"X-T: 1\r\nX-U: 2\r\n")
