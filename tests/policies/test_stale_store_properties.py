"""The byte bound always holds, nothing forbidden is ever found, and no answer grows younger."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from sidecar.policies.cacheability import NO_DATE, NO_LENGTH, Answer, Question
from sidecar.policies.stale_store import Capture, StaleStore, Stored

FORBIDDING = (
    b"no-store", b"private", b"no-cache", b"must-revalidate", b"proxy-revalidate", b"s-maxage", b"must-understand"
)  # fmt: skip
WALL = 1_790_000_000.0


class Facts:
    """A request's facts from a dictionary."""

    def __init__(self, fields: dict[bytes, bytes], authority: bytes, method: bytes) -> None:
        self.method = method
        self.path = b"/"
        self.authority = authority
        self.fields = fields

    def header(self, name: bytes) -> bytes | None:
        return self.fields.get(name)


TARGETS = st.sampled_from([b"/a", b"/b", b"/c?x=1"])


def _question(
    target: bytes,
    authority: bytes = b"shop",
    fields: dict[bytes, bytes] | None = None,
    directive: bytes = b"max-age",
    method: bytes = b"GET",
    scheme: bytes = b"http",
) -> Question:
    return Question(Facts(fields or {}, authority, method), scheme, target, {directive: 0}, True)


def _odd(name: str) -> st.SearchStrategy[dict[str, object]]:
    return {
        "authority": st.sampled_from([b"SHOP", b"other"]),
        "fields": st.dictionaries(
            st.sampled_from([b"cookie", b"authorization", b"range"]), st.sampled_from([b"1", b"2"]), min_size=1
        ),
        "directive": st.sampled_from([b"no-store", b"no-cache"]),
        "method": st.just(b"HEAD"),
        "scheme": st.just(b"https"),
    }[name].map(lambda value: {name: value})


