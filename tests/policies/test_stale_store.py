"""The last good answer of each GET."""

from __future__ import annotations

from sidecar.policies.cacheability import NO_LENGTH, Answer, Question
from sidecar.policies.stale_store import MAX_VARIANTS, OVERHEAD_BYTES, Capture, StaleStore, Stored

MIB = 1 << 20
WALL = 1_790_000_000.0


class Facts:
    """A request's facts from a dictionary."""

    def __init__(self, fields: dict[bytes, bytes], authority: bytes) -> None:
        self.method = b"GET"
        self.path = b"/"
        self.authority = authority
        self._fields = fields

    def header(self, name: bytes) -> bytes | None:
        return self._fields.get(name)


def _question(
    target: bytes = b"/", fields: dict[bytes, bytes] | None = None, scheme: bytes = b"http", authority: bytes = b"shop"
) -> Question:
    return Question(Facts(fields or {}, authority), scheme, target, {}, True)


def _answer(
    fields: bytes = b"", vary: tuple[bytes, ...] = (), length: int = NO_LENGTH, age: int = 0, **said: int
) -> Answer:
    answer = Answer(200, fields, {name.encode().replace(b"_", b"-"): seconds for name, seconds in said.items()})
    answer.vary, answer.length, answer.age = vary, length, age
    return answer


def _begin(store: StaleStore, question: Question, answer: Answer | None = None, now: float = 0.0) -> Capture | None:
    return store.begin(question, answer or _answer(), now, now, WALL + now)


def _keep(
    store: StaleStore, question: Question, body: bytes = b"ok", answer: Answer | None = None, now: float = 0.0
) -> bool:
    capture = _begin(store, question, answer, now)
    assert capture is not None
    capture.add(body)
    return capture.commit(now)


def _body(found: Stored | None) -> bytes | None:
    return None if found is None else found.body


def test_the_last_complete_answer_to_the_same_question_is_found() -> None:
    store = StaleStore(MIB, 600.0)
    capture = _begin(store, _question(), _answer(b"ETag: 1\r\n"), now=1.0)
    assert capture is not None
    capture.add(b"hel")
    assert store.find(_question(), 2.0) is None
    capture.add(b"lo")
    assert capture.commit(2.0)
    found = store.find(_question(), 3.0)
    assert found is not None
    assert (found.status, found.fields, found.body) == (200, b"ETag: 1\r\n", b"hello")


def test_a_newer_answer_takes_the_place_of_the_older() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question(), b"old", now=1.0)
    assert _keep(store, _question(), b"new", now=2.0)
    assert _body(store.find(_question(), 3.0)) == b"new"
    assert store.snapshot(3.0)["answers"] == 1


def test_an_answer_that_was_overtaken_does_not_come_back() -> None:
    store = StaleStore(MIB, 600.0)
    slow = _begin(store, _question(), now=1.0)
    assert slow is not None
    assert _keep(store, _question(), b"new", now=2.0)
    assert not slow.commit(3.0)
    assert _body(store.find(_question(), 4.0)) == b"new"


def test_other_targets_hosts_and_schemes_are_other_questions() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question(b"/a?b=1"))
    assert store.find(_question(b"/a?b=1", authority=b"SHOP"), 1.0) is not None
    assert store.find(_question(b"/a?b=2"), 1.0) is None
    assert store.find(_question(b"/a?b=1", authority=b"other"), 1.0) is None
    assert store.find(_question(b"/a?b=1", scheme=b"https"), 1.0) is None


def test_an_answer_fits_only_who_sent_the_same_fields_that_it_varies_on() -> None:
    store = StaleStore(MIB, 600.0)
    german, none = {b"accept-language": b"de"}, dict[bytes, bytes]()
    answer = _answer(vary=(b"accept-language",))
    assert _keep(store, _question(fields=german), b"Hallo", answer)
    assert _keep(store, _question(fields=none), b"Hello", answer)
    assert _body(store.find(_question(fields=german), 1.0)) == b"Hallo"
    assert _body(store.find(_question(fields=none), 1.0)) == b"Hello"
    assert store.find(_question(fields={b"accept-language": b"fr"}), 1.0) is None


