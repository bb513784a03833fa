"""The server: how errors are told, what every answer carries, and that it serves on a socket it was given."""

import socket
from collections.abc import Iterator

import aiohttp
import pytest
from pytest_aiohttp.plugin import AiohttpClient

from sidecar.admin.server import AdminServer
from sidecar.telemetry.parts import Part
from tests.doubles.subject import FakeSubject


async def test_an_unknown_page_is_a_problem_that_points_at_the_index(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(AdminServer(FakeSubject(), loopback=True).application())
    answer = await client.get("/nothing")
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert "GET /" in (await answer.json())["detail"]


async def test_a_refusal_is_a_problem_and_asks_for_the_token(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(AdminServer(FakeSubject(), loopback=True, token="t").application())
    answer = await client.post("/drain")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await answer.json())["status"] == 401


async def test_every_answer_forbids_storing_and_sniffing(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(AdminServer(FakeSubject(), loopback=True).application())
    for path in ("/livez", "/nothing", "/status"):
        headers = (await client.get(path)).headers
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


class BrokenSubject(FakeSubject):
    def status(self) -> Iterator[Part]:
        raise RuntimeError("secret detail")


async def test_a_fault_of_a_view_is_logged_and_not_told(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = await aiohttp_client(AdminServer(BrokenSubject(), loopback=True).application())
    answer = await client.get("/status")
    assert answer.status == 500
    assert "secret detail" not in await answer.text()
    assert "secret detail" in caplog.text


async def test_it_serves_on_the_socket_it_is_given_until_closed() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/livez"
    server = AdminServer(FakeSubject(), loopback=True)
    await server.start([listening])
    async with aiohttp.ClientSession() as session:
        assert (await session.get(url)).status == 200
        await server.close()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)


async def test_closing_a_server_that_never_started_is_fine() -> None:
    server = AdminServer(FakeSubject(), loopback=True)
    await server.close()
    await server.close()
    assert server.application() is not None
