"""Each client error under its cause: what nothing could have prevented, the price of a rule, and what is our fault."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sidecar.drill.causes import Cause
from sidecar.drill.record import Attempt, Count, Ill, Record
from sidecar.drill.run import run_drill
from sidecar.drill.scenario import Backend, Load, Scenario, Step, Takes, load_scenario
from sidecar.drill.verdict import Verdict, judge
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
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


# Drills of which the truth is known, because each has one thing wrong with its rules; the key, as it is written there.

FILE = """\
version: 1
listeners: [{name: public, address: ':8080'}]
upstreams:
  app: {endpoints: ['http://127.0.0.1:3000'], circuit_breaker: null, hold: null}
routes:
  - name: all
    upstream: app
    retry: null
"""
RETRY, ALONE = "routes.all.retry={}", "routes.all.retry=null"
HELD = "upstreams.app.hold={}"
CONCURRENCY = "routes.all.concurrency="


@pytest.mark.parametrize(
    ("script", "sets", "blamed"),
    [
        # Nobody waits, and nothing is tried again: only to wait would have helped while it was gone.
        ("do: die", (), {"upstreams.app.hold: null (r.yaml:4)"}),
        ("do: die", (RETRY, "routes.all.retry.budget=null"), {"upstreams.app.hold: null (r.yaml:4)"}),
        ("do: die", (HELD, "upstreams.app.hold.timeout=200ms"), {"upstreams.app.hold.timeout: 200ms"}),
        ("do: die", (HELD, "upstreams.app.hold.max_requests=3"), {"upstreams.app.hold.max_requests: 3"}),
        ("do: fail, ratio: 0.3", (), {"routes.all.retry: null (r.yaml:8)"}),
        ("do: fail, ratio: 0.3", ("routes.all.retry={mode: shadow}",), {"routes.all.retry.mode: shadow"}),
        ("do: fail, ratio: 0.3", ("routes.all.retry={methods: [POST]}",), {"routes.all.retry.methods: [POST]"}),
        ("do: fail, ratio: 0.3", ("routes.all.retry={on: [reset]}",), {"routes.all.retry.on: [reset]"}),
        ("do: stall, ratio: 0.3", (), {"routes.all.retry: null (r.yaml:8)"}),
        ("do: stall, ratio: 0.3", (RETRY,), {"routes.all.timeout.attempt: null (default)"}),
        ("do: slow, factor: 200", ("routes.all.timeout={request: 2s}",), {"routes.all.timeout.request: 2s"}),
        ("do: slow, factor: 200", ("routes.all.timeout={attempt: 2s}",), {"routes.all.timeout.attempt: 2s"}),
        ("do: slow, factor: 20", (CONCURRENCY + "{max: 4}",), {"routes.all.concurrency.max: 4"}),
        ("do: slow, factor: 20", (CONCURRENCY + "{max: 4, max_queue: 2}",), {"routes.all.concurrency.max_queue: 2"}),
        (
            "do: slow, factor: 20",
            (CONCURRENCY + "{max: 4, max_queue: 900, max_wait: 100ms}",),
            {"routes.all.concurrency.max_wait: 100ms"},
        ),
        (
            "do: slow, factor: 20",
            ("upstreams.app.pool.max_connections=1", "routes.all.timeout={request: 1s}"),
            {"upstreams.app.pool.max_connections: 1"},
        ),
        # The rules are too tight for a backend with which nothing is wrong.
        ("", ("routes.all.timeout={request: 5ms}",), {"routes.all.timeout.request: 5ms"}),
        ("", ("routes.all.timeout={attempt: 5ms}",), {"routes.all.timeout.attempt: 5ms"}),
        ("", ("listeners.public.max_connections=2",), {"listeners.public.max_connections: 2"}),
        ("", ("routes.all.match.path=/nowhere",), {"routes: all (r.yaml:6)"}),
        (
            "",
            ("upstreams.app.circuit_breaker={slow_ratio: 0.1, slow_after: 5ms, min_requests: 5}",),
            {"upstreams.app.circuit_breaker.slow_after: 5ms"},
        ),
        ("", ("routes.all.rate_limits=[{name: few, rate: 5/s}]",), {"routes.all.rate_limits.few.rate: 5/s"}),
        ("", ("routes.all.fault={abort: {ratio: 0.2}}",), {"routes.all.fault.abort.ratio: 0.2"}),
    ],
)
def test_the_one_thing_that_is_wrong_is_what_is_named(script: str, sets: tuple[str, ...], blamed: set[str]) -> None:
    verdict = _drilled(script, *sets)
    assert verdict.errors > 0
    assert {group.cause.kind for group in verdict.groups} == {"price"}
    named = Counter[str]()
    for group in verdict.groups:
        setting = str(group.cause.setting)
        named[next((one for one in blamed if setting.startswith(one)), setting)] += group.count
    assert {one for one, count in named.items() if count > 0.1 * verdict.errors} == blamed


@pytest.mark.parametrize(
    ("script", "load", "code"),
    [
        ("do: reset", "methods: {POST: 1}", "answer_begun"),
        ("do: garbage", "methods: {POST: 1}", "not_repeatable"),
        ("do: slow, factor: 100, for: 9s", "gives_up: 1s", "gave_up"),
        ("do: slow, factor: 100", 'headers: {x-request-timeout-ms: "1000"}', "gave_up"),
        ("do: stall, for: 9s", "gives_up: 1s", "gave_up"),
    ],
)
def test_what_no_rule_could_have_saved_is_no_rules_price(script: str, load: str, code: str) -> None:
    verdict = _drilled(script, RETRY, HELD, load=load)
    assert {(group.cause.kind, group.cause.code) for group in verdict.groups} == {("unavoidable", code)}


def _drilled(wrong: str, *sets: str, load: str = "clients: 20") -> Verdict:
    lasts = "" if "for:" in wrong else ", for: 2s"
    script = f"[{{at: 500ms, {wrong}{lasts}}}]" if wrong else "[]"
    told = load_scenario(f"name: s\nduration: 3s\nload: {{rate: 30/s, {load}}}\nscript: {script}\n", "s.yaml")
    loaded = load_text(FILE, "r.yaml", Given(sets=sets, allow_faults=True))
    return judge(run_drill(told, loaded))


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
