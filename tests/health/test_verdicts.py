"""Verdicts in one process: who begins down, what a word from another process does, and why somebody is down."""

from __future__ import annotations

from sidecar.health.verdicts import Verdicts, enforced
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Sentinel
from tests.health.scene import CHECK, ONE, SHADOW, TWO, Scene, scene

APP = "app/127.0.0.1:3001"


def follower(one: Scene, sentinel: Sentinel | None = None) -> Verdicts:
    """The verdicts of a process that does not look by itself."""
    verdicts = Verdicts(one.wheel.now)
    verdicts.sentinel = sentinel
    verdicts.follow(one.runtime)
    return verdicts


def test_only_a_check_that_is_not_in_shadow_mode_decides() -> None:
    assert enforced(HealthCheckSpec(tcp=True))
    assert not enforced(HealthCheckSpec(tcp=True, mode="shadow"))
    assert not enforced(None)


async def test_what_is_checked_begins_down_and_nothing_else_does() -> None:
    for upstream, down in ((CHECK, True), (SHADOW, False), ("connect_timeout: 1s", False)):
        async with scene(upstream=upstream) as one:
            verdicts = follower(one)
            assert one.down() == down
            assert verdicts.why(one.endpoint()) == ("not checked yet" if down else "")


async def test_a_verdict_by_names_is_applied_any_number_of_times() -> None:
    async with scene(ONE, TWO) as one:
        verdicts = follower(one)
        for _ in range(2):
            verdicts.apply("app", APP, True, "status 200")
            assert (one.down(3001), one.down(3002)) == (False, True)
        verdicts.apply("app", APP, False, "status 503")
        assert one.down(3001)
        assert verdicts.why(one.endpoint(3001)) == "status 503"


async def test_a_verdict_about_nobody_is_dropped() -> None:
    async with scene() as one:
        verdicts = Verdicts(one.wheel.now)
        verdicts.apply("app", APP, False, "too early")
        verdicts.probe("app", True)
        verdicts.follow(one.runtime)
        verdicts.apply("app", "app/127.0.0.1:9", True, "")
        verdicts.apply("other", APP, True, "")
        verdicts.probe("other", True)
        assert one.down()
        assert verdicts.find("app", "app/127.0.0.1:9") is None


async def test_one_who_comes_late_is_told_how_everybody_stands() -> None:
    async with scene(ONE, TWO) as one, scene(ONE, TWO) as late:
        verdicts, other = follower(one), follower(late)
        verdicts.apply("app", APP, True, "status 200")
        for verdict in verdicts.standing():
            other.apply(*verdict)
        assert (late.down(3001), late.down(3002)) == (False, True)
        assert other.why(late.endpoint(3002)) == "not checked yet"


async def test_upstreams_learn_whom_to_tell_of_the_lost() -> None:
    class Noting(Sentinel):
        def __init__(self) -> None:
            self.lost: list[str] = []

        def unreachable(self, endpoint: Endpoint) -> None:
            self.lost.append(endpoint.name)

    async with scene(upstream="connect_timeout: 1s") as one:
        sentinel = Noting()
        follower(one, sentinel)
        one.upstream.lost(one.wheel.now(), one.endpoint(), one.wheel.now())
        assert sentinel.lost == [APP]


async def test_who_has_come_up_is_not_down_for_a_reason_any_more_whoever_says_so() -> None:
    async with scene() as one:
        verdicts = follower(one)
        one.upstream.mark_up(one.wheel.now(), one.endpoint())
        assert verdicts.why(one.endpoint()) == ""
