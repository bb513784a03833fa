"""The virtual loop, closed after each test; nothing it caught may pass unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.transport.doubles import VirtualLoop


@pytest.fixture
def virtual() -> Iterator[VirtualLoop]:
    """A loop in virtual time."""
    loop = VirtualLoop()
    yield loop
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.turn()
    loop.close()
    assert not loop.errors, loop.errors
