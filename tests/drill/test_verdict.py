"""Each client error under its cause: what nothing could have prevented, the price of a rule, and what is our fault."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.drill.record import Attempt, Count, Endpoint, Ill, Record
from sidecar.drill.scenario import Backend, Do, Load, Scenario, Step, Takes
from sidecar.drill.verdict import CLASSES, Cause, judge
from tests.doubles.drills import OTHER, WELL, endpoint, record, refused, request, rules, settled_rules

DEAD = Ill(2.0, 5.0, "refuse")
FOREVER = Ill(2.0, 100.0, "refuse")


def _cause(found: Record) -> Cause:
    (group,) = judge(found).groups
    return group.cause


def _told(cause: Cause) -> tuple[str, str]:
    return cause.kind, cause.code


def _attempt(number: int = 0, began: float = 1.0, ended: float = 1.0, end: Any = "failed", **told: Any) -> Attempt:
    return Attempt(number, told.pop("at", WELL), began, ended, end, **told)


def test_what_was_answered_has_no_cause() -> None:
    verdict = judge(record([request(), request(1, status=404)]))
    assert verdict.groups == ()
    assert verdict.errors == 0


# Nothing could have prevented it.


@pytest.mark.parametrize("reason", ["connect_failure", "circuit_open", "no_endpoint", "request_timeout", "reset"])
def test_where_nothing_is_well_before_the_deadline_no_rule_is_to_blame(reason: str) -> None:
    found = record([refused(reason, began=3.0, seconds=0.1, attempts=3)], endpoints=[endpoint(FOREVER)])
    assert _told(_cause(found)) == ("unavoidable", "nothing_well")


def test_what_was_sent_and_broke_and_may_not_be_sent_twice_is_nobodys_fault() -> None:
    broken = refused("reset", began=2.5, method="POST", attempts=1)
    found = record([broken], endpoints=[endpoint(Ill(2, 3, "die"))], attempts=[_attempt(began=2.5, end="killed")])
    assert _told(_cause(found)) == ("unavoidable", "not_repeatable")


def test_what_was_sent_while_the_endpoint_closed_the_connection_was_sent_all_the_same() -> None:
    broken = refused("reset", began=1.0, method="POST", attempts=1, status=502)
    assert _told(_cause(record([broken], endpoints=[endpoint(Ill(1.0, 2.0, "die"))]))) == (
        "unavoidable",
        "not_repeatable",
    )


def test_an_idempotency_key_vouches_for_a_post() -> None:
    broken = refused("reset", began=2.5, method="POST", attempts=3)
    load = Load(methods={"POST": 1}, headers={"Idempotency-Key": "1"})
    attempts = [_attempt(began=2.5, end="reset")]
    found = record([broken], endpoints=[endpoint(Ill(2, 3, "reset"))], attempts=attempts, load=load)
    assert _cause(found).kind == "price"


def test_an_answer_that_broke_after_its_head_cannot_be_taken_back() -> None:
    broken = request(failure="truncated")
    found = record([broken], attempts=[_attempt(end="reset")])
    assert _told(_cause(found)) == ("unavoidable", "answer_begun")


def test_what_waits_behind_more_than_can_be_done_is_nobodys_fault() -> None:
    scenario = Scenario(name="full", duration=10.0, backend=Backend(takes=Takes(median=1.0), places=1))
    attempts = [Attempt(number, WELL, 0.0, 40.0, "aborted") for number in range(3)]
    late = refused("request_timeout", 1, began=0.0, seconds=15.0, attempts=1)
    found = record([late], attempts=attempts, scenario=scenario, endpoints=[endpoint(most=3)])
    assert _told(_cause(found)) == ("unavoidable", "overloaded")


def test_a_client_that_waits_for_less_than_an_answer_takes_has_itself_to_blame() -> None:
    slow = Ill(0.0, 10.0, "slow")
    scenario = Scenario(
        name="slow", duration=10.0, load=Load(gives_up=1.0), script=(Step(at=0.0, do="slow", factor=100.0),)
    )
    gone = request(status=0, head=None, seconds=1.0, failure="gave_up")
    found = record([gone], endpoints=[endpoint(slow)], scenario=scenario)
    assert _told(_cause(found)) == ("unavoidable", "gave_up")


def test_a_request_that_the_end_of_the_drill_cut_off_is_no_ones_error() -> None:
    assert _told(_cause(record([request(failure="cut", status=0, head=None)]))) == ("unavoidable", "not_over")


# The price of a rule.


def test_a_breaker_that_is_open_although_the_backend_is_back_is_named_with_its_value_and_its_place() -> None:
    loaded = rules(
        "version: 1\n"
        "listeners: [{name: l, address: ':1'}]\n"
        f"upstreams: {{app: {{endpoints: ['http://{WELL}'], circuit_breaker: {{\n"
        "  open_for: 20s}}}\n"
        "routes: [{name: everything, upstream: app}]\n"
    )
    found = record(
        [refused("circuit_open", began=6.0, rule="app/circuit_breaker")], loaded=loaded, endpoints=[endpoint(DEAD)]
    )
    cause = _cause(found)
    assert cause.kind == "price"
    assert str(cause.setting) == "upstreams.app.circuit_breaker.open_for: 20s (rules.yaml:4)"


def test_a_routes_own_breaker_is_named_as_its_own() -> None:
    loaded = settled_rules("routes.everything.circuit_breaker.open_for=9s")
    asked = refused("circuit_open", began=6.0, rule="everything/circuit_breaker", upstream="")
    cause = _cause(record([asked], loaded=loaded, endpoints=[endpoint(DEAD)]))
    assert cause.setting is not None
    assert cause.setting.key == "routes.everything.circuit_breaker.open_for"


def test_where_the_endpoint_is_gone_and_will_be_back_the_price_is_not_to_hold() -> None:
    for reason in ("connect_failure", "circuit_open", "no_endpoint"):
        found = record([refused(reason, began=3.0, seconds=0.1, attempts=3)], endpoints=[endpoint(DEAD)])
        cause = _cause(found)
        assert (cause.kind, str(cause.setting)) == ("price", "upstreams.app.hold: null (--set upstreams.app.hold)"), (
            reason
        )


@pytest.mark.parametrize(("seconds", "key"), [(0.0, "max_requests"), (1.0, "timeout")])
def test_a_hold_that_was_full_or_too_short_is_named(seconds: float, key: str) -> None:
    loaded = settled_rules("upstreams.app.hold.timeout=1s", "upstreams.app.hold.max_requests=5")
    held = refused("no_endpoint", began=3.0, seconds=seconds, rule="app/hold")
    cause = _cause(record([held], loaded=loaded, endpoints=[endpoint(DEAD)]))
    assert cause.setting is not None
    assert cause.setting.key == f"upstreams.app.hold.{key}"


def test_an_endpoint_that_checks_have_not_seen_come_back_is_the_price_of_their_interval() -> None:
    loaded = settled_rules("upstreams.app.health_check.path=/up")
    cause = _cause(record([refused("no_endpoint", began=6.0)], loaded=loaded, endpoints=[endpoint(DEAD)]))
    assert str(cause.setting) == "upstreams.app.health_check.interval: 5s (default)"


def test_nobody_waits_for_an_endpoint_that_checks_have_found_ill_without_a_hold() -> None:
    loaded = settled_rules("upstreams.app.health_check.path=/up")
    ill = [endpoint(Ill(2.0, 5.0, "stall"))]
    cause = _cause(record([refused("no_endpoint", began=3.0)], loaded=loaded, endpoints=ill))
    assert str(cause.setting) == "upstreams.app.hold: null (--set upstreams.app.hold)"


def test_what_a_limit_refuses_while_the_endpoints_are_full_is_nobodys_price() -> None:
    loaded = settled_rules("routes.everything.concurrency.max=5")
    scenario = Scenario(name="full", duration=10.0, backend=Backend(takes=Takes(median=0.1), places=1))
    asked = refused("concurrency_limited", 99, began=3.0, rule="everything/concurrency")
    busy = [Attempt(number, WELL, number / 10, (number + 1) / 10, "answered") for number in range(90)]
    quiet = busy[:20]
    told = [_cause(record([asked], loaded=loaded, attempts=work, scenario=scenario)) for work in (busy, quiet)]
    assert [one.kind for one in told] == ["unavoidable", "price"]


def test_a_limit_is_named_by_its_rule() -> None:
    loaded = settled_rules("routes.everything.concurrency.max=5")
    cause = _cause(record([refused("concurrency_limited", rule="everything/concurrency")], loaded=loaded))
    assert (cause.kind, str(cause.setting)) == (
        "price",
        "routes.everything.concurrency.max: 5 (--set routes.everything.concurrency.max)",
    )


def test_an_attempt_that_hangs_while_others_could_answer_is_the_price_of_its_timeout() -> None:
    stalled = refused("request_timeout", began=3.0, seconds=15.0, status=504, attempts=1)
    attempts = [_attempt(began=3.0, ended=18.0, end="stalled")]
    cause = _cause(record([stalled], endpoints=[endpoint(Ill(2, 5, "stall"))], attempts=attempts))
    assert str(cause.setting) == "routes.everything.timeout.attempt: null (default)"


def test_attempts_that_are_used_up_are_the_price_of_their_number() -> None:
    ill = Ill(0.0, 10.0, "fail", share=0.3)
    failed = request(status=503, attempts=3)
    attempts = [_attempt(began=at, ended=at, status=503) for at in (1.0, 1.005, 1.01)]
    cause = _cause(record([failed], endpoints=[endpoint(ill)], attempts=attempts))
    assert str(cause.setting) == "routes.everything.retry.max_attempts: 3 (default)"


@pytest.mark.parametrize(
    ("why", "key"),
    [
        ("budget", "routes.everything.retry.budget.ratio"),
        ("body_too_large", "routes.everything.retry.max_body_bytes"),
        ("deadline", "routes.everything.timeout.request"),
        ("circuit_open", "upstreams.app.circuit_breaker.open_for"),
    ],
)
def test_a_retry_that_was_not_made_is_the_price_of_what_forbade_it(why: str, key: str) -> None:
    failed = request(status=503, attempts=1)
    counts = [Count(1.02, "retry_skipped", "everything", why)]
    ill = Ill(0.0, 10.0, "fail", share=0.3)
    cause = _cause(record([failed], endpoints=[endpoint(ill)], attempts=[_attempt()], counts=counts))
    assert cause.setting is not None
    assert (cause.kind, cause.setting.key) == ("price", key)


def test_a_failure_that_the_rule_does_not_name_is_the_price_of_not_naming_it() -> None:
    ill = Ill(0.0, 10.0, "fail", share=0.3)
    cause = _cause(record([request(status=500)], endpoints=[endpoint(ill)], attempts=[_attempt()]))
    assert cause.setting is not None
    assert cause.setting.key == "routes.everything.retry.on"


def test_without_a_retry_rule_that_is_the_price() -> None:
    loaded = settled_rules("routes.everything.retry=null")
    ill = Ill(0.0, 10.0, "fail", share=0.3)
    cause = _cause(record([request(status=503)], loaded=loaded, endpoints=[endpoint(ill)], attempts=[_attempt()]))
    assert cause.setting is not None
    assert cause.setting.key == "routes.everything.retry"


# Ours.


def test_an_answer_that_is_not_its_own_is_always_our_fault() -> None:
    for failure in ("not_its_own", "malformed"):
        found = record([request(failure=failure)], endpoints=[endpoint(FOREVER)])
        assert _told(_cause(found)) == ("avoidable", "corrupted")


def test_a_connection_that_ends_without_a_word_is_our_fault() -> None:
    for failure in ("refused", "reset", "closed"):
        found = record([request(failure=failure, status=0, head=None)])
        assert _told(_cause(found)) == ("avoidable", "unexplained")


@pytest.mark.parametrize("reason", ["connect_failure", "reset", "circuit_open", "request_timeout", "no_endpoint"])
def test_a_failure_while_nothing_was_ever_wrong_is_our_fault(reason: str) -> None:
    later = [endpoint(Ill(9.0, 10.0, "die"))]
    found = record([refused(reason, began=1.0, attempts=3, rule="app/circuit_breaker")], endpoints=later)
    assert _told(_cause(found)) == ("avoidable", "unexplained")


def test_a_pool_is_full_only_where_an_endpoint_had_as_many() -> None:
    asked = refused("overloaded")
    kinds = [_cause(record([asked], endpoints=[endpoint(most=most)])).kind for most in (511, 512)]
    assert kinds == ["avoidable", "price"]


def test_a_failure_with_attempts_left_and_nothing_that_forbade_them_is_our_fault() -> None:
    ill = Ill(0.0, 10.0, "fail", share=0.3)
    found = record([request(status=503, attempts=1)], endpoints=[endpoint(ill)], attempts=[_attempt()])
    assert _told(_cause(found)) == ("avoidable", "unexplained")


def test_nowhere_to_go_while_somebody_is_well_is_our_fault() -> None:
    found = record([refused("no_endpoint", began=6.0)], endpoints=[endpoint(DEAD)])
    assert _told(_cause(found)) == ("avoidable", "unexplained")


def test_one_well_endpoint_among_dead_ones_is_enough_to_have_been_able() -> None:
    ends = [endpoint(FOREVER), endpoint(name=OTHER, place=1)]
    loaded = settled_rules(endpoints=(WELL, OTHER))
    found = record([refused("connect_failure", began=3.0, attempts=1, status=502)], loaded=loaded, endpoints=ends)
    assert _told(_cause(found)) == ("avoidable", "unexplained")


def test_a_chance_that_was_taken_in_vain_is_not_counted_as_missed() -> None:
    # It was sent while all was well, and died with the endpoint a moment later.
    died = refused("connect_failure", began=1.9, seconds=0.2, status=502, attempts=3)
    attempts = [_attempt(began=1.9, ended=2.0, end="killed")]
    scenario = Scenario(name="s", duration=10.0, backend=Backend(takes=Takes(median=0.01)))
    found = record([died], endpoints=[endpoint(FOREVER)], attempts=attempts, scenario=scenario)
    assert _told(_cause(found)) == ("unavoidable", "nothing_well")


# All of them.

_REASONS = [
    "", "circuit_open", "no_endpoint", "request_timeout", "connect_failure", "reset", "attempt_timeout",
    "rate_limited", "concurrency_limited", "overloaded", "internal_error", "bad_request", "draining",
]  # fmt: skip
_DOS: list[Do] = ["refuse", "die", "unreachable", "reset", "truncate", "garbage", "stall", "fail", "slow"]


@st.composite
def _records(draw: st.DrawFn) -> Record:
    def ill() -> Ill:
        at = draw(st.floats(0, 9))
        return Ill(at, at + draw(st.floats(0.01, 9)), draw(st.sampled_from(_DOS)), draw(st.sampled_from([0.3, 1.0])))

    ends: list[Endpoint] = [
        endpoint(*(ill() for _ in range(draw(st.integers(0, 2)))), name=name, place=place)
        for place, name in enumerate((WELL, OTHER))
    ]
    requests, attempts = [], []
    for number in range(draw(st.integers(0, 12))):
        began, seconds = draw(st.floats(0, 10)), draw(st.floats(0, 16))
        status = draw(st.sampled_from([0, 200, 404, 429, 500, 502, 503, 504]))
        failure = draw(
            st.sampled_from(["refused", "reset", "closed", "truncated", "malformed", "not_its_own", "gave_up", "cut"])
            if not status
            else st.sampled_from(["", "", "", "truncated"])
        )
        requests.append(
            request(
                number, began, seconds, status=status, failure=failure, attempts=draw(st.integers(0, 3)),
                head=began if status else None, reason=draw(st.sampled_from(_REASONS)),
                rule=draw(st.sampled_from(["", "app/circuit_breaker", "everything/retry", "nobody/knows"])),
                method=draw(st.sampled_from(["GET", "POST"])), upstream=draw(st.sampled_from(["", "app"])),
            )
        )  # fmt: skip
        if draw(st.booleans()):
            attempts.append(_attempt(number, began, began + seconds, draw(st.sampled_from(["failed", "aborted"]))))
    slow = (Step(at=0.0, do="slow", factor=10.0),)
    scenario = Scenario(name="any", duration=10.0, script=slow, backend=Backend(places=draw(st.integers(0, 2))))
    whys = st.tuples(st.floats(0, 10), st.sampled_from(["budget", "circuit_open", "deadline"]))
    counts = [Count(at, "retry_skipped", "everything", why) for at, why in draw(st.lists(whys, max_size=5))]
    loaded = settled_rules(endpoints=(WELL, OTHER))
    return record(requests, endpoints=ends, attempts=attempts, counts=counts, scenario=scenario, loaded=loaded)


@given(_records())
def test_every_error_has_exactly_one_cause_and_nothing_else_has_one(found: Record) -> None:
    verdict = judge(found)
    told = [number for group in verdict.groups for number in group.requests]
    assert sorted(told) == [one.number for one in found.requests if not one.ok]
    assert verdict.errors == len(told) == sum(verdict.count(kind) for kind in CLASSES)


@given(_records())
def test_a_price_names_its_key_and_nothing_else_does(found: Record) -> None:
    for group in judge(found).groups:
        assert (group.cause.setting is not None) == (group.cause.kind == "price")
        assert group.first <= group.last


@given(_records())
def test_the_same_record_has_the_same_verdict(found: Record) -> None:
    assert judge(found) == judge(found)
