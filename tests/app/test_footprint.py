"""Resident memory above the limit refuses requests until it has come down."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sidecar.app.footprint import Footprint, Resident
from sidecar.app.garbage import give_back
from sidecar.rules.schema import OverloadRule
from sidecar.telemetry.stats import Stats

MIB = 1 << 20


class World:
    """A process whose memory is what the test says."""

    def __init__(self, limit: int | None = 100) -> None:
        self.stats = Stats()
        self.environment = SimpleNamespace(shedding=False)
        self.mebibytes = 50.0
        self.now = 0.0
        self.relieved: list[float] = []
        self.footprint = Footprint(
            rule(limit),
            cast(Any, self.environment),
            self.stats,
            reading=lambda: int(self.mebibytes * MIB),
            relieve=lambda: self.relieved.append(self.now),
            clock=lambda: self.now,
        )

    def at(self, mebibytes: float) -> bool:
        """Looks when memory is so much; whether it sheds then."""
        self.mebibytes = mebibytes
        self.footprint.look()
        return bool(self.environment.shedding)

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.stats.events.recent]


def rule(limit: int | None) -> OverloadRule:
    return OverloadRule(max_memory=None if limit is None else limit * MIB)


def test_it_sheds_above_the_limit_and_until_it_is_well_below() -> None:
    world = World()
    assert [world.at(size) for size in (99, 100, 101, 99, 96, 94, 99, 101)] == [
        *(False, False, True, True, True),
        *(False, False, True),
    ]
    assert world.told == [
        "new requests are refused: 101MiB resident, the limit is 100MiB",
        "requests are taken again: 94MiB resident, the limit is 100MiB",
        "new requests are refused: 101MiB resident, the limit is 100MiB",
    ]


def test_it_frees_what_it_can_when_it_begins_to_shed_but_not_every_moment() -> None:
    world = World()
    world.at(101)
    world.at(102)
    assert world.relieved == [0.0]
    world.now = 5.0
    world.at(90)
    world.at(101)
    assert world.relieved == [0.0]
    world.now = 11.0
    world.at(90)
    world.at(101)
    assert world.relieved == [0.0, 11.0]


def test_without_a_limit_it_only_reads() -> None:
    world = World(None)
    assert world.at(10_000) is False
    assert (world.stats.memory_resident, world.stats.memory_limit) == (10_000 * MIB, None)


def test_other_rules_count_from_the_next_look() -> None:
    world = World()
    assert world.at(101)
    world.footprint.follow(rule(200))
    assert not world.at(101)
    world.footprint.follow(rule(100))
    assert world.at(101)
    world.footprint.follow(rule(None))
    assert not world.at(101)
    assert world.told[-1] == "requests are taken again: 101MiB resident, there is no limit any more"
    assert world.footprint.status() == {"shedding": False, "resident_bytes": 101 * MIB, "limit_bytes": None}


def test_the_systems_own_figure_is_read() -> None:
    resident = Resident()
    found = resident()
    block = b"x" * (64 * MIB)
    grown = resident()
    assert 8 * MIB < found < grown
    assert grown - found > 32 * MIB
    assert len(block) == 64 * MIB
    resident.close()
    assert resident() == 0
    resident.close()


def test_where_the_system_does_not_tell_nothing_is_shed(tmp_path: Path) -> None:
    assert Resident(str(tmp_path / "none"))() == 0


def test_it_reads_by_itself_and_lets_go_of_what_it_reads_from() -> None:
    stats = Stats()
    footprint = Footprint(rule(None), cast(Any, SimpleNamespace(shedding=False)), stats)
    footprint.look()
    assert stats.memory_resident > 8 * MIB
    footprint.close()
    World().footprint.close()


def test_freeing_is_harmless() -> None:
    give_back()
