"""Both shortages are looked for, again and again, and a bug in one look ends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.app.pressure import PERIOD, Pressure
from sidecar.rules.schema import OverloadRule
from tests.transport.doubles import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


class Looked:
    """What is looked at."""

    def __init__(self) -> None:
        self.looks = 0
        self.counts = 0
        self.closed = False
        self.broken = False
        self.rule: object = None

    def look(self) -> None:
        self.looks += 1
        if self.broken:
            raise RuntimeError("a bug")

    def count(self) -> None:
        self.counts += 1

    def follow(self, rule: object) -> None:
        self.rule = rule

    def close(self) -> None:
        self.closed = True

    def status(self) -> dict[str, object]:
        return {"looks": self.looks}


def test_it_looks_from_its_start_to_its_stop(loop: VirtualLoop, caplog: pytest.LogCaptureFixture) -> None:
    descriptors, footprint = Looked(), Looked()
    pressure = Pressure(loop, cast(Any, descriptors), cast(Any, footprint))
    pressure.start()
    pressure.start()
    assert (descriptors.counts, descriptors.looks, footprint.looks) == (1, 1, 1)
    descriptors.broken = True
    loop.advance(PERIOD * 2.5)
    assert (descriptors.looks, footprint.looks) == (3, 3)
    assert "looking at looked failed" in caplog.text
    pressure.stop()
    loop.advance(10.0)
    assert (footprint.looks, footprint.closed) == (3, True)


def test_it_follows_the_rules_and_says_how_things_are(loop: VirtualLoop) -> None:
    descriptors, footprint = Looked(), Looked()
    pressure = Pressure(loop, cast(Any, descriptors), cast(Any, footprint))
    overload = OverloadRule(max_memory=1 << 30)
    pressure.follow(cast(Any, SimpleNamespace(overload=overload)))
    assert footprint.rule is overload
    assert pressure.status() == {"looks": 0, "memory": {"looks": 0}}
