"""The life of the process."""

import asyncio

import pytest

from sidecar.app.lifecycle import Lifecycle, Phase


async def test_it_starts_in_starting() -> None:
    assert Lifecycle().phase is Phase.STARTING


async def test_subscribers_hear_each_phase_once_and_find_it_in_force() -> None:
    life = Lifecycle()
    heard: list[tuple[Phase, Phase]] = []
    life.subscribe(lambda phase: heard.append((phase, life.phase)))
    for phase in (Phase.SERVING, Phase.SERVING, Phase.DRAINING):
        life.advance(phase)
    assert heard == [(Phase.SERVING, Phase.SERVING), (Phase.DRAINING, Phase.DRAINING)]


async def test_no_phase_comes_back() -> None:
    life = Lifecycle()
    assert life.advance(Phase.CLOSING)
    assert not life.advance(Phase.SERVING)
    assert life.phase is Phase.CLOSING


@pytest.mark.parametrize("entered", [Phase.DRAINING, Phase.STOPPED])
async def test_waiting_ends_at_the_phase_or_past_it(entered: Phase) -> None:
    life = Lifecycle()
    waiter = asyncio.ensure_future(life.reached(Phase.DRAINING))
    life.advance(Phase.SERVING)
    assert not waiter.done()
    life.advance(entered)
    async with asyncio.timeout(5):
        await waiter
    assert life.phase is entered


async def test_waiting_may_be_bounded_and_says_whether_the_phase_is_in_force() -> None:
    life = Lifecycle()
    assert not await life.reached(Phase.SERVING, within=0.0)
    life.advance(Phase.DRAINING)
    assert await life.reached(Phase.SERVING, within=0.0)


def test_whoever_leaves_takes_no_other_rules() -> None:
    life = Lifecycle()
    life.advance(Phase.SERVING)
    life.demand_staying()
    life.advance(Phase.DRAINING)
    with pytest.raises(OSError, match="it is leaving, and its rules stay as they are"):
        life.demand_staying()


def test_a_phase_is_written_in_lower_case() -> None:
    assert Phase.DRAINING.word == "draining"
