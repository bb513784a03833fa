"""A whole drill: the same each time, nothing lost or counted twice, and the product's own policies at work."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.drill.record import Ill, Record
from sidecar.drill.run import drill, ills, run_drill
from sidecar.drill.scenario import Scenario, load_scenario
from sidecar.drill.staging import DrillError, Place
from sidecar.model.address import Address
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given

ONE = ("http://127.0.0.1:3000",)
THREE = ("http://127.0.0.1:3000", "http://127.0.0.1:3001", "http://127.0.0.1:3002")


def rules(*sets: str, upstreams: tuple[str, ...] = ONE) -> Loaded:
    """What the command line alone gives."""
    return load_text("", "command line", Given(upstreams=upstreams, sets=sets))


def scenario(script: str = "[]", more: str = "", duration: str = "6s", load: str = "{rate: 30/s}") -> Scenario:
    text = f"name: small\nduration: {duration}\nload: {load}\nscript: {script}\n{more}\n"
    return load_scenario(text, "small.yaml")


def ended(record: Record) -> Counter[str]:
    """How requests ended: `ok`, a failure, or why the proxy answered by itself."""
    return Counter("ok" if one.ok else one.failure or one.reason or str(one.status) for one in record.requests)


def test_with_a_well_backend_every_request_is_answered_in_its_time() -> None:
    record = run_drill(scenario(), rules())
    assert set(ended(record)) == {"ok"}
    assert {one.attempts for one in record.requests} == {1}
    assert {one.endpoint for one in record.requests} == {"app/127.0.0.1:3000"}
    assert {round(one.seconds, 6) for one in record.requests} == {0.02}
    assert record.endpoints[0].requests == len(record.requests) == len(record.attempts)
    assert record.notes == ()
    assert record.events == ()


SCRIPT = "[{at: 1s, for: 1s, do: die}, {at: 3s, for: 1s, do: fail, ratio: 0.5}, {at: 4s, for: 500ms, do: reset}]"
GUARDED = (
    "upstreams.app.ejection={consecutive_failures: 3}",
    "upstreams.app.health_check={path: /healthz}",
    "upstreams.app.hold={}",
)


def test_the_same_seed_gives_the_same_record_and_another_another() -> None:
    told = scenario(
        SCRIPT, "backend: {takes: {median: 20ms, p99: 200ms}}", load="{rate: 30/s, methods: {GET: 3, POST: 1}}"
    )
    loaded = rules(*GUARDED, upstreams=THREE)
    first, again, other = (run_drill(told, loaded, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first.requests != other.requests


STEPS = st.sampled_from(
    [
        "{at: 1s, for: 1s, do: refuse}",
        "{at: 1s, for: 1s, do: die, endpoints: 1}",
        "{at: 500ms, for: 2s, do: unreachable}",
        "{at: 1s, for: 2s, do: stall, ratio: 0.5}",
        "{at: 1s, for: 2s, do: reset, ratio: 0.5}",
        "{at: 0s, for: 2s, do: garbage}",
        "{at: 1s, do: truncate, endpoints: [0]}",
        "{at: 1s, for: 2s, do: slow, factor: 100}",
        "{at: 1s, for: 2s, do: fail, status: 500, ratio: 0.4}",
        "{at: 0s, do: flap, every: 500ms}",
        "{at: 1s, for: 1s, do: restart}",
    ]
)


@settings(max_examples=12)
@given(st.lists(STEPS, max_size=3), st.sampled_from([(), GUARDED]), st.sampled_from([ONE, THREE]))
def test_no_request_is_lost_or_counted_twice(
    steps: list[str], sets: tuple[str, ...], upstreams: tuple[str, ...]
) -> None:
    told = scenario(
        f"[{', '.join(steps)}]", duration="3s", load="{rate: 30/s, methods: {GET: 2, POST: 1}, gives_up: 20s}"
    )
    record = run_drill(told, rules(*sets, upstreams=upstreams))
    assert [one.number for one in record.requests] == list(range(len(record.requests)))
    assert sum(ended(record).values()) == len(record.requests)
    assert sum(endpoint.requests for endpoint in record.endpoints) == len(record.attempts)
    assert "not_its_own" not in ended(record)
    assert "malformed" not in ended(record)
    assert not [note for note in record.notes if note.startswith("fault")]
    for attempt in record.attempts:
        assert attempt.began <= attempt.ended


def test_a_request_that_is_never_answered_is_cut_and_counted() -> None:
    record = run_drill(
        scenario("[{at: 1s, do: stall}]", duration="2s"), rules("defaults.timeout={request: 0, attempt: 0}")
    )
    assert ended(record)["cut"] > 10
    assert record.seconds == pytest.approx(62.0, abs=0.5)


def test_retries_hide_single_failures_and_are_told_with_their_instants() -> None:
    record = run_drill(scenario("[{at: 1s, for: 4s, do: fail, ratio: 0.1}]"), rules())
    retried = [count for count in record.counts if count.kind == "retried"]
    assert retried
    assert all(1.0 <= count.at <= 5.1 and count.why == "503" for count in retried)
    assert set(ended(record)) == {"ok"}
    assert len(record.attempts) == len(record.requests) + len(retried)


def test_a_breaker_opens_and_closes_and_both_are_told() -> None:
    breaker = "upstreams.app.circuit_breaker={consecutive_failures: 5, open_for: 1s}"
    record = run_drill(scenario("[{at: 1s, for: 2s, do: fail}]"), rules(breaker, "defaults.retry=null"))
    told = [(event.fields["from"], event.fields["to"]) for event in record.events if event.kind == "breaker"]
    assert told[:2] == [("closed", "open"), ("open", "half_open")]
    assert told[-1] == ("half_open", "closed")
    assert {one.rule for one in record.requests if one.reason == "circuit_open"} == {"app/circuit_breaker"}
    assert ("breaker_state", ("upstream.app", "open"), 1.0) in {
        (one.name, one.labels, one.value) for one in record.readings
    }


def test_ejection_and_health_checks_spare_the_one_that_is_ill() -> None:
    record = run_drill(scenario("[{at: 1s, for: 4s, do: die, endpoints: 1}]"), rules(*GUARDED, upstreams=THREE))
    assert set(ended(record)) == {"ok"}
    ill, *well = record.endpoints
    assert ill.ill == (Ill(1.0, 5.0, "die"),)
    assert all(endpoint.checks > 0 and not endpoint.ill for endpoint in well)
    assert {event.subject for event in record.events if event.at > 0} == {ill.name}
    assert not [one for one in record.attempts if one.endpoint == ill.name and 1.2 < one.began < 5.0]


def test_those_who_find_nobody_are_held_until_somebody_is_back() -> None:
    record = run_drill(scenario("[{at: 1s, for: 2s, do: die}]"), rules("upstreams.app.hold={}"))
    assert set(ended(record)) == {"ok"}
    assert {count.why for count in record.counts if count.kind == "hold"} == {"held", "released"}
    assert max(one.seconds for one in record.requests) > 1.5


def test_limits_by_address_tell_the_clients_apart() -> None:
    limit = "defaults.rate_limits=[{name: each, rate: 1/s, key: client_ip}]"
    few = run_drill(scenario(load="{rate: 30/s, clients: 3}"), rules(limit))
    many = run_drill(scenario(load="{rate: 30/s, clients: 300}"), rules(limit))
    assert ended(few)["rate_limited"] > 100 > ended(many)["rate_limited"]


def test_more_than_the_backend_has_places_for_waits_there() -> None:
    record = run_drill(scenario(more="backend: {takes: 100ms, places: 2}", load="{rate: 40/s}", duration="4s"), rules())
    assert max(one.seconds for one in record.requests) > 2.0
    assert record.endpoints[0].most > 20


def test_a_scenario_that_meets_no_route_or_endpoint_is_told_so() -> None:
    text = (
        "version: 1\nlisteners: [{address: ':8080'}]\nupstreams: {app: {endpoints: ['http://127.0.0.1:3000']}}\n"
        "routes: [{name: api, match: {path: /api}, upstream: app}, {name: web, match: {path: /web}, upstream: app}]\n"
    )
    loaded = load_text(text, "rules.yaml", Given())
    told = scenario("[{at: 1s, do: die, endpoints: [3]}]", load="{rate: 10/s, paths: {/api: 1, /: 1}}", duration="2s")
    record = run_drill(told, loaded)
    assert len(record.notes) == 3
    assert record.notes[0].startswith("some requests matched no route")
    assert record.notes[1:] == (
        "route web: the load asks for nothing there",
        "script, step 1: there is no such endpoint",
    )
    assert ended(record)["no_route"] > 0


def test_endpoints_are_called_what_the_rules_call_them_wherever_they_stand() -> None:
    loaded = rules(*GUARDED, upstreams=("http://app.internal:8080", "http://unix:/run/app.sock"))
    record = run_drill(scenario("[{at: 1s, for: 1s, do: die, endpoints: [0]}]", duration="3s"), loaded)
    names = {"app/app.internal:8080", "app/unix:/run/app.sock"}
    assert {endpoint.name for endpoint in record.endpoints} == names
    assert {attempt.endpoint for attempt in record.attempts} == names
    assert {event.subject for event in record.events if event.at > 0} == {"app/app.internal:8080"}
    assert {one.endpoint for one in record.requests} <= {*names, ""}


OUTWARD = """\
version: 1
listeners:
  - {name: public, address: '0.0.0.0:8080', proxy_protocol: true, trusted_proxies: [127.0.0.0/8],
     tls: {certificate: /nowhere/tls.crt, private_key: /nowhere/tls.key}}
  - {name: local, address: 'unix:/nowhere/sidecar.sock', unix: {mode: '0600'}}
  - {name: raw, address: ':5432', protocol: tcp}
