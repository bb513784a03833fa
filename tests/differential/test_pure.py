"""Every head that Sidecar forwards means the same to h11, to the letter of the RFC, and to Sidecar's own rules."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.differential.findings import FINDINGS, Finding
from tests.differential.grammar import cases
from tests.differential.ours import taken
from tests.differential.pure import fault_of

HEADS = 2500


@pytest.mark.parametrize("seed", [9110, 9112])
def test_what_is_forwarded_is_one_request_to_every_reader(seed: int) -> None:
    passed = refused = 0
    for data in islice(cases(seed), HEADS):
        result = taken(data)
        assert fault_of(result) == "", data
        passed += len(result.passed)
        refused += bool(result.refusal)
    # The generator is worth something only as long as much of it is taken, and much is not.
    assert passed > HEADS // 4
    assert refused > HEADS // 4


@pytest.mark.parametrize("found", FINDINGS, ids=lambda found: found.said)
def test_what_was_found_is_taken_and_is_one_request_to_every_reader(found: Finding) -> None:
    result = taken(found.data)
    assert (len(result.passed) > 0, fault_of(result)) == (True, "")


def test_one_seed_is_one_sequence() -> None:
    assert list(islice(cases(1), 200)) == list(islice(cases(1), 200))
    assert list(islice(cases(1), 200)) != list(islice(cases(2), 200))
