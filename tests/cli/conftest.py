"""The admin address that the commands of these tests ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles import admin as doubles
from tests.doubles.admin import Answering


@pytest.fixture
def answering() -> Iterator[Answering]:
    """What it answers, for the test to set."""
    with doubles.answering() as told:
        yield told


@pytest.fixture
def admin(answering: Answering) -> str:
    """Where it is."""
    return answering.address
