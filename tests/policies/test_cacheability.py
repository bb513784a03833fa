"""What a shared cache may keep, for whom it may serve it stale, and how old it is."""

from __future__ import annotations

import math

import pytest

from sidecar.policies.cacheability import (
    FORGOTTEN,
    IGNORED,
    KEPT,
    Answer,
    Question,
    age_limit,
    initial_age,
    invalidates,
    may_be_served_for,
    meaning,
    target_key,
)


class Facts:
    """A request's facts from a dictionary."""

    def __init__(self, fields: dict[bytes, bytes] | None = None, method: bytes = b"GET") -> None:
        self.method = method
        self.path = b"/"
        self.authority = b"shop"
        self._fields = fields or {}

    def header(self, name: bytes) -> bytes | None:
        return self._fields.get(name)


def _question(
    fields: dict[bytes, bytes] | None = None,
    directives: dict[bytes, int] | None = None,
    method: bytes = b"GET",
    bodiless: bool = True,
) -> Question:
    return Question(Facts(fields, method), b"http", b"/", {} if directives is None else directives, bodiless)


def _answer(*directives: bytes, status: int = 200, **seconds: int) -> Answer:
    said = dict.fromkeys(directives, -1) | {name.encode().replace(b"_", b"-"): n for name, n in seconds.items()}
    return Answer(status, b"", said)


def test_a_plain_answer_to_a_plain_get_is_kept_and_served() -> None:
    assert meaning(_question(), _answer()) == KEPT
    assert meaning(_question(), _answer(b"public", max_age=60)) == KEPT
    assert meaning(_question(), _answer(max_age=0)) == KEPT
    assert may_be_served_for(_question())


@pytest.mark.parametrize(
    "question",
    [
        _question({b"authorization": b"Bearer x"}),
        _question({b"range": b"bytes=0-1"}),
        _question({b"upgrade": b"websocket"}),
        _question(directives={b"no-store": -1}),
        _question(method=b"HEAD"),
        _question(method=b"POST"),
        _question(bodiless=False),
        Question(Facts(), b"http", b"/", {}, True, certified=True),
    ],
)
def test_what_was_asked_in_confidence_or_in_part_is_neither_kept_nor_served(question: Question) -> None:
    assert meaning(question, _answer(b"public")) == IGNORED
    assert meaning(question, _answer(b"no-store")) == IGNORED
    assert not may_be_served_for(question)


def test_a_request_whose_wishes_cannot_be_read_is_left_alone() -> None:
    question = Question(Facts(), b"http", b"/", None, True)
    assert meaning(question, _answer()) == IGNORED
    assert not may_be_served_for(question)


@pytest.mark.parametrize(
    "directive",
    [b"no-store", b"private", b"no-cache", b"must-revalidate", b"proxy-revalidate", b"s-maxage", b"must-understand"],
)
def test_an_answer_that_forbids_it_is_not_kept_and_is_the_last_word(directive: bytes) -> None:
    assert meaning(_question(), _answer(b"public", directive)) == FORGOTTEN


def test_an_answer_whose_wishes_cannot_be_read_is_not_kept() -> None:
    assert meaning(_question(), Answer(200, b"", None)) == FORGOTTEN


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_forgotten(status: int) -> None:
    assert meaning(_question(), _answer(status=status)) == FORGOTTEN
    assert meaning(_question({b"cookie": b"a=1"}), _answer(status=status)) == IGNORED


@pytest.mark.parametrize("status", [201, 203, 204, 206, 301, 304, 401, 403, 500, 503])
def test_only_a_200_is_a_good_answer_and_others_change_nothing(status: int) -> None:
    assert meaning(_question(), _answer(status=status)) == IGNORED


def test_an_answer_that_sets_a_cookie_is_not_kept() -> None:
    answer = _answer(b"public")
    answer.sets_cookie = True
    assert meaning(_question(), answer) == IGNORED


def test_an_answer_that_ends_with_its_connection_is_not_kept() -> None:
    answer = _answer()
    answer.ends_itself = False
    assert meaning(_question(), answer) == IGNORED


