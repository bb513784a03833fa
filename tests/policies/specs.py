"""What every Spec is tried for: it refuses what cannot be meant, and takes the rest as it is written."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.units import Invalid


def refused(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    """These values are refused, first of all at this key and with these words."""
    with pytest.raises(Invalid) as caught:
        spec(**given)
    assert caught.value.faults[0][0] == key
    assert sentence in caught.value.faults[0][1]


def taken(spec: Any, given: dict[str, Any]) -> None:
    """These values are taken, and enforced unless they say otherwise."""
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"
