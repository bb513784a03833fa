"""What is large is made in parts, and others have their turns between them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.telemetry import parts
from sidecar.telemetry.parts import Part, in_turns, joined, packed, unpacked

ROUTES = [{"name": f"r{place}"} for place in range(100)]
WHOLE = {"phase": "serving", "none": [], "routes": ROUTES, "breakers": {"a": 1, "b": 2}, "counts": {("a", "b"): 1.5}}


def in_parts() -> Iterator[Part]:
    yield {"phase": "serving", "none": [], "routes": []}
    for route in ROUTES:
        yield {}
        yield {"routes": [route]}
    yield {"breakers": {"a": 1}}
    yield {"breakers": {"b": 2}, "counts": {("a", "b"): 1.5}}


def test_parts_are_one() -> None:
    assert joined(in_parts()) == WHOLE


def test_a_part_stays_as_it_was() -> None:
    first: dict[str, Any] = {"routes": [1], "breakers": {"a": 1}}
    assert joined([first, {"routes": [2], "breakers": {"b": 2}}]) == {"routes": [1, 2], "breakers": {"a": 1, "b": 2}}
    assert first == {"routes": [1], "breakers": {"a": 1}}


async def test_what_is_packed_is_the_same_for_who_unpacks_it() -> None:
    pieces = await packed(in_parts())
    assert len(pieces) > 10
    assert await unpacked(pieces) == WHOLE
    assert await unpacked(await packed(())) == {}


async def test_others_run_between_things_that_took_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "TURN", 0.0)
    turns: list[int] = []
    async for place in in_turns(range(10)):
        assert turns == list(range(place))
        asyncio.get_running_loop().call_soon(turns.append, place)


async def test_things_that_are_made_in_no_time_wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "TURN", 3600.0)
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 0)
    assert [place async for place in in_turns(range(10))] == list(range(10))
    assert turns == []
