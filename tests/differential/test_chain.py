"""What Sidecar forwards, nginx and HAProxy read as Sidecar does: real programs, a backend that keeps every byte."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tests.differential.chain import chain
from tests.differential.findings import FINDINGS
from tests.differential.grammar import cases
from tests.differential.norms import Change, Norm
from tests.differential.peers import PEERS
from tests.differential.sides import sides
from tests.doubles.servers import require

CONNECTIONS = 600
WITH_BODY = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # each refusal would be a line
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", ["direct", "nginx", "haproxy"])
async def test_each_request_that_is_forwarded_arrives_as_one_and_as_it_was_judged(name: str, tmp_path: Path) -> None:
    program = require(name) if name in PEERS else ""
    async with chain(name, program, tmp_path) as link:
        assert await link.findings([found.data for found in FINDINGS]) == []
        assert await link.findings(list(islice(cases(7230), CONNECTIONS))) == []
        assert link.compared > CONNECTIONS // 4


async def test_a_request_that_arrives_as_another_is_found(tmp_path: Path) -> None:
    changed = Change("", "", lambda sent: replace(sent, body=sent.body + b"!") if sent.body else sent)
    async with chain("direct", "", tmp_path, Norm(changes=(changed,))) as link:
        found = await link.findings([b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", WITH_BODY, b"GET / HTTP/1.1\r\n\r\n"])
        assert found == [(WITH_BODY, "body b'abc!', read as b'abc'")]


async def test_what_two_peers_see_otherwise_is_known_and_has_its_reason(tmp_path: Path) -> None:
    async with sides({name: require(name) for name in ("nginx", "haproxy")}, tmp_path) as beside:
        assert await beside.findings([found.data for found in FINDINGS]) == []
        assert await beside.findings(list(islice(cases(7231), CONNECTIONS // 2))) == []
        assert beside.compared > CONNECTIONS // 4