def test_of_several_answers_that_fit_the_latest_is_served() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question(), b"varies", _answer(vary=(b"accept",)), now=2.0)
    assert _keep(store, _question(), b"plain", now=1.0)
    assert _body(store.find(_question(), 3.0)) == b"varies"


def test_a_latest_answer_that_may_not_be_stale_hides_the_older_ones() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question(), b"old", _answer(vary=(b"accept",)), now=1.0)
    assert _keep(store, _question(), b"new", _answer(stale_if_error=5), now=2.0)
    assert _body(store.find(_question(), 7.0)) == b"new"
    assert store.find(_question(), 8.0) is None
    assert store.find(_question(), 9.0) is None


def test_one_target_keeps_a_few_variants_only() -> None:
    store = StaleStore(MIB, 600.0)
    for number in range(MAX_VARIANTS + 1):
        assert _keep(store, _question(fields={b"accept": b"%d" % number}), answer=_answer(vary=(b"accept",)))
    assert store.snapshot(0.0)["answers"] == MAX_VARIANTS
    assert store.find(_question(fields={b"accept": b"0"}), 0.0) is None
    assert store.find(_question(fields={b"accept": b"1"}), 0.0) is not None


def test_its_age_counts_what_it_had_on_arrival_and_the_time_since() -> None:
    store = StaleStore(MIB, 600.0)
    capture = store.begin(_question(), _answer(age=30), 9.0, 10.0, WALL)
    assert capture is not None
    assert capture.commit(15.0)
    found = store.find(_question(), 20.0)
    assert found is not None
    assert found.age(20.0) == 41.0


def test_an_answer_is_served_up_to_the_oldest_age_and_no_longer() -> None:
    store = StaleStore(MIB, 60.0)
    assert _keep(store, _question(), answer=_answer(age=20), now=100.0)
    assert store.find(_question(), 140.0) is not None
    assert store.find(_question(), 140.5) is None


def test_an_answer_too_old_on_arrival_is_not_kept() -> None:
    store = StaleStore(MIB, 60.0)
    assert _begin(store, _question(), _answer(age=61)) is None


def test_an_answer_that_became_too_old_on_its_way_is_not_kept() -> None:
    store = StaleStore(MIB, 60.0)
    capture = _begin(store, _question())
    assert capture is not None
    assert not capture.commit(61.0)
    assert store.held_bytes == 0


def test_a_latest_answer_that_was_never_to_be_stale_forgets_the_older() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question())
    assert _begin(store, _question(), _answer(age=9, stale_if_error=5), now=1.0) is None
    assert store.find(_question(), 1.0) is None


def test_an_answer_that_may_not_be_kept_forgets_what_was() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question(b"/a"))
    assert _keep(store, _question(b"/b"))
    assert _begin(store, _question(b"/a"), _answer(private=-1)) is None
    assert store.find(_question(b"/a"), 1.0) is None
    assert store.find(_question(b"/b"), 1.0) is not None


def test_a_failure_of_the_upstream_forgets_nothing() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question())
    assert store.begin(_question(), Answer(503, b"", {}), 1.0, 1.0, WALL) is None
    assert store.find(_question(), 1.0) is not None


def test_an_unsafe_request_forgets_its_target_and_what_was_asked_of_it_before() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question(b"/a"))
    assert _keep(store, _question(b"/b"))
    before = _begin(store, _question(b"/a"), now=1.0)
    assert before is not None
    store.invalidate(b"Shop", b"/a")
    before.add(b"x")
    assert not before.commit(2.0)
    assert store.find(_question(b"/a"), 2.0) is None
    assert store.find(_question(b"/b"), 2.0) is not None


def test_an_answer_that_broke_off_leaves_nothing_behind() -> None:
    store = StaleStore(MIB, 600.0)
    capture = _begin(store, _question())
    assert capture is not None
    capture.add(b"half")
    assert store.held_bytes > OVERHEAD_BYTES
    capture.abandon()
    capture.abandon()
    capture.add(b"more")
    assert not capture.commit(1.0)
    assert store.held_bytes == 0
    assert store.find(_question(), 1.0) is None


