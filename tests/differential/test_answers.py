"""What Sidecar makes of an endpoint's answer is the same answer to h11, and to nginx and HAProxy in front of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.differential.answer_chain import answer_chain
from tests.differential.answer_grammar import answers
from tests.differential.peers import PEERS
from tests.differential.their_answers import fault, passed
from tests.doubles.servers import require

ANSWERS = 200


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # each answer that is cut short would be a line
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_what_a_client_gets_is_the_answer_that_was_read(method: bytes) -> None:
    taken = 0
    for data in islice(answers(9111), 10 * ANSWERS):
        assert fault(data, method) == "", data
        taken += passed(data, method) is not None
    assert taken > 3 * ANSWERS


@pytest.mark.parametrize("name", ["direct", "nginx", "haproxy"])
async def test_an_answer_comes_through_as_it_was_read(name: str, tmp_path: Path) -> None:
    program = require(name) if name in PEERS else ""
    async with answer_chain(name, program, tmp_path) as link:
        assert await link.findings(list(islice(answers(7232), ANSWERS))) == []
        assert link.compared > ANSWERS // 4
