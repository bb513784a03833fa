"""The buckets of one limit: what is admitted, what is left, and what comes back."""

from __future__ import annotations

import pytest

from sidecar.policies.gcra import Limit
from tests.doubles.limited_applicant import FixedKey, LimitedApplicant

ANYONE = LimitedApplicant()


def one(
    rate: float = 1.0, burst: float = 1.0, max_wait: float = 60.0, keyed: bool = False, max_keys: int = 10
) -> Limit:
    return Limit("login/x", rate, burst, max_wait, False, FixedKey("k") if keyed else None, max_keys)


def spend(limit: Limit, now: float, who: LimitedApplicant = ANYONE) -> float:
    wait = limit.ask(now, who)
    limit.take(now)
    return wait


@pytest.mark.parametrize("now", [0.0, 0.1, 12_345.678, 1e7])
@pytest.mark.parametrize(("rate", "burst"), [(10.0, 20.0), (3.0, 7.0), (1000.0, 1000.0), (1 / 60, 5.0), (0.1, 1.0)])
def test_a_rested_bucket_admits_exactly_its_burst_at_once(rate: float, burst: float, now: float) -> None:
    limit = one(rate, burst)
    assert [spend(limit, now) for _ in range(int(burst))] == [0.0] * int(burst)
    assert limit.ask(now, ANYONE) == pytest.approx(1 / rate, rel=1e-2)


def test_asking_spends_nothing() -> None:
    limit = one()
    assert [limit.ask(5.0, ANYONE) for _ in range(5)] == [0.0] * 5
    assert limit.remaining(5.0) == 1.0


def test_a_token_comes_back_after_one_interval() -> None:
    limit = one(rate=4.0, burst=1.0)
    assert spend(limit, 10.0) == 0.0
    assert limit.ask(10.0625, ANYONE) == 0.1875
    assert limit.ask(10.25, ANYONE) == 0.0


def test_waits_line_up_one_interval_apart() -> None:
    limit = one(rate=2.0, burst=2.0)
    assert [spend(limit, 10.0) for _ in range(5)] == [0.0, 0.0, 0.5, 1.0, 1.5]
    assert limit.remaining(10.0) == -3.0


def test_each_key_has_a_bucket_of_its_own() -> None:
    limit = one(keyed=True)
    ann, bob = LimitedApplicant("ann"), LimitedApplicant("bob")
    assert spend(limit, 1.0, ann) == 0.0
    assert limit.ask(1.0, bob) == 0.0
    assert limit.ask(1.0, ann) == 1.0
    assert (limit.remaining(1.0, "ann"), limit.remaining(1.0, "bob")) == (0.0, 1.0)


def test_the_last_slot_given_back_is_as_if_it_had_never_been() -> None:
    limit = one()
    spend(limit, 10.0)
    assert spend(limit, 10.25) == 0.75
    limit.give_back(10.5, limit.taken())
    assert limit.ask(10.5, ANYONE) == 0.5


def test_a_slot_in_the_middle_is_taken_by_the_next_who_would_have_to_wait_longer() -> None:
    limit = one()
    spend(limit, 10.0)
    assert spend(limit, 10.0) == 1.0
    first = limit.taken()
    assert spend(limit, 10.0) == 2.0
    limit.give_back(10.25, first)
    assert spend(limit, 10.5) == 0.5
    assert limit.ask(10.5, ANYONE) == 2.5


def test_a_slot_that_nobody_took_in_time_is_gone() -> None:
    limit = one()
    spend(limit, 10.0)
    spend(limit, 10.0)
    first = limit.taken()
    spend(limit, 10.0)
    limit.give_back(10.25, first)
    # At 11 one might have gone. Another is promised 12: at 11.5 nobody can go any more.
    assert limit.ask(11.5, ANYONE) == 1.5


def test_slots_given_back_from_the_middle_to_the_end_leave_nothing_behind() -> None:
    limit = one()
    spend(limit, 10.0)
    slots = []
    for _ in range(4):
        spend(limit, 10.0)
        slots.append(limit.taken())
    for index in (1, 0, 2, 3):
        limit.give_back(10.25, slots[index])
    assert limit.ask(10.25, ANYONE) == 0.75
    assert not limit._gaps


