"""What is too large to be made in one piece on a loop that serves: a mapping in parts, and turns between them.

Each part is a mapping of its own. All of them are one: a list goes on where the last part of that name ended, a mapping
has the members of all, and anything else is in one part only. An empty part is a turn's work without a result.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

Part = Mapping[str, Any]
_T = TypeVar("_T")

# Others that are ready to run are held up by about so long, in seconds.
TURN = 0.001
_PACKED_TOGETHER = 16


async def in_turns(things: Iterable[_T]) -> AsyncIterator[_T]:
    """The same things. Before the next of them others get a turn, whenever TURN has gone by."""
    begun = time.monotonic()
    for thing in things:
        yield thing
        if time.monotonic() - begun >= TURN:
            await asyncio.sleep(0)
            begun = time.monotonic()


def extend(whole: dict[str, Any], part: Part) -> None:
    """Add a part to those before it."""
    for name, value in part.items():
        before = whole.get(name)
        if isinstance(value, list):
            whole[name] = [*value] if before is None else before
            if before is not None:
                before.extend(value)
        elif isinstance(value, dict):
            whole[name] = {**value} if before is None else before
            if before is not None:
                before.update(value)
        else:
            whole[name] = value


def joined(parts: Iterable[Part]) -> dict[str, Any]:
    """All of it, at once."""
    whole: dict[str, Any] = {}
    for part in parts:
        extend(whole, part)
    return whole


async def packed(parts: Iterable[Part]) -> list[bytes]:
    """The parts as another process of ours can read them: a pickle of all would be one piece."""
    pieces: list[bytes] = []
    together: list[Part] = []
    async for part in in_turns(parts):
        together.append(part)
        if len(together) == _PACKED_TOGETHER:
            pieces.append(pickle.dumps(together, pickle.HIGHEST_PROTOCOL))
            together = []
    return [*pieces, pickle.dumps(together, pickle.HIGHEST_PROTOCOL)]


async def unpacked(pieces: Sequence[bytes]) -> dict[str, Any]:
    """All of what was packed. They are to come from a process of ours: see workers.link of pickles."""
    whole: dict[str, Any] = {}
    async for piece in in_turns(pieces):
        for part in pickle.loads(piece):  # noqa: S301  # nosec B301
            extend(whole, part)
    return whole
