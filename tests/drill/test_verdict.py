"""The verdict puts each client error under exactly one cause, whatever has happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.drill.causes import CLASSES
from sidecar.drill.record import Attempt, Count, End, Endpoint, Ill, Record
from sidecar.drill.scenario import Backend, Do, Scenario, Step
from sidecar.drill.verdict import judge
from tests.doubles.drills import OTHER, WELL, endpoint, record, request, settled_rules

_REASONS = [
    "", "circuit_open", "no_endpoint", "request_timeout", "connect_failure", "reset", "attempt_timeout",
    "rate_limited", "concurrency_limited", "overloaded", "internal_error", "bad_request", "draining",
]  # fmt: skip
_ENDS: list[End] = ["failed", "aborted", "stalled"]
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
            end = draw(st.sampled_from(_ENDS))
            attempts.append(Attempt(number, WELL, began, began + seconds, end))
    slow = (Step(at=0.0, do="slow", factor=10.0),)
    scenario = Scenario(name="any", duration=10.0, script=slow, backend=Backend(places=draw(st.integers(0, 2))))
    whys = st.tuples(st.floats(0, 10), st.sampled_from(["budget", "circuit_open", "deadline"]))
    counts = [Count(at, "retry_skipped", "everything", why) for at, why in draw(st.lists(whys, max_size=5))]
    loaded = settled_rules(endpoints=(WELL, OTHER))
    return record(requests, endpoints=ends, attempts=attempts, counts=counts, scenario=scenario, loaded=loaded)


@given(_records())
def test_every_error_has_exactly_one_cause_and_only_a_price_names_its_key(found: Record) -> None:
    verdict = judge(found)
    told = [number for group in verdict.groups for number in group.requests]
    assert sorted(told) == [one.number for one in found.requests if not one.ok]
    assert verdict.errors == len(told) == sum(verdict.count(kind) for kind in CLASSES)
    for group in verdict.groups:
        assert (group.cause.setting is not None) == (group.cause.kind == "price")
        assert group.first <= group.last
    assert judge(found) == verdict