# One odd thing at a time, and half of the time none: otherwise next to nothing is ever kept, and nothing is tested.
QUESTIONS = st.builds(
    lambda target, odd: _question(target, **odd),
    TARGETS,
    st.just({})
    | st.sampled_from([{"fields": {b"accept": b"1"}}, {"fields": {b"accept": b"2"}}])
    | st.sampled_from(["authority", "fields", "directive", "method", "scheme"]).flatmap(_odd),
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Good answers, and such with one odd thing."""
    directives: dict[bytes, int] | None = draw(st.sampled_from([{}, {b"max-age": 60}, {b"public": -1}]))
    answer = Answer(200, draw(st.binary(max_size=900)), directives)
    answer.vary = draw(st.sampled_from([(), (b"accept",), (b"accept", b"cookie")]))
    answer.age = draw(st.sampled_from([0, 0, 4]))
    match draw(st.sampled_from([None, None, None, *range(8)])):
        case 0:
            answer.directives = {draw(st.sampled_from(FORBIDDING)): 60, **(directives or {})}
        case 1:
            answer.directives = draw(st.sampled_from([None, {b"stale-if-error": 2}]))
        case 2:
            answer.status = draw(st.sampled_from([404, 503]))
        case 3:
            answer.vary = None
        case 4:
            answer.sets_cookie = True
        case 5:
            answer.ends_itself = False
        case 6:
            answer.length = draw(st.sampled_from([3, 5000]))
        case 7:
            answer.date = draw(st.sampled_from([WALL, WALL + 50, NO_DATE]))
        case _:
            pass
    return answer


@dataclass
class Asked:
    """A capture with what it is of."""

    capture: Capture
    question: Question
    answer: Answer
    body: bytearray = field(default_factory=bytearray)


class Stale(RuleBasedStateMachine):
    """A store, and beside it everything that was ever committed with whatever it was committed for."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.store = StaleStore(16 << 10, 60.0)
        self.committed: dict[bytes, Asked] = {}  # by the body, which is unique
        self.serial = 0
        self.ages: dict[Stored, float] = {}

    @initialize(max_bytes=st.sampled_from([16 << 10, 20 << 10, 1 << 20]), max_age=st.sampled_from([5.0, 60.0]))
    def bounds(self, max_bytes: int, max_age: float) -> None:
        """Tight ones are where bounds are met."""
        self.store = StaleStore(max_bytes, max_age)

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 40.0]))
    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(target=asked, question=QUESTIONS, answer=answers(), took=st.sampled_from([0.0, 2.0]))
    def begins(self, question: Question, answer: Answer, took: float) -> object:
        """An answer's head arrives."""
        capture = self.store.begin(question, answer, self.now - took, self.now, WALL + self.now)
        return multiple() if capture is None else Asked(capture, question, answer)

    @rule(question=QUESTIONS, answer=answers())
    def comes_at_once(self, question: Question, answer: Answer) -> None:
        """A whole answer arrives, and the same is asked again."""
        capture = self.store.begin(question, answer, self.now, self.now, WALL + self.now)
        if capture is not None:
            asked = Asked(capture, question, answer)
            self.goes_on(asked, 40)
            self.ends(asked)
            self.is_asked(question)

    @rule(asked=asked, size=st.sampled_from([0, 3, 700, 5000]))
    def goes_on(self, asked: Asked, size: int) -> None:
        """A piece of a body arrives."""
        piece = b"%08d" % self.serial + b"x" * size if not asked.body and asked.answer.length != 3 else b"x" * size
        if asked.answer.length == 3 and not asked.body:
            piece = self.serial.to_bytes(3)
        self.serial += 1
        asked.body += piece
        asked.capture.add(piece)

    @rule(asked=consumes(asked))
    def ends(self, asked: Asked) -> None:
        """A body is complete."""
        if asked.capture.commit(self.now):
            self.committed[bytes(asked.body)] = asked

    @rule(asked=consumes(asked))
    def breaks_off(self, asked: Asked) -> None:
        """A body breaks off."""
        asked.capture.abandon()
        assert not asked.capture.commit(self.now)

    @rule(authority=st.sampled_from([b"shop", b"Other"]), path=TARGETS)
    def changes(self, authority: bytes, path: bytes) -> None:
        """An unsafe request succeeds: nothing of its target is found afterwards."""
        self.store.invalidate(authority, path)
        for scheme in (b"http", b"https"):
            assert self.store.find(Question(Facts({}, authority, b"GET"), scheme, path, {}, True), self.now) is None

    @rule(max_bytes=st.sampled_from([16 << 10, 64 << 10]))
    def is_resized(self, max_bytes: int) -> None:
        """The rules change."""
        self.store.resize(max_bytes, self.store.max_age)

    @rule(question=QUESTIONS)
    def is_asked(self, question: Question) -> None:
        """What is found was committed for such a question, and nobody forbade it."""
        found = self.store.find(question, self.now)
        if found is None:
            return
        facts = question.facts
        assert facts.method == b"GET"
        assert all(facts.header(name) is None for name in (b"authorization", b"range"))
        assert not {b"no-store", b"no-cache"} & set(question.directives or ())
        if not found.body:
            return  # which of the empty ones it is cannot be told
        source = self.committed[found.body]
        assert source.question.key == question.key
        assert source.question.scheme == question.scheme
        self._is_allowed(source, question)
        age = found.age(self.now)
        assert source.answer.age <= age <= self.store.max_age
        assert age >= self.ages.get(found, 0.0)
        self.ages[found] = age

    def _is_allowed(self, source: Asked, question: Question) -> None:
        answer = source.answer
        assert answer.status == 200
        assert answer.directives is not None
        assert not set(FORBIDDING) & set(answer.directives)
        assert not answer.sets_cookie
        assert answer.vary is not None
        assert all(source.question.facts.header(name) == question.facts.header(name) for name in answer.vary)
        assert source.question.facts.header(b"authorization") is None
        assert b"no-store" not in (source.question.directives or ())
        assert answer.length in (NO_LENGTH, len(source.body))
        if source.question.facts.header(b"cookie") is not None:
            assert b"public" in answer.directives or b"cookie" in answer.vary

    @invariant()
    def the_bound_holds(self) -> None:
        """Whatever happened."""
        assert 0 <= self.store.held_bytes <= self.store.max_bytes
        snapshot = self.store.snapshot(self.now)
        assert (snapshot["answers"] == 0) == (snapshot["bytes"] == 0)


TestStale = Stale.TestCase


@given(
    st.sampled_from([16 << 10, 24 << 10, 50_000]),
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["piece", "piece", "end", "break"]), st.integers(0, 4000)),
        min_size=20,
        max_size=80,
    ),
)
def test_the_bound_holds_when_more_comes_than_fits(max_bytes: int, steps: list[tuple[int, str, int]]) -> None:
    store = StaleStore(max_bytes, 60.0)
    on_their_way: dict[int, Capture] = {}
    for number, (slot, step, size) in enumerate(steps):
        now = float(number) / 100
        if slot not in on_their_way:
            capture = store.begin(_question(b"/%d" % number), Answer(200, b"", {}), now, now, WALL)
            if capture is not None:
                on_their_way[slot] = capture
        elif step == "piece":
            on_their_way[slot].add(b"x" * size)
        elif step == "end":
            on_their_way.pop(slot).commit(now)
        else:
            on_their_way.pop(slot).abandon()
        assert 0 <= store.held_bytes <= max_bytes
    for capture in on_their_way.values():
        capture.abandon()
    found = [store.find(_question(b"/%d" % number), 1.0) for number in range(len(steps))]
    assert store.held_bytes == sum(entry.cost for entry in found if entry is not None) == store.snapshot(1.0)["bytes"]
