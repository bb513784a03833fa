"""What the rules say of a request."""

from typing import Any

import pytest

from sidecar.drill.in_force import InForce
from sidecar.drill.record import Event, Ill, Request
from sidecar.drill.scenario import Load
from tests.doubles.drills import OTHER, WELL, endpoint, record, request, settled_rules

INF = float("inf")


def _rules(*sets: str, load: Load | None = None, **told: Any) -> InForce:
    return InForce(record([], loaded=settled_rules(*sets), load=load, **told))


def test_the_deadline_is_the_rules_or_the_clients_own_patience() -> None:
    asked = request(began=2.0)
    assert _rules().deadline(asked) == 17.0
    assert _rules("routes.everything.timeout.request=3s").deadline(asked) == 5.0
    assert _rules("routes.everything.timeout=null").deadline(asked) == float("inf")
    assert _rules(load=Load(gives_up=1.0)).deadline(asked) == 3.0
    assert _rules(load=Load(headers={"X-Request-Timeout-Ms": "500"})).deadline(asked) == 2.5


def test_a_client_is_impatient_that_waits_for_less_than_the_rules_allow() -> None:
    assert _rules(load=Load(gives_up=1.0)).is_impatient(request())
    assert not _rules(load=Load(gives_up=60.0)).is_impatient(request())
    assert not _rules().is_impatient(request())


@pytest.mark.parametrize(
    ("sets", "method", "repeatable"),
    [
        ((), "GET", True),
        ((), "POST", False),
        (("routes.everything.retry.methods=all",), "POST", True),
        (("routes.everything.retry.methods=[POST]",), "POST", True),
        (("routes.everything.retry.methods=[POST]",), "GET", True),
        (("routes.everything.retry=null",), "PUT", True),
    ],
)
def test_what_may_be_sent_twice_is_what_does_no_harm_or_the_retry_rule_vouches_for(
    sets: tuple[str, ...], method: str, repeatable: bool
) -> None:
    assert _rules(*sets).is_repeatable(request(method=method)) is repeatable


def test_a_timeout_that_only_shadows_bounds_nothing() -> None:
    told = _rules("routes.everything.timeout.attempt=3s")
    assert (told.time(request()), told.attempt_time(request())) == (15.0, 3.0)
    shadow = _rules("routes.everything.timeout={attempt: 3s, mode: shadow}")
    assert (shadow.time(request()), shadow.attempt_time(request())) == (INF, INF)


@pytest.mark.parametrize(
    ("sets", "key"),
    [
        ((), None),
        (("routes.everything.retry=null",), "retry: null"),
        (("routes.everything.retry.mode=shadow",), "retry.mode: shadow"),
        (("routes.everything.retry.methods=[POST]",), "retry.methods: [POST]"),
    ],
)
def test_what_keeps_a_request_from_another_attempt_is_named(sets: tuple[str, ...], key: str | None) -> None:
    found = _rules(*sets).no_retry(request())
    assert (found and f"{found.key}: {found.value}") == (key and f"routes.everything.{key}")


def test_the_wait_before_another_attempt_doubles_up_to_its_bound() -> None:
    waits = [_rules().longest_backoff(request(attempts=attempts)) for attempts in (1, 2, 99)]
    assert waits == [0.025, 0.05, 1.0]


def test_a_breaker_that_opened_again_was_open_for_longer_than_the_first_time() -> None:
    told = [(3.0, "closed", "open"), (33.0, "open", "half_open"), (33.5, "half_open", "open")]
    events = [Event(at, "breaker", "upstream.app", "", {"from": before, "to": after}) for at, before, after in told]

    def blamed(at: float, *sets: str) -> tuple[str, str]:
        found = _rules(*sets, events=events).open_for(request(began=at, rule="app/circuit_breaker"))
        return found.key.removeprefix("upstreams.app.circuit_breaker."), found.value

    assert blamed(20.0) == blamed(40.0) == ("open_for", "30s")
    short = "upstreams.app.circuit_breaker.open_for=5s"
    assert (blamed(20.0, short), blamed(40.0, short)) == (("open_for", "5s"), ("max_open_for", "10s"))
    longer = "upstreams.app.circuit_breaker.max_open_for=60s"
    assert blamed(40.0, longer) == ("max_open_for", "1m")


def test_a_request_that_went_nowhere_could_have_gone_wherever_its_route_leads() -> None:
    rules = _rules()
    assert rules.upstreams(request(upstream="")) == ("app",)
    assert rules.upstreams(request(upstream="", route="")) == ("app",)


def test_a_retry_rule_that_only_shadows_tries_nothing_again() -> None:
    assert _rules("routes.everything.retry.mode=shadow").retry(request()) is None
    assert _rules().retry(request()) is not None


def test_an_upstream_is_gone_where_no_connection_comes_about() -> None:
    def gone(*ends: Ill) -> bool:
        endpoints = [endpoint(one, name=name) for one, name in zip(ends, (WELL, OTHER), strict=False)]
        return _rules(endpoints=endpoints).was_gone(_at(3.0))

    assert gone(Ill(2, 5, "die"), Ill(2, 5, "restart"))
    assert gone(Ill(2, 5, "unreachable"))
    assert not gone(Ill(2, 5, "die"), Ill(2, 5, "stall"))
    assert not gone(Ill(2, 2.5, "die"))


def _at(instant: float) -> Request:
    return request(began=instant, seconds=0.0)


def test_the_breaker_of_a_refusal_is_its_rules_owner() -> None:
    rules = _rules("routes.everything.circuit_breaker.open_for=5s")
    assert rules.breaker(request(rule="everything/circuit_breaker")) == "routes.everything.circuit_breaker"
    assert rules.breaker(request(rule="app/circuit_breaker")) == "upstreams.app.circuit_breaker"


def test_a_hold_is_as_long_as_its_rule_says() -> None:
    rules = _rules("upstreams.app.hold.timeout=7s")
    assert rules.hold_timeout(request()) == 7.0
    assert rules.has("upstreams.app", "hold")
    assert (_rules().hold_timeout(request()), _rules().has("upstreams.app", "hold")) == (0.0, False)
