"""The dashboard's files are served whole, and nothing beside them."""

from __future__ import annotations

import re

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from sidecar.admin.server import AdminServer
from tests.doubles.subject import FakeSubject


async def test_the_page_and_all_that_it_names_is_served_from_here(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(AdminServer(FakeSubject(), loopback=True).application())
    answer = await client.get("/")
    assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
    named = re.findall(r'(?:src|href)="([^"#]+)"', await answer.text())
    assert any(name.endswith(".js") for name in named)
    for name in named:
        assert not name.startswith(("http:", "https:", "//")), "nothing is asked of anybody else"
        part = await client.get(name)
        assert part.status == 200, name
        assert part.headers["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "..%2Fpage.py", "%2e%2e/page.py", ""])
async def test_only_the_page_s_own_files_are_served(aiohttp_client: AiohttpClient, name: str) -> None:
    client = await aiohttp_client(AdminServer(FakeSubject(), loopback=True).application())
    assert (await client.get(f"/dashboard/{name}")).status == 404
