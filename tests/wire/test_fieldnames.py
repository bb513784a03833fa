"""The table of names."""

from sidecar.wire.fieldnames import (
    CUT_FROM_REQUEST,
    CUT_FROM_RESPONSE,
    HOP_BY_HOP,
    NAMES,
    NEXT,
    REWRITTEN,
    SLOTS,
    slot_of,
)


def chain(name: bytes) -> list[bytes]:
    found = []
    identifier = SLOTS[slot_of(name)]
    while identifier:
        found.append(NAMES[identifier])
        identifier = NEXT[identifier]
    return found


def test_each_name_is_found_from_its_slot_in_any_case() -> None:
    for name in NAMES[1:]:
        assert name in chain(name)
        assert chain(name) == chain(name.upper())
    assert sum(len(chain(NAMES[slot])) for slot in SLOTS if slot) == len(NAMES) - 1


def test_the_names_that_most_messages_have_come_first_in_their_slots() -> None:
    shared = [chain(name) for name in (b"content-length", b"x-request-id")]
    assert shared == [[b"content-length", b"tracestate"], [b"x-request-id", b"x-b3-traceid", b"x-b3-sampled"]]
    assert sum(1 for slot in SLOTS if slot) == len(NAMES) - 1 - 3


def test_requests_lose_what_is_rewritten_and_both_directions_lose_what_is_for_one_hop() -> None:
    assert {name for name, cut in zip(NAMES, CUT_FROM_RESPONSE, strict=True) if cut} == HOP_BY_HOP
    assert {name for name, cut in zip(NAMES, CUT_FROM_REQUEST, strict=True) if cut} == HOP_BY_HOP | REWRITTEN
