"""Where a request leads: the shares of a split, the key of a balance, and the fallback instead of an answer."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from sidecar.exchange.decision import Decision
from sidecar.exchange.steps import ATTEMPT, DELIVER, SUBSTITUTE
from sidecar.model.outcome import Cause, Outcome
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.fallback import Fallback, FallbackSpec
from sidecar.policies.retry import RetrySpec
from sidecar.policies.selection import Hash
from sidecar.policies.split import Split
from sidecar.runtime.request_key import RequestKey
from sidecar.runtime.route import Branch, Route
from tests.exchange.scripts import START, Hands, Scene, Scripted, Told, retry, sent, upstream


def fallback(*on: str | int, mode: Any = "enforce") -> Fallback:
    return Fallback("r/fallback", FallbackSpec(on=on, status=200, body="sorry", mode=mode))


@pytest.mark.parametrize(("status", "step"), [(503, SUBSTITUTE), (500, DELIVER), (200, DELIVER)])
def test_the_fallback_stands_in_for_the_statuses_that_it_names(status: int, step: int) -> None:
    scene = Scene(1)
    scene.route.fallback = fallback(503)
    assert scene.begun().answered(START, status, NO_HINT) == step
    assert scene.told.fallbacks == []


def test_an_answer_that_is_replaced_is_settled_as_it_was_and_once() -> None:
    log: list[tuple[Any, ...]] = []
    scene = Scene(1, each=[Scripted("breaker", log, 3)])
    scene.route.fallback = fallback(503)
    d = scene.begun()
    d.answered(START + 1.0, 503, NO_HINT)
    d.replaced(START + 1.0)
    d.ended(START + 2.0)
    assert log == [("asked", "breaker"), ("settled", "breaker", 3, Outcome.FAILURE, 1.0)]
    assert (scene.in_flight, scene.attempts.words) == (0, ["5xx"])


def test_an_answer_for_which_the_fallback_has_nothing_goes_on_as_any() -> None:
    scene = Scene(1)
    scene.route.fallback = fallback(503)
    d = scene.begun()
    assert d.answered(START + 1.0, 503, NO_HINT) == SUBSTITUTE
    assert scene.in_flight == 1
    d.completed(START + 2.0)
    d.ended(START + 2.0)
    assert scene.attempts.outcomes == [("5xx", 2.0)]


def test_a_fallback_in_shadow_mode_is_counted_and_the_answer_delivered() -> None:
    scene = Scene(1)
    scene.route.fallback = fallback(503, mode="shadow")
    assert scene.begun().answered(START, 503, NO_HINT) == DELIVER
    assert scene.told.fallbacks == [("shadow", "503")]


def test_a_status_stands_for_exhausted_retries_only_after_a_retry() -> None:
    scene = Scene(1, policy=retry(RetrySpec(max_attempts=2)))
    scene.route.fallback = fallback("retries_exhausted")
    d = scene.begun()
    assert d.answered(START, 503, NO_HINT) == ATTEMPT
    assert d.answered(START, 503, NO_HINT) == SUBSTITUTE
    first = scene.begun(method=b"POST")
    assert first.answered(START, 503, NO_HINT) == DELIVER
    other = scene.begun()
    other.answered(START, 503, NO_HINT)
    assert other.answered(START, 500, NO_HINT) == DELIVER  # not one that the rules retry


class Crossroads:
    """A route to three upstreams, two of which have a share."""

    def __init__(self, key: str | None = "header:x-user") -> None:
        self.hands = Hands("ann")
        self.log: list[tuple[Any, ...]] = []
        self.upstreams = [upstream(name, 1, 2) for name in ("a", "b", "c")]
        branches = [
            Branch(one, [Scripted(f"breaker of {one.name}", self.log, 1)], retry(RetrySpec())) for one in self.upstreams
        ]
        self.route = Route("r", branches, None, Told())  # type: ignore[arg-type]
        self.route.split = Split([("a", 1), ("b", 1), ("c", 0)], random.Random(7))
        self.route.split_key = None if key is None else RequestKey(key)

    def begun(self, value: str = "") -> Decision:
        self.hands.value = value
        made = Decision(self.route, self.hands, START, float("inf"))
        made.method = b"GET"
        made.begin(START)
        sent(made, START)
        return made


def test_a_key_leads_to_the_same_upstream_each_time_and_keys_spread_by_share() -> None:
    roads = Crossroads()
    led = {f"user-{number}": roads.begun(f"user-{number}").branch.upstream.name for number in range(60)}
    assert all(roads.begun(user).branch.upstream.name == name for user, name in led.items())
    assert set(led.values()) == {"a", "b"}
    assert roads.hands.asked[0] == "header:x-user"


def test_without_a_key_each_request_is_drawn_by_share() -> None:
    roads = Crossroads(key=None)
    drawn = Counter(roads.begun().branch.upstream.name for _ in range(60))
    assert set(drawn) == {"a", "b"}
    assert roads.hands.asked == []


def test_retries_stay_in_the_branch_with_its_own_machines() -> None:
    roads = Crossroads()
    d = roads.begun("ann")
    chosen = d.branch.upstream
    while d.attempt < 3:
        assert d.failed(START, Cause.RESET) == ATTEMPT
        sent(d, START)
        assert d.endpoint in chosen.endpoints
    assert {entry[1] for entry in roads.log} == {f"breaker of {chosen.name}"}
    d.abandoned(START)
    assert sum(endpoint.in_flight for one in roads.upstreams for endpoint in one.endpoints) == 0


def test_the_balance_is_asked_by_its_key_and_one_key_keeps_its_endpoint() -> None:
    scene = Scene(1, 2, 3)
    scene.upstream.strategy = Hash()
    scene.route.branch.key = RequestKey("header:x-user")
    scene.hands.value = "ann"
    assert len({scene.begun().endpoint for _ in range(8)}) == 1
    assert set(scene.hands.asked) == {"header:x-user"}


def test_a_key_is_worked_out_once_for_those_that_ask_in_a_row() -> None:
    scene = Scene(1, 2)
    d = scene.decision()
    scene.hands.value = "ann"
    first, second = RequestKey("header:a"), RequestKey("header:b")
    assert [d.key(first), d.key(first), d.key(second)] == ["ann", "ann", "ann"]
    assert scene.hands.asked == ["header:a", "header:b"]