def test_a_token_kept_without_need_comes_back_unless_another_was_spent_since() -> None:
    limit = one(burst=2.0)
    spend(limit, 10.0)
    limit.give_back(10.25, limit.taken())
    assert limit.remaining(10.25) == 2.0
    spend(limit, 10.25)
    kept = limit.taken()
    # Here two tokens have nearly grown. With the returned one three could go within a tenth of a second.
    spend(limit, 11.125)
    limit.give_back(11.1875, kept)
    assert limit.ask(11.1875, ANYONE) == 0.0625


def test_a_token_that_has_grown_again_does_not_come_back_twice() -> None:
    limit = one(burst=2.0)
    spend(limit, 10.0)
    kept = limit.taken()
    limit.give_back(15.0, kept)
    assert limit.remaining(15.0) == 2.0
    spend(limit, 15.0)
    limit.give_back(15.0, kept)
    assert limit.remaining(15.0) == 1.0


def test_nothing_is_given_back_to_a_bucket_that_may_have_been_lost() -> None:
    limit = one(keyed=True, max_keys=1)
    ann, bob = LimitedApplicant("ann"), LimitedApplicant("bob")
    spend(limit, 10.0, ann)
    spend(limit, 10.0, ann)
    waiting = limit.taken()
    spend(limit, 10.0, bob)
    spend(limit, 10.0, ann)
    limit.give_back(10.0, waiting)
    assert limit.ask(10.0, ann) == 1.0
    assert limit.table.evictions == 2


def test_gaps_are_forgotten_with_the_bucket_they_are_in() -> None:
    limit = one(keyed=True, max_keys=1)
    ann, bob = LimitedApplicant("ann"), LimitedApplicant("bob")
    spend(limit, 10.0, ann)
    spend(limit, 10.0, ann)
    middle = limit.taken()
    spend(limit, 10.0, ann)
    limit.give_back(10.0, middle)
    spend(limit, 10.0, bob)
    spend(limit, 10.0, ann)
    assert spend(limit, 10.0, ann) == 1.0
    assert spend(limit, 10.0, ann) == 2.0


def test_gaps_of_keys_that_stay_away_do_not_pile_up() -> None:
    limit = one(keyed=True, max_keys=1000)
    for number in range(200):
        now = 10.0 * number
        who = LimitedApplicant(str(number))
        spend(limit, now, who)
        spend(limit, now, who)
        middle = limit.taken()
        spend(limit, now, who)
        limit.give_back(now, middle)
    assert len(limit._gaps) <= 2


@pytest.mark.parametrize(
    ("rate", "burst", "spent", "after", "item"),
    [
        (10.0, 20.0, 0, 0.0, b'"x";r=20'),
        (10.0, 20.0, 1, 0.0, b'"x";r=19;t=1'),
        (10.0, 20.0, 20, 0.0, b'"x";r=0;t=1'),
        (0.1, 2.0, 1, 0.0, b'"x";r=1;t=10'),
        (0.1, 2.0, 2, 0.0, b'"x";r=0;t=10'),
        (0.1, 2.0, 2, 7.5, b'"x";r=0;t=3'),
        (0.1, 2.0, 2, 10.0, b'"x";r=1;t=10'),
        (0.1, 2.0, 3, 0.0, b'"x";r=0;t=20'),
        (10.0, 20.0, 45, 0.0, b'"x";r=0;t=3'),
        (1.0, 1.5, 0, 0.0, b'"x";r=1'),
        (1.0, 5000.0, 1, 0.0, b'"x";r=4999;t=1'),
    ],
)
def test_what_is_left_is_told_with_the_seconds_until_there_is_more(
    rate: float, burst: float, spent: int, after: float, item: bytes
) -> None:
    for keyed in (False, True):
        limit = one(rate, burst, keyed=keyed)
        for _ in range(spent):
            spend(limit, 1000.0)
        assert limit.piece(1000.0 + after, ANYONE) == item
        assert limit.piece(1000.0 + after, ANYONE) == item


@pytest.mark.parametrize(
    ("rate", "burst", "item"),
    [
        (10.0, 20.0, b'"x";q=20;w=2'),
        (3.0, 10.0, b'"x";q=10;w=4'),
        (1000.0, 10.0, b'"x";q=10;w=1'),
        (1 / 86400, 1e15, b'"x";q=999999999999999;w=999999999999999'),
    ],
)
def test_the_policy_is_told_as_a_burst_and_the_time_it_takes_to_come_back(
    rate: float, burst: float, item: bytes
) -> None:
    assert one(rate, burst).policy() == item
