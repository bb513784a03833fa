"""What an exchange knows and holds, whatever comes next: its deadlines, its key, its reason."""

from __future__ import annotations

import math

import pytest

from sidecar.exchange.standing import Standing
from sidecar.policies.contract import Key
from tests.exchange.scripts import START, Scene


@pytest.mark.parametrize(
    ("request_timeout", "total", "limit", "deadline", "shortened"),
    [
        (15.0, math.inf, math.inf, START + 15.0, False),
        (15.0, math.inf, 2.0, START + 2.0, True),
        (15.0, math.inf, 20.0, START + 15.0, False),
        (15.0, 10.0, math.inf, START + 10.0, False),
        (15.0, 1.0, 2.0, START + 1.0, False),
    ],
)
def test_the_caller_can_only_shorten_what_the_route_allows(
    *, request_timeout: float, total: float, limit: float, deadline: float, shortened: bool
) -> None:
    scene = Scene(request=request_timeout, total=total)
    standing = Standing(scene.route, scene.hands, START, limit)
    assert (standing.deadline, standing.shortened) == (deadline, shortened)
    assert standing.total_deadline == START + total


def test_an_attempts_time_runs_from_the_whole_request_and_ends_with_the_exchange() -> None:
    scene = Scene(request=15.0, attempt=5.0)
    standing = Standing(scene.route, scene.hands, START, math.inf)
    standing.request_sent(START + 1.0)
    assert standing.attempt_deadline == START + 6.0
    standing.request_sent(START + 14.0)
    assert standing.attempt_deadline == START + 15.0


def test_a_key_is_worked_out_once_while_it_is_asked_for_again() -> None:
    scene = Scene()
    scene.hands.value = "10.0.0.1"
    standing = Standing(scene.route, scene.hands, START, math.inf)
    key = Key()
    key.text = "client_ip"
    assert [standing.key(key), standing.key(key)] == ["10.0.0.1"] * 2
    assert scene.hands.asked == ["client_ip"]


def test_a_call_is_noted_and_passed_on() -> None:
    scene = Scene()
    standing = Standing(scene.route, scene.hands, START, math.inf)
    standing.granted(START)
    assert standing.called
    assert scene.hands.wakings == 1


@pytest.mark.parametrize(
    ("method", "vouched", "may"), [(b"GET", False, True), (b"POST", False, False), (b"POST", True, True)]
)
def test_what_may_be_sent_again_is_what_changes_nothing_twice(*, method: bytes, vouched: bool, may: bool) -> None:
    scene = Scene()
    standing = Standing(scene.route, scene.hands, START, math.inf)
    standing.method, standing.vouched = method, vouched
    assert standing.repeatable() is may
