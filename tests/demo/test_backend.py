"""The demo backend, one promise of its index after the other."""

import random
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sidecar.demo.backend import Backend
from sidecar.model.address import Address


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    one = Backend(random.Random(1))
    await one.start()
    yield one
    await one.close()


@pytest.fixture
async def client(backend: Backend) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(backend.url) as session:
        yield session


async def test_the_index_names_paths_that_answer(client: aiohttp.ClientSession) -> None:
    index = await (await client.get("/")).json()
    for path in index["try"]:
        if path in ("/ws", "/slow?seconds=2"):
            continue
        separator = "&" if "?" in path else "?"
        answer = await client.get(f"{path}{separator}every=0")
        assert answer.status in (200, 503), path
        await answer.read()


async def test_the_health_path_answers_ok(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/healthz")
    assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_echo_tells_method_target_headers_and_body(client: aiohttp.ClientSession) -> None:
    told = await (await client.put("/echo?a=1", data=b"hello", headers={"X-One": "1"})).json()
    assert told["method"] == "PUT"
    assert told["target"] == "/echo?a=1"
    assert ["X-One", "1"] in told["headers"]
    assert (told["body"], told["bytes"]) == ("hello", 5)


async def test_echo_raw_streams_the_body_back_with_its_type(client: aiohttp.ClientSession) -> None:
    body = bytes(300_000)
    answer = await client.post("/echo/raw", data=body, headers={"Content-Type": "application/x-test"})
    assert await answer.read() == body
    assert answer.headers["Content-Type"] == "application/x-test"
    assert "Content-Length" not in answer.headers


async def test_stream_sends_the_asked_lines_in_chunks(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/stream?lines=3&every=0")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert await answer.text() == "line 1\nline 2\nline 3\n"


async def test_events_are_server_sent_events(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/events?count=2&every=0")
    assert answer.content_type == "text/event-stream"
    assert (await answer.text()).count("event: tick\n") == 2


async def test_slow_says_how_long_it_waited(client: aiohttp.ClientSession) -> None:
    answer = await client.get("/slow?seconds=0.01")
    assert await answer.json() == {"waited_seconds": 0.01}


@pytest.mark.parametrize("query", ["seconds=-1", "seconds=nan", "seconds=x", "seconds=1e9"])
async def test_slow_refuses_a_time_it_cannot_wait(client: aiohttp.ClientSession, query: str) -> None:
    answer = await client.get(f"/slow?{query}")
    assert answer.status == 400
    assert "seconds is a number" in await answer.text()


@pytest.mark.parametrize(("ratio", "status"), [("0", 200), ("1", 503)])
async def test_flaky_fails_at_the_asked_ratio(client: aiohttp.ClientSession, ratio: str, status: int) -> None:
    statuses = {(await client.get(f"/flaky?ratio={ratio}")).status for _ in range(10)}
    assert statuses == {status}


async def test_flaky_is_decided_by_the_injected_dice(client: aiohttp.ClientSession) -> None:
    dice = random.Random(1)
    expected = [503 if dice.random() < 0.3 else 200 for _ in range(20)]
    assert [(await client.get("/flaky?ratio=0.3")).status for _ in range(20)] == expected


@pytest.mark.parametrize("code", [200, 204, 304, 404, 418, 503])
async def test_status_answers_with_the_asked_status(client: aiohttp.ClientSession, code: int) -> None:
    assert (await client.get(f"/status/{code}")).status == code


@pytest.mark.parametrize("code", ["99", "100", "600", "abc"])
async def test_status_refuses_what_is_no_final_status(client: aiohttp.ClientSession, code: str) -> None:
    assert (await client.get(f"/status/{code}")).status == 400


@pytest.mark.parametrize("count", [0, 1, 65_536, 200_001])
async def test_bytes_sends_exactly_that_many_and_says_so(client: aiohttp.ClientSession, count: int) -> None:
    answer = await client.get(f"/bytes/{count}")
    assert answer.headers["Content-Length"] == str(count)
    assert len(await answer.read()) == count


@pytest.mark.parametrize("count", ["x", "99999999999"])
async def test_bytes_refuses_what_is_no_size(client: aiohttp.ClientSession, count: str) -> None:
    assert (await client.get(f"/bytes/{count}")).status == 400


async def test_the_websocket_echoes_text_and_binary(client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/ws") as channel:
        await channel.send_str("hello")
        await channel.send_bytes(b"\x00\x01")
        assert (await channel.receive_str(), await channel.receive_bytes()) == ("hello", b"\x00\x01")


async def test_closing_ends_a_stream_that_waits() -> None:
    backend = Backend()
    await backend.start()
    async with aiohttp.ClientSession(backend.url) as session, session.get("/stream?lines=5&every=60") as answer:
        assert await answer.content.readline() == b"line 1\n"
        await backend.close()
        assert await answer.read() == b""


async def test_a_taken_port_is_an_error(backend: Backend) -> None:
    with pytest.raises(OSError, match="use"):
        await Backend().start(Address("127.0.0.1", backend.port))
