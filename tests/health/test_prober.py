"""The prober in virtual time: who is looked at, how soon, what is told, and what follows from it."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.health.finding import STATUS, TLS_FAILURES, Finding
from sidecar.health.look import vigil
from sidecar.model.address import Address
from sidecar.model.outcome import Outcome
from sidecar.policies.contract import Applicant
from tests.doubles.clock import TICK
from tests.health.scene import CHECK, ONE, REFUSED, SHADOW, TWO, WELL, scene

ILL = Finding(STATUS, "status 503")
APP = "app/127.0.0.1:3001"


async def test_at_the_start_an_endpoint_is_down_until_its_first_success_and_is_looked_at_at_once() -> None:
    async with scene() as one:
        one.bar.clear()
        await one.start()
        assert (one.down(), one.endpoint().unchecked, len(one.looked)) == (True, True, 1)
        one.bar.set()
        await one.settled()
        assert not one.down()
        assert one.events() == [f"{APP} up: status 200"]
        assert one.counted() == {"success": 1}


async def test_one_that_is_not_up_yet_is_told_of_once_and_looked_at_often() -> None:
    async with scene() as one:
        one.finds[3001] = REFUSED
        await one.start()
        assert one.verdicts.why(one.endpoint()) == "connection refused"
        assert await one.passes(10.0) in range(9, 12)  # an interval of 5 s, a fifth of it
        assert one.events() == [f"{APP} down: connection refused"]
        one.finds[3001] = WELL
        await one.looks(1)
        assert not one.down()
        assert one.verdicts.why(one.endpoint()) == ""
        assert one.events()[1:] == [f"{APP} up: status 200"]


async def test_failures_in_a_row_take_it_out_and_successes_in_a_row_bring_it_back() -> None:
    async with scene() as one:
        await one.start()
        one.finds[3001] = ILL
        await one.looks(2)
        assert not one.down()
        await one.looks(1)
        assert one.down()
        one.finds[3001] = WELL
        await one.looks(1)
        assert one.down()
        await one.looks(1)
        assert not one.down()
        assert one.events() == [f"{APP} up: status 200", f"{APP} down: status 503", f"{APP} up: status 200"]
        assert one.counted() == {"success": 3, "status": 3}


async def test_one_that_is_well_is_looked_at_once_an_interval() -> None:
    async with scene() as one:
        await one.start()
        assert await one.passes(50.0) in range(9, 12)


async def test_why_it_is_down_follows_the_last_failure_and_makes_no_event_of_it() -> None:
    async with scene() as one:
        one.finds[3001] = REFUSED
        await one.start()
        one.finds[3001] = ILL
        await one.looks(1)
        assert one.verdicts.why(one.endpoint()) == "status 503"
        assert len(one.events()) == 1


async def test_a_look_that_raises_is_a_failure_and_not_the_last() -> None:
    async with scene() as one:
        one.finds[3001] = RuntimeError("boom")
        await one.start()
        assert one.events() == [f"{APP} down: boom"]
        one.finds[3001] = WELL
        await one.looks(1)
        assert not one.down()


async def test_one_that_nobody_listened_on_is_looked_at_often_and_one_success_brings_it_back() -> None:
    async with scene() as one:
        await one.start()
        one.finds[3001] = REFUSED
        now = one.wheel.now()
        assert one.upstream.lost(now, one.endpoint(), now)
        assert one.down()
        await one.looks(3)
        one.finds[3001] = WELL
        await one.looks(1)
        assert not one.down()
        assert one.events()[1:] == [f"{APP} down: cannot be connected to", f"{APP} up: status 200"]


async def test_a_look_that_began_before_the_endpoint_was_lost_says_nothing() -> None:
    async with scene() as one:
        await one.start()
        one.bar.clear()
        await one.looks(1)
        now = one.wheel.now()
        one.upstream.lost(now, one.endpoint(), now)
        one.bar.set()
        await one.settled()
        assert one.down()
        await one.looks(1)
        assert not one.down()


async def test_without_a_check_a_lost_endpoint_is_knocked_at_until_it_opens_and_then_left_alone() -> None:
    async with scene(upstream="connect_timeout: 2s") as one:
        await one.start()
        assert (one.down(), await one.passes(10.0)) == (False, 0)
        one.finds[3001] = REFUSED
        now = one.wheel.now()
        assert one.upstream.lost(now, one.endpoint(), now)
        one.upstream.lost(now, one.endpoint(), now)
        assert await one.passes(2.0, TICK) in range(14, 23)  # every 100 ms, and up to a tick later
        assert {spec for _, spec in one.looked} == {vigil(2.0)}
        one.finds[3001] = WELL
        await one.looks(1)
        assert not one.down()
        assert await one.passes(10.0) == 0
        assert one.events() == [f"{APP} down: cannot be connected to", f"{APP} up: status 200"]


@pytest.mark.parametrize("failure", TLS_FAILURES)
async def test_where_only_tls_fails_somebody_listens_and_requests_are_to_be_told(failure: str) -> None:
    async with scene(upstream="connect_timeout: 1s") as one:
        await one.start()
        now = one.wheel.now()
        one.upstream.lost(now, one.endpoint(), now)
        one.finds[3001] = Finding(failure, "its certificate is bad")
        await one.looks(1)
        assert not one.down()
        assert one.events()[1:] == [f"{APP} up: accepts connections: its certificate is bad"]
        assert one.counted() == {failure: 1}


async def test_a_vigil_keeps_to_the_connect_timeout_of_new_rules() -> None:
    async with scene(upstream="connect_timeout: 1s") as one:
        one.finds[3001] = REFUSED
        await one.start()
        now = one.wheel.now()
        one.upstream.lost(now, one.endpoint(), now)
        one.reload(ONE, upstream="connect_timeout: 3s")
        await one.looks(1)
        assert one.looked[-1][1] == vigil(3.0)
        assert one.down()


async def test_who_joins_beside_one_that_serves_is_down_until_looked_at_within_a_second() -> None:
    async with scene(ONE) as one:
        await one.start()
        one.reload(ONE, TWO)
        assert (one.down(3001), one.down(3002)) == (False, True)
        await one.passes(1.1)
        assert not one.down(3002)


async def test_who_takes_the_place_of_all_others_is_looked_at_at_once() -> None:
    async with scene(ONE) as one:
        await one.start()
        one.reload(TWO)
        assert one.down(3002)
        await one.settled()
        assert not one.down(3002)
        assert await one.passes(20.0) in range(3, 6)
        assert {port for port, _ in one.looked[1:]} == {3002}  # and the one that left no more


async def test_a_name_is_not_looked_at_before_it_has_an_address_and_its_addresses_begin_down() -> None:
    async with scene("http://app.internal:3001", reachable=False) as one:
        await one.start()
        assert await one.passes(3.0) == 0
        one.reachable = True
        name = one.endpoint()
        one.upstream.replace_endpoints([name.resolved(Address("10.0.0.1", 3001))])
        one.prober.follow(one.runtime)
        assert one.down()
        await one.settled()
        assert not one.down()


async def test_a_check_that_comes_with_a_reload_leaves_those_that_serve_up_until_it_says_otherwise() -> None:
    async with scene(ONE, TWO, upstream="connect_timeout: 1s") as one:
        await one.start()
        one.finds[3001] = ILL
        one.reload(ONE, TWO)
        assert (one.down(3001), one.down(3002)) == (False, False)
        await one.passes(5.0)
        assert (one.down(3001), one.down(3002)) == (True, False)


async def test_a_reload_that_changes_nothing_of_it_keeps_what_was_counted_and_the_next_look() -> None:
    async with scene() as one:
        await one.start()
        one.finds[3001] = ILL
        await one.looks(2)
        one.reload(ONE, upstream=f"{CHECK}\n    connect_timeout: 2s")
        await one.looks(1)
        assert one.down()
        one.finds[3001] = WELL
        await one.looks(2)
        assert not one.endpoint().down


async def test_a_changed_rule_keeps_it_down_and_is_asked_by_soon() -> None:
    async with scene() as one:
        one.finds[3001] = REFUSED
        await one.start()
        one.reload(ONE, upstream="health_check: {path: /other, interval: 1h}")
        assert one.down()
        await one.passes(1.1)
        assert one.looked[-1][1].path == "/other"
        assert one.down()


async def test_a_look_under_the_old_rule_says_nothing_under_the_new() -> None:
    async with scene() as one:
        one.bar.clear()
        await one.start()
        one.reload(ONE, upstream="health_check: {path: /other}")
        one.bar.set()
        await one.settled()
        assert one.down()
        await one.passes(1.1)
        assert (one.looked[-1][1].path, one.down()) == ("/other", False)


@pytest.mark.parametrize("without", ["connect_timeout: 1s", SHADOW])
async def test_one_that_is_down_when_its_check_goes_is_back_when_it_accepts_connections(without: str) -> None:
    async with scene() as one:
        one.finds[3001] = REFUSED
        await one.start()
        one.reload(ONE, upstream=without)
        assert one.down()
        await one.passes(1.0)
        assert one.down()
        one.finds[3001] = WELL
        await one.passes(0.3)
        assert not one.down()


async def test_in_shadow_mode_it_is_looked_at_counted_and_told_and_nobody_goes_down() -> None:
    async with scene(upstream=SHADOW) as one:
        one.finds[3001] = REFUSED
        await one.start()
        assert len(one.looked) == 1
        await one.looks(3)
        assert not one.down()
        assert one.events() == [f"{APP} would be down (shadow): connection refused"]
        assert one.counted() == {"connect_failure": 4}


async def test_a_check_that_leaves_shadow_mode_takes_nobody_out_for_what_was_counted_in_it() -> None:
    async with scene(upstream=SHADOW) as one:
        one.finds[3001] = REFUSED
        await one.start()
        await one.looks(3)
        one.reload(ONE)
        assert not one.down()
        await one.passes(4.0)
        assert one.down()


async def test_in_shadow_mode_one_that_nobody_listened_on_is_brought_back_by_connecting() -> None:
    async with scene(upstream=SHADOW) as one:
        one.finds[3001] = ILL
        await one.start()
        now = one.wheel.now()
        one.upstream.lost(now, one.endpoint(), now)
        assert one.down()
        one.finds[3001] = WELL
        await one.passes(0.3)
        assert not one.down()


async def test_a_success_closes_a_half_open_breaker_without_traffic_and_a_failure_opens_it_again() -> None:
    breaker = "circuit_breaker: {consecutive_failures: 1, open_for: 8s, half_open_requests: 1}"
    async with scene(upstream=f"{CHECK}\n    {breaker}") as one:
        await one.start()
        circuit = one.runtime.breakers["upstream.app"]
        now = one.wheel.now()
        circuit.settle(now, circuit.try_acquire(now, Applicant()), Outcome.FAILURE, 0.1)
        assert circuit.snapshot(now)["state"] == "open"
        one.finds[3001] = ILL
        await one.passes(10.0)
        assert circuit.snapshot(one.wheel.now())["opened"] == 2
        one.finds[3001] = WELL
        await one.passes(25.0)
        assert circuit.snapshot(one.wheel.now())["state"] == "closed"


async def test_results_go_to_the_breaker_but_not_that_one_of_several_is_ill() -> None:
    async with scene(ONE, TWO) as one:
        told = one.verdicts.probed
        await one.start()
        assert told == [("app", True), ("app", True)]
        told.clear()
        one.finds[3001] = ILL
        await one.passes(20.0)
        assert set(told) == {("app", True)}
        one.finds[3002] = ILL
        await one.passes(20.0)
        assert ("app", False) in told


async def test_verdicts_can_be_told_to_somebody_else() -> None:
    async with scene() as one:
        told: list[tuple[str, str, bool, str]] = []
        one.prober._told = lambda *verdict: told.append(verdict)
        await one.start()
        assert told == [("app", APP, True, "status 200")]
        assert one.down()  # nobody has applied it


async def test_another_process_reports_by_name_whom_it_could_not_reach() -> None:
    async with scene() as one:
        await one.start()
        one.prober.lost("app", APP)
        one.prober.lost("app", "app/127.0.0.1:9")
        one.prober.lost("other", APP)
        assert one.down()
        await one.looks(1)
        assert not one.down()


async def test_closing_ends_every_look_and_begins_no_other() -> None:
    async with scene() as one:
        one.bar.clear()
        await one.start()
        await one.prober.close()
        assert len(one.prober._tasks) == 0
        one.bar.set()
        assert await one.passes(20.0) == 0
        one.prober.unreachable(one.endpoint())
        await one.prober.close()


async def test_a_look_outlasts_the_endpoint_it_was_for_and_changes_nothing() -> None:
    async with scene(ONE) as one:
        one.bar.clear()
        await one.start()
        gone = one.endpoint(3001)
        one.reload(TWO)
        one.bar.set()
        await one.settled()
        assert gone.down
        assert not one.down(3002)
        await asyncio.sleep(0)
        assert one.events() == ["app/127.0.0.1:3002 up: status 200"]
