"""How far a limit that is learned may go: what cannot be meant is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.adaptive_spec import AdaptiveSpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("given", "key", "sentence"),
    [
        ({"min": 0}, "min", "at least 1"),
        ({"min": 9, "max": 8}, "max", "less than `min`, which is 9"),
        ({"initial": 9, "max": 8}, "initial", "not from 1 to 8"),
        ({"initial": 1, "min": 2}, "initial", "not from 2 to 1000"),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused(given: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        AdaptiveSpec(**given)
    ((at, said),) = caught.value.faults
    assert (at, sentence in said) == (key, True)