admin: {address: '127.0.0.1:9901'}
tracing: {export: {endpoint: 'http://127.0.0.1:4318'}}
upstreams:
  app:
    endpoints: ['https://app.internal', 'http://localhost:3000', 'unix:/nowhere/app.sock']
    health_check: {path: /healthz}
  db: {endpoints: ['tcp://db.internal:5432']}
routes: [{name: db, match: {listener: raw}, upstream: db}, {name: all, upstream: app}]
"""


def test_nothing_outside_of_the_drill_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("a drill has left the process")

    for name in ("bind", "listen", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, touched)
    for module, name in ((socket, "getaddrinfo"), (os, "unlink"), (os, "mkdir"), (os, "chmod")):
        monkeypatch.setattr(module, name, touched)
    loaded = load_text(OUTWARD, "rules.yaml", Given())
    record = run_drill(scenario("[{at: 1s, for: 500ms, do: die}]", duration="2s"), loaded)
    assert set(ended(record)) == {"ok"}
    assert not [note for note in record.notes if note.startswith("fault")]


def test_real_time_runs_the_same_on_loopback() -> None:
    told = scenario("[{at: 200ms, for: 200ms, do: die, endpoints: 1}]", duration="600ms", load="{rate: 60/s}")
    record = run_drill(told, rules(*GUARDED, upstreams=THREE), real=True)
    assert record.real
    assert [one.number for one in record.requests] == list(range(len(record.requests)))
    assert set(ended(record)) == {"ok"}
    assert {endpoint.name for endpoint in record.endpoints} == {f"app/127.0.0.1:300{number}" for number in range(3)}
    assert {attempt.endpoint for attempt in record.attempts} <= {endpoint.name for endpoint in record.endpoints}
    assert not record.notes


def test_rules_that_cannot_be_drilled_leave_nothing_behind() -> None:
    with pytest.raises(DrillError):
        run_drill(scenario(load="{listener: other}"), rules())


def test_virtual_time_needs_its_loop() -> None:
    with pytest.raises(ValueError, match="VirtualLoop"):
        asyncio.run(drill(scenario(), rules()))


def test_flapping_is_dying_again_and_again() -> None:
    place = Place("app", 0, "app/a:1", "app/a:1", Address("a", 1), 200)
    told = scenario("[{at: 1s, for: 4s, do: flap, every: 2s}, {at: 2s, do: stall, upstream: other}]")
    assert [ill for ill, _ in ills(told, place)] == [Ill(1.0, 2.0, "flap"), Ill(3.0, 4.0, "flap")]
    lasting = scenario("[{at: 1s, do: stall, endpoints: [0], ratio: 0.5}, {at: 1s, do: die, endpoints: [1]}]")
    assert [ill for ill, _ in ills(lasting, place)] == [Ill(1.0, math.inf, "stall", 0.5)]


EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "examples"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_can_be_drilled_unless_it_speaks_no_http(file: Path) -> None:
    given = Given(allow_faults=True, environ={"ADMIN_TOKEN": "secret"})
    loaded = load_text(file.read_text(), file.name, given)
    told = scenario(
        "[{at: 400ms, for: 200ms, do: die}]", duration="1s", load="{rate: 20/s, methods: {GET: 1, POST: 1}}"
    )
    if all(listener.protocol == "tcp" for listener in loaded.rules.listeners):
        with pytest.raises(DrillError):
            run_drill(told, loaded)
        return
    record = run_drill(told, loaded)
    assert ended(record)["ok"]
    assert "malformed" not in ended(record)
    assert not [note for note in record.notes if note.startswith("fault")]
