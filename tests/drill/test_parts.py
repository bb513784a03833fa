"""What each policy has done."""

from sidecar.drill.figures import State
from sidecar.drill.parts import Part, listed, parts
from sidecar.drill.record import Count, Event, Record
from sidecar.drill.report import Report
from sidecar.drill.verdict import judge
from tests.doubles.drills import WELL, outage, record, refused, request, settled_rules


def _parts(found: Record) -> dict[str, Part]:
    return {one.policy: one for one in Report.of(found).parts}


def test_a_retry_is_told_with_what_it_saved_and_what_it_left() -> None:
    counts = [
        *[Count(1.0, "retried", "everything", "503")] * 3,
        Count(1.0, "retried", "everything", "reset"),
        Count(1.0, "retry_skipped", "everything", "budget"),
    ]
    part = _parts(record([request(0, attempts=2), request(1)], counts=counts))["retry"]
    assert part.did == "tried 4 again (503 × 3, reset × 1); did not for budget × 1"
    assert (part.saved, part.cost) == (1, 0)
    assert str(part.setting) == "routes.everything.retry.max_attempts: 3 (default)"


def test_a_breaker_is_told_with_how_long_it_was_open_and_what_that_cost() -> None:
    part = _parts(outage())["circuit_breaker"]
    assert part.did == "opened once, 14.1 s in all; refused 140"
    assert part.cost == 100  # the others were refused while nobody was there
    assert part.setting.value == "30s"


def test_a_policy_that_is_off_is_told_of_where_that_was_the_price() -> None:
    part = _parts(outage())["hold"]
    assert (part.did, part.cost, str(part.setting)) == (
        "is off",
        50,
        "upstreams.app.hold: null (--set upstreams.app.hold)",
    )


def test_a_policy_that_had_no_occasion_says_so() -> None:
    part = _parts(record([request()]))["circuit_breaker"]
    assert (part.did, part.saved, part.cost) == ("had nothing to do", 0, 0)


def test_only_what_was_in_force_on_the_way_is_told() -> None:
    assert set(_parts(record([request()]))) == {"timeout", "retry", "circuit_breaker"}


def test_a_hold_is_told_with_those_it_let_go() -> None:
    counts = [Count(1.0, "hold", "app", word) for word in ("held", "held", "held", "released", "released", "timed_out")]
    part = _parts(record([request()], loaded=settled_rules("upstreams.app.hold.timeout=5s"), counts=counts))["hold"]
    assert (part.did, part.saved) == ("held 3, let go 2; timed_out × 1", 2)


def test_limits_ejections_and_checks_are_told() -> None:
    loaded = settled_rules(
        "routes.everything.concurrency.max=5", "upstreams.app.ejection.base=5s", "upstreams.app.health_check.path=/up"
    )
    found = record(
        [request(), refused("concurrency_limited", 1, rule="everything/concurrency")],
        loaded=loaded,
        counts=[
            Count(1.0, "rejected", "everything", "concurrency_limited", "everything/concurrency"),
            Count(1.0, "check", "app", "ok"),
        ],
        events=[
            Event(1.0, "ejected", WELL, "", {"upstream": "app"}),
            Event(1.0, "health", WELL, "", {"upstream": "app", "to": "down"}),
        ],
    )
    told = _parts(found)
    assert told["concurrency"].did == "refused 1"
    assert told["concurrency"].cost == 1
    assert told["ejection"].did == "took an endpoint out once"
    assert told["health_check"].did == "asked 1 times; found an endpoint down × 1"


def test_a_fallback_saved_what_it_stood_in_for() -> None:
    loaded = settled_rules("routes.everything.fallback.body=sorry", "routes.everything.fallback.status=200")
    part = _parts(record([request(fallback="static")], loaded=loaded))["fallback"]
    assert (part.did, part.saved) == ("stood in for 1", 1)


def test_nothing_is_told_of_a_breaker_without_states() -> None:
    found = outage()
    told = {one.policy: one.did for one in parts(found, judge(found), {"upstream.other": [State(0, 1, "open")]})}
    assert told["circuit_breaker"] == "had nothing to do"


def test_counts_are_listed_with_the_most_first() -> None:
    assert listed({"b": 1, "c": 5, "a": 1}) == "c × 5, a × 1, b × 1"
