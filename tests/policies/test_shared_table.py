"""What all workers remember of each key: never more than they may, and nothing that is spent is lost in silence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.key_table import FULL
from sidecar.policies.shared_table import SharedTable, refill
from tests.doubles.shared_memory import Instance


def tables(max_keys: int, workers: int = 2) -> list[SharedTable]:
    instance = Instance(workers)
    return [SharedTable(memory, "t", max_keys, 2.0) for memory in instance.memories]


def test_a_key_is_known_to_every_worker_and_a_stranger_is_full() -> None:
    one, other = tables(10)
    one.store("ann", 12.0, 10.0)
    other.load(10.0)
    assert other.tat("ann") == 12.0
    assert other.tat("bob") == FULL
    assert (len(one), len(other)) == (1, 1)


def test_a_correction_is_no_admission() -> None:
    one, other = tables(10)
    one.store("ann", 12.0, 10.0)
    other.amend("ann", 11.0)
    other.amend("bob", 11.0)
    one.load(10.0)
    assert (one.tat("ann"), one.tat("bob")) == (11.0, FULL)


def test_a_full_bucket_makes_room_in_silence_and_another_is_counted() -> None:
    one, other = tables(2)
    one.store("ann", 11.0, 10.0)
    one.store("bob", 15.0, 10.0)
    other.store("eve", 14.0, 12.0)
    other.load(12.0)
    assert (other.evictions, other.tat("ann"), other.tat("bob")) == (0, FULL, 15.0)
    one.store("joe", 16.0, 12.0)  # nearest to full goes
    other.load(12.0)
    assert (other.evictions, other.tat("eve"), other.tat("bob"), other.tat("joe")) == (1, FULL, 15.0, 16.0)


@given(st.integers(1, 200), st.lists(st.tuples(st.integers(0, 400), st.floats(0.0, 3.0)), max_size=300))
def test_it_holds_no_more_than_it_may_and_forgets_nobody_uncounted(
    max_keys: int, steps: list[tuple[int, float]]
) -> None:
    one, other = tables(max_keys)
    spent: dict[str, float] = {}
    now = 10.0
    for key, ahead in steps:
        spent[str(key)] = now + ahead
        one.store(str(key), now + ahead, now)
    other.load(now)
    assert len(other) <= max_keys
    lost = [key for key, tat in spent.items() if tat > now and other.tat(key) != tat]
    assert len(lost) <= other.evictions


@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0), st.floats(0.0, 1.0))
def test_another_rule_keeps_the_fill_ratio(span: float, other: float, lack: float) -> None:
    assert refill(100.0 + lack * span, span, other, 100.0) == pytest.approx(100.0 + lack * other)


def test_what_is_full_or_was_never_stored_is_as_it_is() -> None:
    assert refill(99.0, 2.0, 4.0, 100.0) == 99.0
    assert refill(0.0, 0.0, 4.0, 0.0) == 0.0
