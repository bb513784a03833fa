"""A route as it is before anything is bound to it."""

from __future__ import annotations

import math
import random

import pytest

from sidecar.model.observer import RouteObserver
from sidecar.policies.retry import Retry, RetrySpec
from sidecar.runtime.matching import Matcher
from sidecar.runtime.route import Branch, Route
from tests.runtime.requests import branch, match_rule, route


def test_a_route_is_without_timeouts_until_it_is_given_some() -> None:
    made = route("a", match_rule())
    timeouts = (made.request_timeout, made.attempt_timeout, made.idle_timeout, made.total_timeout)
    assert timeouts == (math.inf,) * 4


def test_a_route_holds_a_request_to_nothing_until_it_is_bound() -> None:
    made = route("a", match_rule())
    assert (made.admissions, made.attempt_admissions) == ((), ())
    assert (made.announcer, made.split, made.split_key, made.fallback, made.edits) == (None,) * 5


def test_the_first_branch_is_where_a_route_leads_without_a_split() -> None:
    first, second = branch("app"), branch("app-v2")
    made = Route("a", [first, second], Matcher(match_rule()), RouteObserver(), 3)
    assert made.branches == (first, second)
    assert made.branch is first
    assert made.rule_index == 3


def test_a_branch_carries_what_holds_for_an_attempt_there() -> None:
    upstream = branch("app").upstream
    retry = Retry("a/retry", RetrySpec(), None, random.Random(1))
    made = Branch(upstream, retry=retry)
    assert (made.upstream, made.admissions, made.retry, made.key) == (upstream, (), retry, None)


def test_a_route_that_leads_nowhere_says_where_that_is() -> None:
    nowhere = branch("")
    made = Route("a", [], Matcher(match_rule()), RouteObserver(), 0, nowhere)
    assert (made.branches, made.branch) == ((), nowhere)
    with pytest.raises(ValueError, match="`a` leads nowhere"):
        Route("a", [], Matcher(match_rule()), RouteObserver())
