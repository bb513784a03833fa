"""The table of names."""

from sidecar.wire.fieldnames import CUT_FROM_REQUEST, CUT_FROM_RESPONSE, HOP_BY_HOP, NAMES, REWRITTEN, SLOTS, slot_of


def test_each_name_has_a_slot_of_its_own_in_any_case() -> None:
    for identifier, name in enumerate(NAMES):
        if name:
            assert SLOTS[slot_of(name)] == SLOTS[slot_of(name.upper())] == identifier
    assert sum(1 for slot in SLOTS if slot) == len(NAMES) - 1


def test_requests_lose_what_is_rewritten_and_both_directions_lose_what_is_for_one_hop() -> None:
    assert {name for name, cut in zip(NAMES, CUT_FROM_RESPONSE, strict=True) if cut} == HOP_BY_HOP
    assert {name for name, cut in zip(NAMES, CUT_FROM_REQUEST, strict=True) if cut} == HOP_BY_HOP | REWRITTEN
