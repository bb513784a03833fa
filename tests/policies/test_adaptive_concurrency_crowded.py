"""A limit that is learned, in front of upstreams of every kind, in virtual time: what is there is used, nobody waits
long, and what Gradient2 and Envoy are known for does not happen."""

from __future__ import annotations

import random

import pytest

from sidecar.policies.adaptive_concurrency import AdaptiveLimit
from sidecar.policies.adaptive_spec import AdaptiveSpec
from tests.policies.crowd import Crowd, Gradient2, spread

SECONDS = 0.02
PLACES = 20
CAPACITY = PLACES / SECONDS  # a second
EVEN = spread(SECONDS, 0.5)


def adaptive() -> AdaptiveLimit:
    return AdaptiveLimit(AdaptiveSpec())


def crowd(limit: AdaptiveLimit | Gradient2, load: float, **kind: object) -> Crowd:
    """`load` times what twenty places of 20 ms can do."""
    given: dict[str, object] = {"rate": lambda now: load * CAPACITY, "places": lambda now: PLACES, "times": EVEN}
    return Crowd(limit, **{**given, **kind})  # type: ignore[arg-type]


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8, 1.0, 1.2, 2.0, 5.0])
def test_at_any_load_what_is_there_is_used_and_nobody_waits_long(load: float) -> None:
    alone = crowd(adaptive(), 0.2).run(10.0)
    seen = crowd(adaptive(), load).run(14.0)
    assert seen.rate(4.0, 14.0) >= 0.9 * CAPACITY * min(1.0, load)
    assert seen.seconds(0.5, 4.0) <= 2.0 * alone.seconds(0.5)
    assert seen.seconds(0.99, 4.0) <= 2.0 * alone.seconds(0.99)


@pytest.mark.parametrize("load", [1.5, 5.0])
def test_an_upstream_that_does_one_thing_at_a_time_has_a_few_in_line(load: float) -> None:
    limit = adaptive()
    seen = crowd(limit, load / PLACES, places=lambda now: 1).run(60.0)
    assert seen.rate(30.0, 60.0) >= 0.85 / SECONDS
    assert seen.mean(30.0) <= 6 * SECONDS


def test_times_of_a_long_tail_are_no_crowd() -> None:
    seen = crowd(adaptive(), 2.0, times=spread(SECONDS, 1.5)).run(30.0)
    assert seen.rate(5.0, 30.0) >= 0.9 * CAPACITY
    assert seen.mean(5.0) <= 2 * SECONDS


@pytest.mark.parametrize("load", [0.5, 3.0])
def test_a_few_slow_requests_among_many_fast_ones_are_no_crowd(load: float) -> None:
    def mixed(now: float, rng: random.Random) -> float:
        return 0.3 if rng.random() < 0.05 else 0.005

    capacity = PLACES / (0.05 * 0.3 + 0.95 * 0.005)
    seen = crowd(adaptive(), load, rate=lambda now: load * capacity, times=mixed).run(25.0)
    assert seen.rate(10.0, 25.0) >= 0.9 * capacity * min(1.0, load)
    assert seen.mean(10.0) <= 2.2 * PLACES / capacity


@pytest.mark.parametrize(("before", "after"), [(60, 20), (20, 60)])
def test_places_that_come_and_go_are_followed(before: int, after: int) -> None:
    seen = crowd(adaptive(), 3.5, places=lambda now: before if now < 10 else after).run(24.0)
    for since, until, places in ((5.0, 10.0, before), (14.0, 24.0, after)):
        assert seen.rate(since, until) >= 0.9 * places / SECONDS
        assert seen.mean(since, until) <= 2.0 * SECONDS


@pytest.mark.parametrize("times", [0.33, 3.0])
def test_an_upstream_that_becomes_faster_or_slower_is_known_anew(times: float) -> None:
    scale = [1.0]
    limit = adaptive()
    world = crowd(limit, 2.0 * max(1.0, 1 / times), times=lambda now, rng: scale[0] * EVEN(now, rng))
    assert world.run(10.0).mean(5.0) <= 2.0 * SECONDS
    scale[0] = times
    seen = world.run(40.0)
    assert seen.rate(30.0, 40.0) >= 0.9 * CAPACITY / times
    assert seen.mean(30.0) <= 2.0 * times * SECONDS
    assert limit.base == pytest.approx(times * SECONDS, rel=0.4)


@pytest.mark.parametrize("seed", range(8))
def test_a_trial_that_is_not_clear_is_followed_by_another_with_less(seed: int) -> None:
    # Left open, one in four of these stays for ten seconds at half of what can be done.
    scale = [1.0]
    times = spread(0.02, 0.5)
    world = Crowd(
        adaptive(),
        rate=lambda now: 450.0,
        places=lambda now: 10,
        times=lambda now, rng: scale[0] * times(now, rng),
        seed=seed,
    )
    world.run(8.0)
    scale[0] = 3.0
    assert world.run(16.0).rate(11.0, 16.0) >= 0.85 * 10 / 0.06


