"""The reader that judges is itself strict: what has two readings is malformed, what is plain is read as it stands."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance import reader
from tests.conformance.reader import EndedError, Flow, MalformedError, Message, shown

POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"


def flow(data: bytes) -> Flow:
    source = asyncio.StreamReader()
    source.feed_data(data)
    source.feed_eof()
    return Flow(source)


async def request(data: bytes) -> Message:
    bytes_in = flow(data)
    message = await reader.request_head(bytes_in)
    await reader.body(bytes_in, message)
    assert bytes_in.at == len(data)
    return message


async def answer(data: bytes, method: bytes = b"GET") -> Message:
    bytes_in = flow(data)
    message = await reader.answer_head(bytes_in, method)
    await reader.body(bytes_in, message)
    return message


async def test_a_request_is_read_as_it_stands() -> None:
    message = await request(POST + b"X-A: \t1, 2\t\r\nx-a:3\r\nContent-Length: 3\r\n\r\nabc")
    assert (message.method, message.target, message.minor_version, message.framing) == (b"POST", b"/a", 1, "length")
    assert (bytes(message.body), message.complete) == (b"abc", True)
    assert message.all("X-a") == [b"1, 2", b"3"]
    assert message.members("x-A") == [b"1", b"2", b"3"]


async def test_chunks_are_joined_and_trailers_kept_apart() -> None:
    message = await request(
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;a=b\r\na\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n"
    )
    assert (bytes(message.body), message.trailers) == (b"a0123456789", [(b"X-T", b"1")])


@pytest.mark.parametrize(
    "data",
    [
        b"GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a HTTP/1.2\r\nHost: a\r\n\r\n",
        b"GET /a\r\n\r\n",
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /a HTTP/1.1\nHost: a\r\n\r\n",
        POST + b"X-A : 1\r\n\r\n",
        POST + b"X-A: 1\r\n 2\r\n\r\n",
        POST + b"X-A: 1\r2\r\n\r\n",
        POST + b"X-A: 1\x002\r\n\r\n",
        POST + b"X-A\r\n\r\n",
        POST + b"Content-Length: +3\r\n\r\nabc",
        POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        POST + b"Content-Length: 3, 3\r\n\r\nabc",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-T\r\n\r\n",
    ],
)
async def test_what_has_two_readings_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        await request(data)


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: 3\r\n\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        POST,
    ],
)
async def test_what_ends_in_the_middle_is_not_whole(data: bytes) -> None:
    with pytest.raises(EndedError):
        await request(data)


@pytest.mark.parametrize(
    ("data", "method", "framing", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"GET", "length", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"GET", "chunked", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", b"GET", "close", b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n", b"HEAD", "none", b""),
        (b"HTTP/1.1 304 \r\nContent-Length: 2\r\n\r\n", b"GET", "none", b""),
        (b"HTTP/1.1 204 No\r\n\r\n", b"GET", "none", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"GET", "none", b""),
    ],
)
async def test_an_answer_ends_where_its_request_and_status_say(
    data: bytes, method: bytes, framing: str, body: bytes
) -> None:
    message = await answer(data, method)
    assert (message.framing, bytes(message.body), message.complete) == (framing, body, True)


@pytest.mark.parametrize(
    "line", [b"HTTP/2 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"SSH-2.0", b"http/1.1 200"]
)
async def test_a_status_line_is_one(line: bytes) -> None:
    with pytest.raises(MalformedError):
        await answer(line + b"\r\nContent-Length: 0\r\n\r\n")


def test_bytes_are_shown_escaped_and_cut_in_the_middle() -> None:
    assert shown(b"a\r\n\x00\"'") == "a\\r\\n\\x00\"'"
    long = shown(b"x" * 500 + b"end", 60)
    assert (len(long) <= 60, long.endswith("end"), "…" in long) == (True, True, True)
