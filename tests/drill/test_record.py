"""What a record says of itself."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sidecar.drill.record import Endpoint, Ill, Request

ILL = (Ill(1.0, 2.0, "refuse"), Ill(1.5, 3.0, "slow", 1.0, 1), Ill(5.0, math.inf, "die", 1.0, 2))
SICK = Endpoint("app/a:1", "app", 0, ILL)


def request(**told: Any) -> Request:
    known: dict[str, Any] = {"number": 0, "client": 0, "method": "GET", "path": "/", "due": 1.0, "began": 1.1}
    return Request(**known, ended=2.0, **told)


@pytest.mark.parametrize(
    ("told", "ok"),
    [
        ({"status": 200}, True),
        ({"status": 404}, True),
        ({"status": 404, "reason": "no_route"}, False),
        ({"status": 200, "reason": "circuit_open", "fallback": "static"}, True),
        ({"status": 429}, False),
        ({"status": 500}, False),
        ({"status": 200, "failure": "truncated"}, False),
        ({"failure": "gave_up"}, False),
    ],
)
def test_a_request_is_well_answered_or_it_is_not(told: dict[str, Any], ok: bool) -> None:
    assert request(**told).ok is ok


def test_a_client_waits_from_when_its_request_was_due() -> None:
    assert request(status=200).seconds == 1.0


@pytest.mark.parametrize(
    ("since", "until", "well"),
    [
        (0.0, 4.0, ((0.0, 1.0), (3.0, 4.0))),
        (1.2, 2.5, ()),
        (3.5, 4.0, ((3.5, 4.0),)),
        (4.0, 9.0, ((4.0, 5.0),)),
        (0.5, 0.5, ((0.5, 0.5),)),
        (1.5, 1.5, ()),
        (6.0, 6.0, ()),
    ],
)
def test_an_endpoint_knows_when_it_was_well(since: float, until: float, well: tuple[tuple[float, float], ...]) -> None:
    assert SICK.well(since, until) == well


def test_it_is_ill_from_the_first_instant_to_before_the_last() -> None:
    assert [SICK.is_well(at) for at in (0.99, 1.0, 2.99, 3.0, 5.0, 1e9)] == [True, False, False, True, False, False]