def test_an_answer_of_another_length_than_it_said_is_not_kept() -> None:
    store = StaleStore(MIB, 600.0)
    for body, kept in ((b"four", True), (b"fou", False), (b"fours", False)):
        assert _keep(store, _question(body), body, _answer(length=4)) is kept
    assert store.snapshot(0.0)["answers"] == 1


def test_an_answer_of_more_than_a_quarter_of_the_memory_is_given_up() -> None:
    store = StaleStore(64 << 10, 600.0)
    assert _begin(store, _question(), _answer(length=16 << 10)) is None
    assert _begin(store, _question(), _answer(fields=b"x" * (16 << 10))) is None
    assert store.held_bytes == 0
    capture = _begin(store, _question())
    assert capture is not None
    capture.add(b"x" * (15 << 10))
    capture.add(b"x" * (1 << 10))
    assert store.held_bytes == 0
    capture.add(b"x")
    assert not capture.commit(0.0)


def test_answers_on_their_way_push_out_half_of_the_memory_at_most() -> None:
    store = StaleStore(64 << 10, 600.0)
    for number in range(8):
        assert _keep(store, _question(b"/%d" % number), b"x" * (6 << 10))
    for number in range(8):
        capture = _begin(store, _question(b"/slow/%d" % number))
        if capture is not None:
            capture.add(b"x" * (14 << 10))
    assert store.held_bytes <= 64 << 10
    kept = [number for number in range(8) if store.find(_question(b"/%d" % number), 0.0) is not None]
    assert kept == [4, 5, 6, 7]


def test_the_longest_unused_answer_goes_first() -> None:
    store = StaleStore(64 << 10, 600.0)
    for name in (b"/a", b"/b", b"/c", b"/d"):
        assert _keep(store, _question(name), b"x" * (14 << 10))
    assert store.find(_question(b"/a"), 0.0) is not None
    assert _keep(store, _question(b"/e"), b"x" * (14 << 10))
    assert [name for name in (b"/a", b"/b", b"/c", b"/d", b"/e") if store.find(_question(name), 0.0)] == [
        b"/a",
        b"/c",
        b"/d",
        b"/e",
    ]


def test_an_upstream_that_varies_on_thousands_of_fields_pays_for_them() -> None:
    store = StaleStore(64 << 10, 600.0)
    assert _begin(store, _question(), _answer(vary=tuple(b"%d" % number for number in range(1000)))) is None


def test_smaller_bounds_hold_at_once_and_end_what_is_on_its_way() -> None:
    store = StaleStore(MIB, 600.0)
    for number in range(4):
        assert _keep(store, _question(b"/%d" % number), b"x" * 8000)
    capture = _begin(store, _question(b"/slow"))
    assert capture is not None
    capture.add(b"x" * 200_000)
    store.resize(32 << 10, 60.0)
    assert store.held_bytes <= 32 << 10
    assert not capture.commit(0.0)
    assert store.find(_question(b"/3"), 0.0) is not None
    assert store.find(_question(b"/3"), 61.0) is None


def test_wider_bounds_keep_everything_and_what_is_on_its_way() -> None:
    store = StaleStore(MIB, 60.0)
    assert _keep(store, _question(b"/a"))
    capture = _begin(store, _question(b"/b"))
    assert capture is not None
    store.resize(2 * MIB, 600.0)
    assert capture.commit(0.0)
    assert store.find(_question(b"/a"), 500.0) is not None


def test_operators_see_how_many_answers_there_are_and_how_old() -> None:
    store = StaleStore(MIB, 600.0)
    assert _keep(store, _question(b"/a"), b"12345", now=10.0)
    assert _keep(store, _question(b"/b"), b"12345", now=20.0)
    assert store.snapshot(30.0) == {
        "answers": 2,
        "bytes": 2 * (OVERHEAD_BYTES + len(b"shop /a") + 5),
        "max_bytes": MIB,
        "oldest_age": 20.0,
    }
