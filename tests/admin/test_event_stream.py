"""`GET /events` as a stream: what is kept, what comes, where a reader resumes, and how a stream ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from sidecar.admin import event_stream
from sidecar.admin.event_stream import EventStream
from sidecar.admin.server import AdminServer
from tests.doubles.subject import FakeSubject


def told(number: int) -> Mapping[str, object]:
    return {"id": number, "kind": "breaker", "subject": f"upstream.{number}", "text": "a\nb"}


async def next_event(answer: aiohttp.ClientResponse) -> tuple[int, Mapping[str, object]]:
    lines: list[str] = []
    while True:
        line = (await answer.content.readline()).decode().rstrip("\n")
        if line:
            lines.append(line)
        elif any(one.startswith("data: ") for one in lines):
            break
        else:
            lines.clear()
    fields = dict(one.split(": ", 1) for one in lines)
    return int(fields["id"]), json.loads(fields["data"])


async def test_kept_events_come_first_and_then_each_as_it_is_told(aiohttp_client: AiohttpClient) -> None:
    subject = FakeSubject()
    subject.told_events = [told(1), told(2)]
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    async with client.get("/events", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert await next_event(answer) == (1, told(1))
        assert await next_event(answer) == (2, told(2))
        (listener,) = subject.listeners
        listener(told(3))
        assert await next_event(answer) == (3, told(3))


async def test_a_reader_that_comes_back_gets_what_it_has_missed(aiohttp_client: AiohttpClient) -> None:
    subject = FakeSubject()
    subject.told_events = [told(4), told(7), told(5)]
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    async with client.get("/events", headers={"Last-Event-ID": "4"}) as answer:
        assert [(await next_event(answer))[0], (await next_event(answer))[0]] == [5, 7]


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 30, "٣"])
async def test_a_last_event_id_that_is_none_is_as_good_as_absent(aiohttp_client: AiohttpClient, seen: str) -> None:
    subject = FakeSubject()
    subject.told_events = [told(1)]
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    async with client.get("/events", headers={"Last-Event-ID": seen}) as answer:
        assert (await next_event(answer))[0] == 1


async def test_who_asks_for_json_gets_the_kept_ones_and_an_end(aiohttp_client: AiohttpClient) -> None:
    subject = FakeSubject()
    subject.told_events = [told(1)]
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    assert await (await client.get("/events?format=json")).json() == {"events": [told(1)]}
    assert await (await client.get("/events", headers={"Accept": "application/json"})).json() == {"events": [told(1)]}


async def test_a_reader_that_does_not_read_is_let_go_and_holds_up_nobody(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_WAITING", 2)
    subject = FakeSubject()
    subject.told_events = [told(1)]
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    async with client.get("/events") as answer:
        await next_event(answer)
        (listener,) = subject.listeners
        for number in range(2, 6):  # within one turn of the loop: nobody can have taken any
            listener(told(number))
        assert await answer.content.read() == b""
    assert subject.listeners == []


async def test_a_reader_that_has_stopped_reading_keeps_no_place(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_PATIENCE", 0.01)
    subject = FakeSubject()
    subject.told_events = [{**told(1), "text": "a" * 32_000_000}]  # more than all the buffers on the way
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(30):
        await reader.readuntil(b"\r\n\r\n")
        while subject.listeners:
            await asyncio.sleep(0)
    writer.transport.abort()


async def test_only_so_many_may_follow(aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "_READERS", 1)
    subject = FakeSubject()
    subject.told_events = [told(1)]
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    async with client.get("/events") as answer:
        await next_event(answer)
        assert (await client.get("/events")).status == 503


async def test_a_silent_stream_shows_signs_of_life(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_HEARTBEAT", 0.01)
    client = await aiohttp_client(AdminServer(FakeSubject(), loopback=True).application())
    async with client.get("/events") as answer:
        assert await answer.content.readline() == b"retry: 1000\n"
        assert await answer.content.readline() == b"\n"
        assert await answer.content.readline() == b": \n"


async def test_closing_ends_every_stream(aiohttp_client: AiohttpClient) -> None:
    subject = FakeSubject()
    subject.told_events = [told(1)]
    stream = EventStream(subject)
    application = web.Application()
    application.router.add_get("/events", stream.serve)
    client = await aiohttp_client(application)
    async with client.get("/events") as answer:
        await next_event(answer)
        stream.close()
        assert await answer.content.read() == b""


async def test_a_head_request_begins_no_stream(aiohttp_client: AiohttpClient) -> None:
    subject = FakeSubject()
    client = await aiohttp_client(AdminServer(subject, loopback=True).application())
    async with asyncio.timeout(30), client.head("/events") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
    assert subject.listeners == []
