"""A place on loopback can be all that a drill wants it to be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sidecar.drill.stage import RealSite
from sidecar.transport.tasks import Tasks

pytestmark = pytest.mark.both_loops


class Greeter(asyncio.Protocol):
    """Says hello."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"hello")
        transport.close()


@asynccontextmanager
async def a_site() -> AsyncIterator[RealSite]:
    tasks = Tasks(asyncio.get_running_loop())
    site = RealSite(tasks)
    try:
        yield site
    finally:
        site.close()
        await tasks.close()


async def greeted(site: RealSite) -> bytes:
    reader, writer = await asyncio.open_connection(site.address.host, site.address.port)
    heard = await reader.read()
    writer.close()
    await writer.wait_closed()
    return heard


async def opened(site: RealSite) -> None:
    """Opens it, and waits until it is."""
    site.open(Greeter)
    async with asyncio.timeout(10):
        while not site.is_open:
            await asyncio.sleep(0)


async def test_it_greets_refuses_and_greets_again_at_one_address() -> None:
    async with a_site() as site:
        with pytest.raises(ConnectionRefusedError):
            await greeted(site)
        for _ in range(2):
            await opened(site)
            assert await greeted(site) == b"hello"
            site.shut()
            with pytest.raises(ConnectionRefusedError):
                await greeted(site)


async def test_shut_before_it_has_opened_it_stays_so() -> None:
    async with a_site() as site:
        site.open(Greeter)
        site.shut()
        for _ in range(5):
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await greeted(site)


async def test_the_end_before_it_has_opened_leaves_no_socket_behind() -> None:
    tasks = Tasks(asyncio.get_running_loop())
    site = RealSite(tasks)
    site.open(Greeter)
    site.close()
    await tasks.close()
    with socket.create_server((site.address.host, site.address.port)):
        pass  # the port is free


async def test_vanished_it_answers_nothing_and_is_back_when_it_appears() -> None:
    async with a_site() as site:
        await opened(site)
        site.vanish()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await greeted(site)
        site.appear()
        async with asyncio.timeout(10):
            while not site.is_open:
                await asyncio.sleep(0)
        assert await greeted(site) == b"hello"


async def test_shut_while_it_had_vanished_it_refuses_afterwards() -> None:
    async with a_site() as site:
        await opened(site)
        site.vanish()
        site.shut()
        site.appear()
        with pytest.raises(ConnectionRefusedError):
            await greeted(site)
