"""What somebody has to look after is told, the worst first; what is well is not."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.cli.alarms import alarms, failing, refused, standing, state
from sidecar.cli.rates import Flow, Pace
from sidecar.cli.sheets import Tone, plain
from tests.doubles.sample_status import ALONE, BREAKER, BY_HAND, CALM, ENDPOINT, STATUS, UPSTREAM, WELL

FAILED = {"result": "failed", "why": "file changed", "problems": ["a.yaml:3:7: error: `20` is not a rate"]}

ENDING = {"names": ["app.test", "b.test"], "subject": "CN=app", "not_after": WELL["time"] + 14 * 86400 - 1}


def said(**changes: Any) -> list[str]:
    return plain(alarms(WELL | changes))


def test_what_is_well_raises_no_alarm() -> None:
    assert said() == []
    reloaded = FAILED | {"result": "reloaded", "problems": []}
    assert said(reload={"last": reloaded, "last_error": FAILED}) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"not_ready": ["upstream app: down"]}, "not ready: upstream app: down"),
        ({"pressure": CALM | {"accepting": False}}, "new connections wait: no descriptor is left for them"),
        (
            {"pressure": CALM | {"memory": {"shedding": True, "resident_bytes": 218 << 20, "limit_bytes": 217 << 20}}},
            "new requests are refused: 218MiB resident, more than overload.max_memory",
        ),
        ({"reload": {"last": FAILED}}, "the last reload failed (file changed): a.yaml:3:7: error: `20` is not a rate"),
        (
            {"reload": {"last": FAILED | {"problems": ["a.yaml: error: it is empty", "and", "so on"]}}},
            "the last reload failed (file changed): a.yaml: error: it is empty, and 2 more",
        ),
        (
            {"listeners": [{"name": "public", "tls": {"certificates": [ENDING]}}]},
            "the certificate of app.test ends in 13d (listener public)",
        ),
        (
            {"upstreams": [UPSTREAM | {"certificates": [ENDING | {"names": [], "not_after": WELL["time"] - 1}]}]},
            "the certificate of CN=app has ended (upstream app)",
        ),
        (
            {"breakers": {"upstream.app": BREAKER}},
            "breaker upstream.app is open, next probe in 12s (6 of 10 attempts failed, 1 was slow)",
        ),
        (
            {"breakers": {"upstream.app": BREAKER | {"state": "half_open", "open_remaining": 0.0, "slow": 0}}},
            "breaker upstream.app is half_open (6 of 10 attempts failed)",
        ),
        (
            {"breakers": {"upstream.app": BREAKER | {"requests": 0, "failures": 0, "slow": 0}}},
            "breaker upstream.app is open, next probe in 12s (6 of 10 attempts failed within 10s)",
        ),
        ({"breakers": {"route.all": BY_HAND}}, "breaker route.all is open, by hand, in shadow"),
        (
            {"breakers": {"route.all": BY_HAND | {"state": "closed", "forced": "closed", "shadow": False}}},
            "breaker route.all is closed, by hand",
        ),
        (
            {"upstreams": [UPSTREAM | {"endpoints": [ENDPOINT | {"down": True, "why_down": "status 503"}]}]},
            "endpoint app/127.0.0.1:3000 is down: status 503",
        ),
        (
            {"upstreams": [UPSTREAM | {"retry_budgets": [{"ratio": 0.2, "min_per_second": 1.0, "available": 0.4}]}]},
            "the retry budget of upstream app is used up: it is not retried",
        ),
        (
            {"workers": [{"slot": 1, "phase": "restarting", "restarts": 3}]},
            "worker 1 is restarting, restarted 3 times",
        ),
        (
            {"pressure": CALM | {"descriptors": {"limit": 100, "for_connections": 50, "needed": 46}}},
            "descriptors run out: 46 of 50 are needed",
        ),
        (
            {"pressure": CALM | {"memory": {"shedding": False, "resident_bytes": 91 << 20, "limit_bytes": 100 << 20}}},
            "memory is nearly used up: 91MiB of 100MiB",
        ),
        ({"loop_lag_seconds": 0.25}, "the process is late by 250ms: it has too little CPU time"),
        (
            {"upstreams": [UPSTREAM | {"endpoints": [ENDPOINT | {"pool": {"waiting": 3}}]}]},
            "endpoint app/127.0.0.1:3000: 3 wait for a connection, its pool is used up",
        ),
        (
            {"upstreams": [UPSTREAM | {"policies": {"app/hold": {"max_requests": 9, "held": 7, "seconds": 3.0}}}]},
            "7 of 9 requests held by app/hold",
        ),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], line: str) -> None:
    assert said(**change) == [line]


def test_the_worst_comes_first() -> None:
    drained = UPSTREAM | {"endpoints": [ENDPOINT | {"drained": True}, ENDPOINT | {"down": True}]}
    found = alarms(WELL | {"upstreams": [drained], "breakers": {"upstream.app": BREAKER}})
    assert [cell.tone for (cell,) in found] == [Tone.BAD, Tone.BAD, Tone.WARN]


def test_a_budget_that_allows_no_retry_is_not_used_up() -> None:
    none = {"ratio": 0.0, "min_per_second": 0.0, "available": 0.0}
    assert said(upstreams=[UPSTREAM | {"retry_budgets": [none]}]) == []


def test_workers_that_go_with_the_instance_are_no_alarm() -> None:
    workers = [{"slot": 0, "phase": "draining", "restarts": 0}, {"slot": 1, "phase": "stopped", "restarts": 0}]
    assert said(phase="draining", workers=workers) == []


def test_a_route_whose_backend_answers_with_errors_is_told() -> None:
    flows = {
        "a": Flow(requests=10.0, errors=4.0),
        "refused": Flow(requests=10.0, errors=5.0, refused=5.0),
        "limited": Flow(requests=10.0, errors=5.0, refused=5.0),
        "few": Flow(requests=100.0, errors=4.0),
        "idle": Flow(),
    }
    refusals = {("refused", "app/circuit_breaker", "circuit_open"): 5.0, ("limited", "l/all", "rate_limited"): 5.0}
    assert plain(failing(Pace(1.0, flows, {}, refusals))) == [
        "50.0% of the answers of limited are 5xx of the backend (5.0/s)",
        "40.0% of the answers of a are 5xx of the backend (4.0/s)",
    ]


def test_an_instance_without_workers_is_not_ready() -> None:
    assert plain(alarms(ALONE)) == ["not ready: serving: no worker serves"]


def test_a_refusal_names_its_rule_and_its_reason() -> None:
    assert plain([refused(("login", "login/per-client", "rate_limited"), "3.1/s")]) == [
        "refused 3.1/s: rate_limited by login/per-client (route login)"
    ]
    assert plain([refused(("-", "", "no_route"), "4 since the start")]) == [
        "refused 4 since the start: no_route (route -)"
    ]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "ready"),
        ({"ejection": None}, "ready"),
        ({"workers": {"taking_attempts": 2, "all": 2}}, "ready"),
        ({"workers": {"taking_attempts": 1, "all": 2}}, "ready in 1 of 2 workers"),
        ({"ejection": {"state": "ejected", "seconds_left": 59.1}}, "ejected 1m"),
        ({"down": True, "ejection": {"state": "ejected", "seconds_left": 59.1}}, "down"),
        ({"down": True, "why_down": "status 503"}, "down: status 503"),
        ({"down": True, "drained": True}, "drained"),
        ({"takes_attempts": False}, "out"),
    ],
)
def test_an_endpoint_s_state_is_told_in_a_word(change: dict[str, Any], word: str) -> None:
    cell = standing(ENDPOINT | change)
    assert cell.text == word
    assert (cell.tone is Tone.GOOD) == (word == "ready")


@pytest.mark.parametrize(
    ("change", "word", "tone"),
    [
        ({}, "open", Tone.BAD),
        ({"shadow": True}, "open, in shadow", Tone.WARN),
        ({"state": "half_open"}, "half_open", Tone.WARN),
        ({"state": "closed"}, "closed", Tone.GOOD),
        ({"forced": "open"}, "open, by hand", Tone.BAD),
    ],
)
def test_a_breaker_s_state_says_who_holds_it(change: dict[str, Any], word: str, tone: Tone) -> None:
    assert state(BREAKER | change) == (word, tone)


def test_the_fixture_is_told_whole() -> None:
    assert len(alarms(STATUS)) == 3
