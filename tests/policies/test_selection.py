"""Selection strategies: fair by weight, stable under change, and quick with one candidate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.selection import (
    Hash,
    LeastRequests,
    RandomChoice,
    RoundRobin,
    SelectionSpec,
    Strategy,
    strategy_for,
)
from sidecar.policies.units import Invalid


@dataclass
class Endpoint:
    name: str
    weight: int = 1
    in_flight: int = 0
    warmth: int = 100  # of a hundred; less during a slow start

    @property
    def share(self) -> int:
        return max(1, self.weight * self.warmth)


STRATEGIES = [RoundRobin, RandomChoice, LeastRequests, Hash]


def endpoints(*weights: int) -> list[Endpoint]:
    return [Endpoint(f"app/{index}", weight) for index, weight in enumerate(weights)]


def picked(strategy: Strategy, candidates: list[Endpoint], times: int, key: str | None = None) -> list[str]:
    rng = Random(7)
    found = [strategy.pick(candidates, key, rng) for _ in range(times)]
    return [endpoint.name for endpoint in found if endpoint is not None]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_nothing_is_picked_of_nothing(kind: type[Strategy]) -> None:
    assert kind().pick([], "key", Random(1)) is None


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_single_candidate_is_picked_without_drawing(kind: type[Strategy]) -> None:
    rng = Random(1)
    before = rng.getstate()
    only = endpoints(5)
    assert kind().pick(only, "key", rng) is only[0]
    assert rng.getstate() == before


def test_round_robin_takes_turns_smoothly_by_weight() -> None:
    names = picked(RoundRobin(), endpoints(3, 1), 8)
    assert "".join(name[-1] for name in names) == "00100010"


def test_round_robin_serves_an_endpoint_that_joins_and_forgets_those_that_left() -> None:
    strategy = RoundRobin()
    picked(strategy, [Endpoint(f"old/{index}") for index in range(5)], 5)
    names = picked(strategy, endpoints(1, 1), 10)
    assert Counter(names) == {"app/0": 5, "app/1": 5}


def test_random_choice_follows_the_weights() -> None:
    counts = Counter(picked(RandomChoice(), endpoints(3, 1), 4000))
    assert 2800 < counts["app/0"] < 3200


def test_least_requests_always_compares_two_different_endpoints() -> None:
    two = endpoints(1, 1)
    two[0].in_flight = 1
    assert set(picked(LeastRequests(), two, 100)) == {"app/1"}


def test_least_requests_counts_load_for_its_weight() -> None:
    two = endpoints(4, 1)
    two[0].in_flight = 2
    assert set(picked(LeastRequests(), two, 50)) == {"app/0"}
    two[0].in_flight = 4
    assert set(picked(LeastRequests(), two, 50)) == {"app/1"}


def test_least_requests_never_picks_the_busiest_of_three() -> None:
    three = endpoints(1, 1, 1)
    three[1].in_flight = 9
    assert set(picked(LeastRequests(), three, 200)) == {"app/0", "app/2"}


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize(("warmth", "part"), [(10, 1 / 11), (50, 1 / 3), (90, 9 / 19), (100, 1 / 2)])
def test_a_newcomer_gets_its_share_and_no_more_from_every_strategy(
    kind: type[Strategy], warmth: int, part: float
) -> None:
    two = [Endpoint("app/0"), Endpoint("app/1", warmth=warmth)]
    strategy, rng = kind(), Random(7)
    found = [strategy.pick(two, f"user-{index}", rng) for index in range(4000)]
    assert found.count(two[1]) / 4000 == pytest.approx(part, abs=0.03)


def test_least_requests_gives_a_newcomer_no_more_than_its_share_while_the_others_are_busy() -> None:
    two = [Endpoint("app/0", in_flight=50), Endpoint("app/1", warmth=10)]
    counts = Counter(picked(LeastRequests(), two, 2000))
    assert counts["app/1"] / 2000 == pytest.approx(1 / 11, abs=0.03)


def test_least_requests_spares_a_newcomer_that_is_the_busier_one() -> None:
    two = [Endpoint("app/0"), Endpoint("app/1", in_flight=1, warmth=50)]
    assert set(picked(LeastRequests(), two, 100)) == {"app/0"}


def test_least_requests_draws_between_two_newcomers_by_how_warm_they_are() -> None:
    two = [Endpoint("app/0", warmth=60), Endpoint("app/1", warmth=20)]
    counts = Counter(picked(LeastRequests(), two, 2000))
    assert counts["app/0"] / 2000 == pytest.approx(3 / 4, abs=0.03)


def test_hash_moves_keys_only_to_an_endpoint_that_warms_up() -> None:
    keys = [f"user-{index}" for index in range(300)]
    cold = [Endpoint("app/0"), Endpoint("app/1"), Endpoint("app/2", warmth=10)]
    warm = [*cold[:2], Endpoint("app/2", warmth=60)]
    before = [picked(Hash(), cold, 1, key)[0] for key in keys]
    after = [picked(Hash(), warm, 1, key)[0] for key in keys]
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert moved
    assert set(moved) == {"app/2"}


def test_hash_keeps_a_key_on_its_endpoint_in_every_process() -> None:
    four = endpoints(1, 1, 1, 1)
    assert picked(Hash(), four, 3, "user-1") == picked(Hash(), four[::-1], 3, "user-1")
    found = [picked(Hash(), four, 1, f"user-{index}")[0] for index in range(6)]
    assert found == ["app/1", "app/0", "app/0", "app/3", "app/2", "app/1"]


def test_hash_without_a_key_draws_by_weight() -> None:
    counts = Counter(picked(Hash(), endpoints(3, 1), 2000))
    assert 1350 < counts["app/0"] < 1650


def test_hash_spreads_keys_by_weight() -> None:
    two = endpoints(3, 1)
    counts = Counter(picked(Hash(), two, 1, f"user-{index}")[0] for index in range(2000))
    assert 1350 < counts["app/0"] < 1650


@given(st.text(max_size=20), st.integers(2, 6), st.data())
def test_only_the_keys_of_an_endpoint_that_goes_are_moved(key: str, count: int, data: st.DataObject) -> None:
    candidates = endpoints(*[1] * count)
    before = Hash().pick(candidates, key, Random(1))
    gone = data.draw(st.sampled_from(candidates))
    after = Hash().pick([candidate for candidate in candidates if candidate is not gone], key, Random(1))
    assert after is before or before is gone


@given(
    st.sampled_from(STRATEGIES),
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100)), min_size=1, max_size=6),
    st.one_of(st.none(), st.text(max_size=5)),
    st.integers(),
)
def test_what_is_picked_is_a_candidate(
    kind: type[Strategy], loads: list[tuple[int, int]], key: str | None, seed: int
) -> None:
    candidates = [Endpoint(f"app/{index}", weight, busy) for index, (weight, busy) in enumerate(loads)]
    strategy, rng = kind(), Random(seed)
    assert all(strategy.pick(candidates, key, rng) in candidates for _ in range(5))


def test_a_hash_key_alone_makes_the_strategy_hash() -> None:
    assert SelectionSpec(hash="client_ip").strategy == "hash"


def test_hash_needs_a_key_and_only_hash_takes_one() -> None:
    with pytest.raises(Invalid, match="needs a key"):
        SelectionSpec(strategy="hash")
    with pytest.raises(Invalid, match="does not go with"):
        SelectionSpec(strategy="random", hash="client_ip")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (SelectionSpec(), LeastRequests),
        (SelectionSpec(strategy="round_robin"), RoundRobin),
        (SelectionSpec(strategy="random"), RandomChoice),
        (SelectionSpec(hash="client_ip"), Hash),
    ],
)
def test_each_rule_gets_its_strategy(spec: SelectionSpec, kind: type) -> None:
    assert isinstance(strategy_for(spec), kind)
