"""What the checks may take, and what they make of this machine's own want: nobody is blamed for it."""

from __future__ import annotations

import asyncio

from sidecar.health.finding import SHORTAGE, Finding
from sidecar.health.prober import AT_ONCE
from tests.doubles.clock import TICK
from tests.health.scene import ONE, REFUSED, TWO, Scene, scene


async def begun(one: Scene) -> None:
    """What is due is under way, as far as it may be."""
    await one.clock.advance(TICK)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_while_this_machine_is_short_of_something_nobody_goes_down_and_nobody_comes_up() -> None:
    async with scene(ONE, TWO) as one:
        one.finds[3002] = REFUSED
        await one.start()
        one.finds[3001] = one.finds[3002] = Finding(SHORTAGE, "too many open files")
        await one.looks(8)
        assert (one.down(3001), one.down(3002)) == (False, True)
        assert one.counted()["shortage"] >= 8
        one.finds[3001] = REFUSED
        await one.looks(8)
        assert one.down(3001)


async def test_a_shortage_of_our_own_is_no_probe_of_a_breaker() -> None:
    async with scene() as one:
        one.finds[3001] = Finding(SHORTAGE, "too many open files")
        await one.start()
        assert one.down()
        assert one.verdicts.why(one.endpoint()) == "too many open files"
        assert one.verdicts.probed == []


async def test_of_thousands_only_so_many_are_looked_at_at_one_time_and_all_are() -> None:
    count = 3 * AT_ONCE
    async with scene(*(f"http://127.0.0.1:{3001 + number}" for number in range(count))) as one:
        one.bar.clear()
        one.prober.follow(one.runtime)
        await begun(one)
        assert len(one.looked) == AT_ONCE
        one.bar.set()
        await one.settled()
        assert len({port for port, _ in one.looked}) == count
        assert one.upstream.available(one.wheel.now()) == count


async def test_who_waits_for_its_look_and_is_let_go_is_not_looked_at() -> None:
    async with scene(*(f"http://127.0.0.1:{3001 + number}" for number in range(AT_ONCE + 1))) as one:
        one.bar.clear()
        one.prober.follow(one.runtime)
        await begun(one)
        (waiting,) = {endpoint.address.port for endpoint in one.upstream.endpoints} - {port for port, _ in one.looked}
        one.reload(*(f"http://127.0.0.1:{port}" for port, _ in one.looked))
        one.bar.set()
        await one.settled()
        assert waiting not in {port for port, _ in one.looked}
