"""What is remembered of keys is bounded, and what is lost is counted."""

from __future__ import annotations

import tracemalloc

import pytest

from sidecar.policies.key_table import FULL, KeyTable


def test_a_key_never_seen_has_a_full_bucket() -> None:
    table = KeyTable(2)
    assert table.tat("a") == FULL
    assert len(table) == 0


def test_an_admission_is_remembered_and_renewed() -> None:
    table = KeyTable(2)
    table.store("a", 1.0, 0.0)
    table.store("a", 2.0, 0.5)
    assert table.tat("a") == 2.0
    assert len(table) == 1


def test_each_new_key_takes_up_to_two_full_buckets_along_silently() -> None:
    table = KeyTable(10)
    for key in "abcd":
        table.store(key, 5.0, 0.0)
    table.store("e", 9.0, 5.0)
    assert [key for key in "abcde" if table.tat(key) != FULL] == ["c", "d", "e"]
    table.store("e", 9.5, 5.0)
    assert len(table) == 3
    table.store("f", 9.0, 5.0)
    assert [key for key in "cdef" if table.tat(key) != FULL] == ["e", "f"]
    assert table.evictions == 0


def test_the_bucket_that_rests_longest_goes_first_and_is_counted() -> None:
    table = KeyTable(2)
    table.store("a", 8.0, 0.0)
    table.store("b", 8.0, 0.0)
    table.store("a", 9.0, 1.0)
    table.store("c", 8.0, 2.0)
    assert [table.tat(key) for key in "abc"] == [9.0, FULL, 8.0]
    assert table.evictions == 1


def test_a_table_of_one_key_serves_one_key_at_a_time() -> None:
    table = KeyTable(1)
    table.store("a", 8.0, 0.0)
    table.store("b", 9.0, 0.0)
    assert (table.tat("a"), table.tat("b"), len(table), table.evictions) == (FULL, 9.0, 1, 1)
    table.store("c", 12.0, 10.0)
    assert (len(table), table.evictions) == (1, 1)


def test_a_correction_is_no_admission() -> None:
    table = KeyTable(2)
    table.store("a", 8.0, 0.0)
    table.store("b", 8.0, 0.0)
    table.amend("a", 7.0)
    table.amend("nobody", 7.0)
    assert table.tat("nobody") == FULL
    table.store("c", 8.0, 0.0)
    assert table.tat("a") == FULL


def test_a_smaller_table_loses_its_oldest_and_counts_those_with_spent_tokens() -> None:
    table = KeyTable(3)
    for key, tat in (("a", 1.0), ("b", 5.0), ("c", 5.0)):
        table.store(key, tat, 0.0)
    table.resize(1, 2.0)
    assert (len(table), table.evictions, table.tat("c")) == (1, 1, 5.0)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_rescaled_bucket_lacks_that_much_more_or_less(factor: float) -> None:
    table = KeyTable(3)
    table.store("a", 1.0, 0.0)
    table.store("b", 14.0, 0.0)
    table.rescale(10.0, factor)
    assert (table.tat("a"), table.tat("b")) == (1.0, 10.0 + 4.0 * factor)


def test_a_flood_of_new_keys_takes_no_more_memory_than_the_keys_that_are_kept() -> None:
    kept = 2_000
    table = KeyTable(kept)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(10 * kept):
            # As long as a key of IPv6 and a session together gets.
            table.store(f"{number:064d}", 1e9, 0.0)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert (len(table), table.evictions) == (kept, 9 * kept)
    # The default of 100 000 keys then stays under 64 MiB.
    assert grown / kept < 64 * 1024 * 1024 / 100_000
