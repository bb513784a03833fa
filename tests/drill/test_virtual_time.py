"""Time that passes only where nothing else is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from sidecar.drill.network import Socket
from sidecar.drill.virtual_time import StuckError, VirtualLoop

T = TypeVar("T")


def lived(life: Coroutine[Any, Any, T]) -> T:
    """What comes of a life in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(life)


def test_a_day_passes_as_one_step() -> None:
    async def life() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(86400.0)
        return loop.time() - begun

    assert lived(life()) == pytest.approx(86400.0, abs=1e-6)


def test_timers_fire_in_their_order_each_at_its_instant() -> None:
    async def life() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        begun, seen = loop.time(), list[tuple[str, float]]()

        def note(name: str) -> None:
            seen.append((name, round(loop.time() - begun, 7)))

        for name, after in (("third", 0.3), ("first", 0.1), ("second", 0.1000001)):
            loop.call_later(after, note, name)
        loop.call_later(0.2, note, "never").cancel()
        await asyncio.sleep(1.0)
        return seen

    assert lived(life()) == [("first", 0.1), ("second", 0.1000001), ("third", 0.3)]


def test_time_stands_still_while_there_is_something_to_do() -> None:
    async def life() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time() - begun

    assert lived(life()) == 0.0


def test_who_sets_a_timer_for_this_very_instant_again_and_again_lets_time_pass() -> None:
    async def life() -> None:
        loop = asyncio.get_running_loop()
        later, done = loop.time() + 0.001, loop.create_future()

        def look() -> None:
            if loop.time() < later:
                loop.call_at(loop.time(), look)
            else:
                done.set_result(None)

        look()
        await done

    lived(life())


def test_a_timeout_is_over_when_its_seconds_are() -> None:
    async def life() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await loop.create_future()
        return loop.time() - begun

    assert lived(life()) == 2.5


def test_waiting_for_what_nobody_brings_is_an_error_and_no_hang() -> None:
    loop = VirtualLoop()
    try:
        nothing = loop.create_future()
        with pytest.raises(StuckError):
            loop.run_until_complete(nothing)
    finally:
        loop.close()


def test_what_is_called_thread_safely_is_called() -> None:
    loop = VirtualLoop()
    try:
        heard = loop.create_future()
        loop.call_soon_threadsafe(heard.set_result, "hello")
        assert loop.run_until_complete(heard) == "hello"
    finally:
        loop.close()


def test_connections_are_made_in_the_loops_own_network_whatever_the_family() -> None:
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data.upper())

    async def life() -> list[bytes]:
        loop: Any = asyncio.get_running_loop()
        await loop.create_server(Echo, sock=Socket(("10.0.0.1", 80)))
        await loop.create_unix_server(Echo, sock=Socket("/run/echo.sock"))
        heard = []
        for way in ("tcp", "unix"):
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            if way == "tcp":
                made = loop.create_connection(lambda: protocol, "10.0.0.1", 80, local_addr=("127.1.0.9", 0))  # noqa: B023
            else:
                made = loop.create_unix_connection(lambda: protocol, "/run/echo.sock")  # noqa: B023
            transport, _ = await made
            transport.write(b"hello")
            heard.append(await reader.readexactly(5))
            transport.close()
        return heard

    assert lived(life()) == [b"HELLO", b"HELLO"]