def test_an_upstream_that_becomes_slower_keeps_its_places_where_there_are_enough() -> None:
    scale = [1.0]
    world = crowd(adaptive(), 0.3, times=lambda now, rng: scale[0] * EVEN(now, rng))
    world.run(10.0)
    scale[0] = 2.0
    seen = world.run(40.0)
    assert sum(at > 25.0 for at in seen.refused) == 0


def test_a_mild_overload_that_lasts_is_not_learned_as_if_it_were_none() -> None:
    # concurrency-limits 134: the long average follows the crowd, and the limit the average.
    theirs = crowd(Gradient2(), 1.3).run(60.0)
    limit = adaptive()
    ours = crowd(limit, 1.3).run(60.0)
    assert theirs.mean(50.0) > 5 * SECONDS
    assert ours.mean(50.0) < 2 * SECONDS
    assert limit.base == pytest.approx(SECONDS, rel=0.3)


def test_a_limit_does_not_climb_where_every_answer_comes_too_late() -> None:
    # concurrency-limits 137: when all take the same time there is no gradient, whatever that time is.
    hung = {"times": lambda now, rng: 1e6, "patience": 1.0}
    theirs, ours = Gradient2(), adaptive()
    crowd(theirs, 1.0, **hung).run(30.0)
    crowd(ours, 1.0, **hung).run(30.0)
    assert theirs.current == 200
    assert ours.current <= 20


def test_what_the_upstream_turns_away_is_sent_to_it_no_longer() -> None:
    # concurrency-limits 176: a 503 is fast, so more of them make a limit grow.
    theirs = crowd(Gradient2(), 3.0, turns_away=True).run(20.0)
    ours = crowd(adaptive(), 3.0, turns_away=True).run(20.0)
    assert theirs.dropped > 1.5 * len(theirs.done)
    assert ours.dropped < 0.8 * len(ours.done)
    assert ours.rate(5.0, 20.0) >= 0.85 * CAPACITY


@pytest.mark.parametrize("share", [0.3, 0.6])
@pytest.mark.parametrize("load", [0.1, 0.9, 2.0])
def test_errors_that_fewer_in_flight_do_not_make_fewer_cost_no_throughput(load: float, share: float) -> None:
    seen = crowd(adaptive(), load, fails=lambda now: share if now > 6.0 else 0.0).run(20.0)
    assert seen.rate(10.0, 20.0) >= 0.8 * (1 - share) * CAPACITY * min(1.0, load)
    if load < 1.0:
        assert [at for at in seen.refused if at > 6.0] == []


def test_after_an_outage_it_is_as_high_as_before_within_seconds() -> None:
    def times(now: float, rng: random.Random) -> float:
        return 25.0 - now if 10.0 < now < 25.0 else EVEN(now, rng)

    seen = crowd(adaptive(), 0.7, times=times, patience=1.0).run(40.0)
    assert seen.rate(5.0, 10.0) >= 0.68 * CAPACITY
    assert seen.rate(30.0, 40.0) >= 0.68 * CAPACITY


def test_traffic_that_the_upstream_can_bear_is_never_refused_to_find_something_out() -> None:
    # envoy 38338 and 46532: once a minute all but a few are refused, also where nobody is too much.
    seen = crowd(adaptive(), 0.7).run(60.0)
    assert [at for at in seen.refused if at > 5.0] == []


def test_a_burst_after_silence_finds_the_limit_where_it_was() -> None:
    limit = adaptive()
    world = crowd(limit, 0.0, rate=lambda now: 0.7 * CAPACITY if now < 10.0 or now > 100.0 else 0.0)
    world.run(10.0)
    before = limit.current
    world.run(99.0)
    assert limit.current == before
    seen = world.run(110.0)
    assert seen.rate(100.0, 110.0) >= 0.95 * 0.7 * CAPACITY


def test_one_request_in_two_seconds_meets_no_limit() -> None:
    seen = crowd(adaptive(), 0.0005, times=spread(0.5, 1.0)).run(2000.0)
    assert len(seen.done) > 900
    assert seen.refused == []


def test_a_limit_stays_within_its_bounds_whatever_is_there() -> None:
    low, high = AdaptiveLimit(AdaptiveSpec(max=10)), AdaptiveLimit(AdaptiveSpec(min=40))
    assert crowd(low, 3.0).run(10.0).most == 10
    crowd(high, 3.0).run(10.0)
    assert high.current >= 40