def test_an_answer_that_fits_nobody_else_is_not_kept() -> None:
    answer = _answer()
    answer.vary = None
    assert meaning(_question(), answer) == IGNORED


def test_an_answer_to_a_cookie_is_kept_only_where_the_upstream_knows_what_it_does() -> None:
    question = _question({b"cookie": b"session=1"})
    assert meaning(question, _answer(max_age=60)) == IGNORED
    assert meaning(question, _answer(b"private")) == IGNORED
    assert meaning(question, _answer(b"public")) == KEPT
    varying = _answer()
    varying.vary = (b"accept", b"cookie")
    assert meaning(question, varying) == KEPT


@pytest.mark.parametrize(
    "question",
    [
        _question(directives={b"no-cache": -1}),
        _question({b"if-match": b'"a"'}),
        _question({b"if-unmodified-since": b"x"}),
    ],
)
def test_who_wants_the_origin_itself_is_served_nothing_but_refreshes_what_is_kept(question: Question) -> None:
    assert not may_be_served_for(question)
    assert meaning(question, _answer()) == KEPT


@pytest.mark.parametrize("directive", [b"max-age", b"min-fresh", b"max-stale", b"only-if-cached"])
def test_a_preference_gives_way_where_the_choice_is_an_old_answer_or_none(directive: bytes) -> None:
    assert may_be_served_for(_question(directives={directive: 0}))


@pytest.mark.parametrize(
    ("age", "date", "sent", "expected"),
    [
        (0, -1.0, 10.0, 0.0),
        (0, -1.0, 8.0, 2.0),  # the time it took may all have been spent after it was made
        (30, -1.0, 8.0, 32.0),
        (30, 900.0, 8.0, 100.0),  # its Date says that it is older
        (30, 990.0, 8.0, 32.0),
        (30, 2000.0, 8.0, 32.0),  # a clock that is ahead makes nothing younger
        (0, -1.0, 99.0, 0.0),
    ],
)
def test_the_age_on_arrival_is_the_larger_of_what_date_and_age_say(
    age: int, date: float, sent: float, expected: float
) -> None:
    answer = _answer()
    answer.age, answer.date = age, date
    assert initial_age(answer, sent, 10.0, 1000.0) == expected


def test_an_upstream_that_says_how_stale_it_may_be_is_taken_at_its_word() -> None:
    assert age_limit(_answer(max_age=60), 0.0) == math.inf
    assert age_limit(_answer(max_age=60, stale_if_error=30), 0.0) == 90.0
    assert age_limit(_answer(stale_if_error=30), 0.0) == 30.0
    assert age_limit(_answer(b"stale-if-error", max_age=60), 0.0) == 60.0
    assert age_limit(_answer(b"max-age", stale_if_error=5), 0.0) == 5.0
    assert age_limit(Answer(200, b"", None), 0.0) == math.inf


def test_expires_counts_from_the_date_or_from_the_arrival() -> None:
    answer = _answer(stale_if_error=5)
    answer.expires = 1060.0
    assert age_limit(answer, 1050.0) == 15.0
    answer.date = 1000.0
    assert age_limit(answer, 1050.0) == 65.0
    answer.expires = 0.0
    assert age_limit(answer, 1050.0) == 5.0


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"FROBNICATE"])
def test_an_unsafe_request_that_did_not_fail_makes_what_is_kept_untrue(method: bytes) -> None:
    assert [status for status in (200, 204, 303, 400, 404, 500) if invalidates(method, status)] == [200, 204, 303]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY"])
def test_a_safe_request_makes_nothing_untrue(method: bytes) -> None:
    assert not any(invalidates(method, status) for status in range(100, 600))


def test_a_target_is_told_by_host_in_any_case_and_by_port_and_spelling() -> None:
    assert target_key(b"SHOP", b"/a") == target_key(b"shop", b"/a")
    assert len({target_key(b"shop", b"/a"), target_key(b"shop", b"/A"), target_key(b"shop:80", b"/a")}) == 3
