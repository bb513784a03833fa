"""The judgements: each fails what it is there to fail, and passes every way that the RFC leaves open."""

from __future__ import annotations

import pytest

from tests.conformance import judge
from tests.conformance.case import HIDDEN, Case, Judge, Seen, with_key
from tests.conformance.cases import CASES
from tests.conformance.judge import sound
from tests.conformance.reader import Message

KEY = b"k000"


def request(target: bytes = b"/k000", body: bytes = b"", complete: bool = True) -> Message:
    first = b"POST " + target + b" HTTP/1.1"
    return Message(first, 1, b"POST", target, fields=[(b"Host", b"a")], body=bytearray(body), complete=complete)


def answer(status: int, body: bytes = b"", complete: bool = True) -> Message:
    return Message(status=status, body=bytearray(body), complete=complete, fields=[(b"Connection", b"x")])


def seen(answers: list[Message] | None = None, requests: list[Message] | None = None, **more: object) -> Seen:
    new = answer(200, b"saw /k000/new")
    new.target = b"/k000/new"
    return Seen(KEY, answers=answers or [], requests=requests or [], new=new, **more)  # type: ignore[arg-type]


FORWARDED = seen([answer(200, b"saw /k000")], [request(body=b"abc")])
REFUSED = seen([answer(400)], closed=True)
DROPPED = seen(closed=True)
SILENT = seen(silent=True)


@pytest.mark.parametrize(
    ("rule", "passes", "fails"),
    [
        (judge.refused(), [REFUSED, DROPPED], [FORWARDED, SILENT]),
        (judge.refused(400, close=True), [REFUSED], [FORWARDED, SILENT, DROPPED, seen([answer(400)])]),
        (judge.refused(400), [REFUSED], [seen([answer(431)])]),
        (judge.forwarded(b"abc"), [FORWARDED], [REFUSED, SILENT]),
        (judge.forwarded(b"ab"), [], [FORWARDED]),
        (judge.forwarded(count=2), [], [FORWARDED, REFUSED]),
        (judge.forwarded(has={"host": b"a"}, lacks=("x-a",)), [FORWARDED], [REFUSED]),
        (judge.forwarded(has={"host": b"b"}), [], [FORWARDED]),
        (judge.forwarded(lacks=("host",)), [], [FORWARDED]),
        (judge.forwarded(target=b"/~", method=b"POST"), [FORWARDED], []),
        (judge.forwarded(target=b"/"), [], [FORWARDED]),
        (judge.forwarded(method=b"GET"), [], [FORWARDED]),
        (judge.answered(200, b"saw /k000"), [FORWARDED], [REFUSED, SILENT, seen([answer(200, b"saw /k000", False)])]),
        (judge.bad_gateway, [seen([answer(502)]), DROPPED, seen([answer(200, b"x", False)])], [FORWARDED, SILENT]),
        (judge.error_502, [seen([answer(502)])], [FORWARDED, DROPPED, seen([answer(503)])]),
        (judge.cut, [seen([answer(200, b"x", False)]), seen([answer(504)]), DROPPED], [FORWARDED]),
        (judge.aborted, [REFUSED, seen(requests=[request(complete=False)])], [FORWARDED]),
        (judge.closed, [REFUSED], [FORWARDED]),
        (judge.kept, [seen([answer(200)], same=answer(200))], [REFUSED, FORWARDED]),
        (judge.at_most(1), [FORWARDED, REFUSED], [seen(requests=[request(), request()])]),
        (judge.either(judge.closed, judge.aborted), [REFUSED], [FORWARDED]),
        (judge.every(judge.closed, judge.aborted), [REFUSED], [FORWARDED]),
        (judge.met, [FORWARDED], [seen(missed=["wait"])]),
        (judge.unfinished, [seen(silent=True, closed=True)], [SILENT, FORWARDED, REFUSED]),
    ],
)  # fmt: skip
def test_a_judgement_passes_and_fails(rule: Judge, passes: list[Seen], fails: list[Seen]) -> None:
    assert [rule(one) for one in passes] == [""] * len(passes)
    assert all(rule(one) for one in fails)


def _canary(body: bytes) -> Message:
    made = answer(200, body)
    made.target = b"/k000/same"
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        seen(faults=["the backend a line that ends in a bare LF"]),
        seen([answer(200, b"saw /k000")], [request(), request(b"/k000/hidden")]),
        seen([answer(200, b"saw /k000/hidden")]),
        seen([answer(200), answer(200)]),
        seen([answer(200)], same=_canary(b"stolen")),
        Seen(KEY, answers=[answer(200)]),
        Seen(KEY, answers=[answer(200)], new=answer(502)),
    ],
)
def test_whatever_a_case_asks_no_reader_may_lose_its_place(wrong: Seen) -> None:
    assert sound(wrong)
    assert sound(FORWARDED) == sound(REFUSED) == ""


UPGRADED = request()
UPGRADED.fields += [(b"Upgrade", b"h2c"), (b"Connection", b"upgrade")]
HINTED = answer(103)
HINTED.fields = [(b"X-Hop", b"1"), (b"Content-Length", b"0"), (b"Transfer-Encoding", b"chunked")]

# What careless proxies come to, one of which every case must tell from a careful one.
CARELESS = (
    FORWARDED,
    REFUSED,
    SILENT,
    seen([answer(502)]),
    seen([answer(200, b"wrong")]),
    seen([answer(200, b"saw /k000")], [request(), request(b"/k000/hidden")], expected=2),
    seen([answer(101)], [request()], interim=[answer(103)], tunnel=b"x", connections=[b"tunnelled"]),
    seen([answer(200)], [request()], interim=[answer(100)], received=b"secret=1"),
    seen([answer(200, b"saw /k000")], [request(), request()]),
    seen([answer(200)], [UPGRADED, request(b"/k000/inside")], interim=[HINTED], expected=2),
    seen(faults=["the backend something malformed"]),
)


def _fails(case: Case, one: Seen) -> bool:
    try:
        return bool(sound(one) or case.judge(one))
    except IndexError:
        return True  # it looks at what did not even come


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_can_fail(case: Case) -> None:
    alone = [one for one in CARELESS if not sound(one)]
    if HIDDEN not in b"".join(step for step in case.send if isinstance(step, bytes)):
        assert any(_fails(case, one) for one in alone), "nothing that one could do wrong is asked"
    assert any(_fails(case, one) for one in CARELESS)


def test_names_are_unique_and_every_message_carries_its_key() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert len(CASES) < 1000, "keys have three digits"
    assert with_key(HIDDEN, KEY).startswith(b"GET /k000/hidden ")
    assert all(case.duty.endswith(".") and case.clause.startswith("RFC ") for case in CASES)
