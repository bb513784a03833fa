"""The judges themselves: what they would miss, the comparisons would miss."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.differential.judging import difference
from tests.differential.reading import Reading, UnreadableError, request_at, requests_in
from tests.differential.recorder import Recorder
from tests.differential.smaller import smaller
from tests.differential.third import h11_reads

HEAD = b"POST /a?b HTTP/1.1\r\nHost: h\r\n"
PLAIN = HEAD + b"Content-Length: 3\r\n\r\nabc"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n"


@pytest.mark.parametrize("data", [PLAIN, CHUNKED])
def test_a_request_is_read_to_its_last_byte_and_no_further(data: bytes) -> None:
    read, left = requests_in(data + data + b"GET")
    assert [(one.method, one.target, one.body) for one in read] == [(b"POST", b"/a?b", b"abc")] * 2
    assert left == b"GET"
    assert [request_at(data[:at]) for at in range(len(data))] == [None] * len(data)
    assert h11_reads(data).body == b"abc"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: +3\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Host: i\r\n\r\n",
        HEAD + b"A : b\r\n\r\n",
        HEAD + b"A: b\nC: d\r\n\r\n",
        HEAD + b" folded\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_read_in_none(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        request_at(data)


@pytest.mark.parametrize("data", [PLAIN + b"x", PLAIN[:-1], PLAIN + PLAIN, b"\r\n\r\n" + b"x"])
def test_more_or_less_than_one_request_is_none_to_h11(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        h11_reads(data)


def test_a_difference_is_one_in_what_is_asked_and_not_in_how_it_travelled() -> None:
    read = request_at(PLAIN)
    assert read is not None
    travelled = replace(read, fields=((b"host", b"h"), (b"via", b"1.1 x"), (b"transfer-encoding", b"chunked")))
    assert difference(read, travelled) == ""
    for other in (
        replace(read, method=b"PUT"),
        replace(read, target=b"/a"),
        replace(read, body=b"abcd"),
        replace(read, fields=((b"host", b"i"),)),
        replace(read, fields=((b"host", b"h"), (b"cookie", b"a"))),
    ):
        assert difference(read, other) != ""


def test_lines_of_one_name_are_one_list() -> None:
    def reading(*fields: tuple[bytes, bytes]) -> Reading:
        return Reading(b"GET", b"/", fields, b"", b"")

    assert difference(reading((b"a", b"1"), (b"a", b"2")), reading((b"a", b"1 ,2"))) == ""
    assert difference(reading((b"cookie", b"a=1"), (b"cookie", b"b")), reading((b"cookie", b"a=1; b"))) == ""
    assert difference(reading((b"a", b"1"), (b"a", b"2")), reading((b"a", b"2,1"))) != ""


async def test_the_recorder_keeps_every_request_and_what_is_none() -> None:
    async with Recorder() as recorder:
        reader, writer = await asyncio.open_connection("127.0.0.1", recorder.port)
        writer.write(PLAIN + CHUNKED + b"oops\r\n\r\n")
        async with asyncio.timeout(10):
            answered = await reader.read()
        writer.close()
        assert answered.count(b"X-Read:") == 2
        assert [one.body for one in recorder.readings] == [b"abc", b"abc"]
        assert len(recorder.unreadable) == 1


async def test_what_does_not_matter_to_a_finding_is_left_out() -> None:
    async def shows(data: bytes) -> bool:
        return b"\t" in data and b"x" in data

    assert sorted(await smaller(PLAIN + b"\t" + CHUNKED, shows)) == sorted(b"\tx")
