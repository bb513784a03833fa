"""A question is bounded, or it is refused with the sentence that says why."""

import pytest

from sidecar.debug.terms import (
    LoopTerms,
    MemoryTerms,
    ProfileTerms,
    Question,
    TaskTerms,
    Terms,
    TermsError,
    lasting,
    read,
    weight,
)


@pytest.mark.parametrize(
    ("kind", "query", "question"),
    [
        ("tasks", {}, Question(TaskTerms(), "json", None)),
        ("tasks", {"format": "text", "worker": "1"}, Question(TaskTerms(), "text", 1)),
        ("memory", {}, Question(MemoryTerms(25, None, 1), "json", None)),
        ("memory", {"trace": "start", "frames": "5"}, Question(MemoryTerms(25, "start", 5), "json", None)),
        ("memory", {"trace": "stop", "top": "0"}, Question(MemoryTerms(0, "stop", 1), "json", None)),
        ("loop", {}, Question(LoopTerms(0.0), "json", None)),
        ("loop", {"seconds": "2.5"}, Question(LoopTerms(2.5), "json", None)),
        ("profile", {}, Question(ProfileTerms(5.0, 200), "svg", None)),
        (
            "profile",
            {"seconds": "60s", "hz": "1000", "format": "folded"},
            Question(ProfileTerms(60, 1000), "folded", None),
        ),
    ],
)
def test_a_question_is_read_from_its_query(kind: str, query: dict[str, str], question: Question) -> None:
    assert read(kind, query) == question


@pytest.mark.parametrize(
    ("kind", "query", "sentence"),
    [
        ("tasks", {"seconds": "5"}, "`seconds` means nothing here; /debug/tasks takes `format`, `worker`"),
        ("tasks", {"format": "svg"}, "`format` is `json` or `text`, not `svg`"),
        ("profile", {"format": "json"}, "`format` is `svg` or `folded`, not `json`"),
        ("tasks", {"worker": "-1"}, "`worker` is a whole number from 0 to 9999, not `-1`"),
        ("memory", {"top": "1001"}, "`top` is a whole number from 0 to 1000, not `1001`"),
        ("memory", {"top": "١"}, "`top` is a whole number from 0 to 1000, not `١`"),
        ("memory", {"trace": "on"}, "`trace` is `start` or `stop`, not `on`"),
        ("memory", {"frames": "3"}, "`frames` goes with `trace=start` only"),
        ("memory", {"trace": "start", "frames": "0"}, "`frames` is a whole number from 1 to 50, not `0`"),
        ("profile", {"seconds": "61"}, "`seconds` is a number from 0.1 to 60, not `61`"),
        ("profile", {"seconds": "0"}, "`seconds` is a number from 0.1 to 60, not `0`"),
        ("profile", {"seconds": "nan"}, "`seconds` is a number from 0.1 to 60, not `nan`"),
        ("profile", {"hz": "0"}, "`hz` is a whole number from 1 to 1000, not `0`"),
        ("loop", {"seconds": "1e9"}, "`seconds` is a number from 0 to 60, not `1e9`"),
    ],
)
def test_a_question_without_sense_is_refused_with_its_reason(kind: str, query: dict[str, str], sentence: str) -> None:
    with pytest.raises(TermsError) as refused:
        read(kind, query)
    assert str(refused.value) == sentence


def test_what_lasts_is_said_before_it_is_asked() -> None:
    asked: list[Terms] = [ProfileTerms(7.0, 10), LoopTerms(3.0), TaskTerms(), MemoryTerms()]
    assert [lasting(one) for one in asked] == [7.0, 3.0, 0.0, 0.0]


def test_only_what_weighs_on_the_process_is_told_to_others() -> None:
    assert weight(ProfileTerms(5.0, 200)) == "profiled for 5 s at 200 Hz"
    assert weight(MemoryTerms(trace="start")) == "allocations are traced from now on, and cost more"
    assert weight(MemoryTerms(trace="stop")) == "allocations are traced no more"
    assert [weight(one) for one in (TaskTerms(), LoopTerms(9.0), MemoryTerms())] == ["", "", ""]
