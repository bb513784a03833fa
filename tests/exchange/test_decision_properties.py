"""Many exchanges through shared machines, in any order of events: nothing is lost, nothing is given back twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sidecar.policies.backoff import NO_HINT
from tests.exchange.world import NO_LIMIT, SWITCHED, World

WHICH = st.integers(0, 11)
# Multiples of a power of two: sums of them are exact, so that instants often coincide.
STEPS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0, 8.0])


def agree(one: World, other: World) -> None:
    assert one.history == other.history
    assert one.attempts.outcomes == other.attempts.outcomes
    assert (one.told.retries, one.told.skipped) == (other.told.retries, other.told.skipped)


@pytest.mark.parametrize("seed", range(8))
def test_a_long_history_loses_nothing_and_comes_about_again_from_its_seed(seed: int) -> None:
    worlds = World(seed), World(seed)
    for world in worlds:
        rng = random.Random(seed)
        for _ in range(600):
            world.anything(rng)
            world.check()
        world.close()
        assert world.attempts_made > 20, "nothing much has happened, so nothing was shown"
    agree(*worlds)


class AnyHistory(RuleBasedStateMachine):
    """Two worlds of one seed, to which the same things happen."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.worlds = (World(seed), World(seed))

    @rule(
        method=st.sampled_from([b"GET", b"POST"]),
        limit=st.sampled_from([NO_LIMIT, NO_LIMIT, 5.0, 0.5]),
        late=st.sampled_from([0.0, 0.0, 0.0, 4.0, 8.0]),
        uploads=st.booleans(),
    )
    def one_arrives(self, method: bytes, limit: float, late: float, uploads: bool) -> None:
        for world in self.worlds:
            world.arrive(method, limit, late, uploads)

    @rule(number=WHICH)
    def one_is_connected(self, number: int) -> None:
        for world in self.worlds:
            world.connects(number)

    @rule(number=WHICH)
    def an_upload_ends(self, number: int) -> None:
        for world in self.worlds:
            world.uploads(number)

    @rule(number=WHICH)
    def an_endpoint_goes(self, number: int) -> None:
        for world in self.worlds:
            world.goes(number)

    @rule(number=WHICH)
    def an_endpoint_comes_back(self, number: int) -> None:
        for world in self.worlds:
            world.comes_back(number)

    @rule(number=WHICH)
    def a_body_is_no_longer_there(self, number: int) -> None:
        for world in self.worlds:
            world.forgets(number)

    @rule(number=WHICH, which=WHICH)
    def an_attempt_fails(self, number: int, which: int) -> None:
        for world in self.worlds:
            world.fails(number, which)

    @rule(
        number=WHICH,
        status=st.sampled_from([SWITCHED, 200, 404, 500, 501, 503, 503]),
        hint=st.sampled_from([NO_HINT, 0.0, 1.0, 60.0]),
    )
    def an_answer_begins(self, number: int, status: int, hint: float) -> None:
        for world in self.worlds:
            world.answers(number, status, hint)

    @rule(number=WHICH, well=st.booleans())
    def an_answer_ends(self, number: int, well: bool) -> None:
        for world in self.worlds:
            world.ends(number, well)

    @rule(number=WHICH)
    def a_client_leaves(self, number: int) -> None:
        for world in self.worlds:
            world.leaves(number)

    @rule(number=WHICH)
    def one_is_called(self, number: int) -> None:
        for world in self.worlds:
            world.calls(number)

    @rule(seconds=STEPS)
    def time_passes(self, seconds: float) -> None:
        for world in self.worlds:
            world.passes(seconds)

    @rule(seed=st.integers(0, 2**32), events=st.integers(1, 20))
    def much_happens(self, seed: int, events: int) -> None:
        for world in self.worlds:
            rng = random.Random(seed)
            for _ in range(events):
                world.anything(rng)

    @invariant()
    def nothing_is_lost_and_both_are_alike(self) -> None:
        for world in self.worlds:
            world.check()
        agree(*self.worlds)

    def teardown(self) -> None:
        for world in getattr(self, "worlds", ()):
            world.close()


TestAnyHistory = AnyHistory.TestCase
