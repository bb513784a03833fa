"""Which identifiers are believed, and which are made."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.b3 import read_b3
from sidecar.wire.forwarding import forwarded_fields
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin
from sidecar.wire.trace_context import IdSource, RequestIds, TraceTerms, request_ids, valid_traceparent

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
VALID = b"00-" + TRACE + b"-" + SPAN + b"-01"
OTHER = b"0af7651916cd43dd8448eb211c80319c"
RECORDING = TraceTerms(recording=True)
# Written apart from the code under test.
WELL_FORMED = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")


def request(*lines: bytes) -> RequestHead:
    head = parse_request(b"\r\n".join([b"GET / HTTP/1.1", b"Host: h", *lines, b"", b""]), HeadLimits())
    assert head is not None
    return head


def source(seed: int = 7) -> IdSource:
    return IdSource(random.Random(seed).randbytes)


def flags(ids: RequestIds) -> bytes:
    return ids.ending[1:-2]


def ids_of(*lines: bytes, terms: TraceTerms | None = None) -> RequestIds:
    return request_ids(request(*lines), source(), terms or TraceTerms())


@pytest.mark.parametrize("value", [b"a", b"x" * 128, b"!~"])
def test_a_usable_request_id_is_kept(value: bytes) -> None:
    assert ids_of(b"X-Request-Id: " + value).request_id == value


@pytest.mark.parametrize("lines", [(), (b"",), (b"x" * 129,), (b"a b",), (b"a\tb",), (b"\xff",), (b"a", b"b")])
def test_an_unusable_request_id_is_replaced(lines: tuple[bytes, ...]) -> None:
    made = ids_of(*(b"X-Request-Id: " + line for line in lines)).request_id
    assert len(made) == 32
    assert not made.translate(None, b"0123456789abcdef")


@pytest.mark.parametrize("value", [VALID, b"01" + VALID[2:], b"01" + VALID[2:] + b"-more"])
def test_a_valid_trace_is_continued(value: bytes) -> None:
    ids = ids_of(b"traceparent: " + value)
    assert (ids.trace_id, ids.parent_id, flags(ids), ids.sampled) == (TRACE, SPAN, b"01", True)
    assert ids.span_id == b""


@pytest.mark.parametrize(
    ("came", "sent", "sampled"),
    [
        (b"00", b"00", False), (b"01", b"01", True), (b"02", b"02", False), (b"03", b"03", True),
        (b"0a", b"02", False), (b"0d", b"01", True), (b"f9", b"01", True), (b"fc", b"00", False), (b"ff", b"03", True),
    ],
)  # fmt: skip
def test_of_the_flags_those_that_are_defined_are_kept(came: bytes, sent: bytes, sampled: bool) -> None:
    ids = ids_of(b"traceparent: " + VALID[:-2] + came)
    assert (flags(ids), ids.sampled) == (sent, sampled)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        VALID[:-1],
        VALID + b"0",
        VALID + b"-x",
        VALID.upper(),
        b"ff" + VALID[2:],
        b"01" + VALID[2:] + b"x",
        b"00-" + b"0" * 32 + VALID[35:],
        VALID[:36] + b"0" * 16 + b"-01",
        VALID.replace(b"-", b"_"),
        VALID.replace(b"4bf", b"4bg"),
        VALID + b", " + VALID,
        VALID + b"\r\ntraceparent: " + VALID,
        VALID + b"\r\ntraceparent:",
        b"\r\ntraceparent: " + VALID,
    ],
)
def test_an_invalid_trace_is_replaced_by_a_new_one_not_sampled(value: bytes) -> None:
    ids = ids_of(b"traceparent: " + value, b"tracestate: a=1")
    assert ids.trace_id not in (TRACE, b"")
    assert (ids.parent_id, flags(ids), ids.sampled, ids.fields) == (b"", b"00", False, b"")


def test_identifiers_are_fresh_and_follow_from_the_source_alone() -> None:
    first, second = source(), source()
    made = [request_ids(request(), first, TraceTerms()) for _ in range(300)]
    again = [request_ids(request(), second, TraceTerms()) for _ in range(300)]
    assert len({ids.request_id for ids in made} | {ids.trace_id for ids in made}) == 600
    assert [ids.request_id for ids in made] == [ids.request_id for ids in again]


def test_a_trace_that_begins_here_is_sampled_only_where_somebody_records() -> None:
    assert (ids_of().sampled, flags(ids_of()), ids_of().span_id) == (False, b"00", b"")
    recorded = ids_of(terms=RECORDING)
    assert (recorded.sampled, flags(recorded), len(recorded.span_id)) == (True, b"01", 16)
    assert len({recorded.request_id, recorded.trace_id}) == 2


@pytest.mark.parametrize("sample", [0.0, 1e-30, 0.25, 0.5, 0.999, 1.0])
def test_the_share_that_is_sampled_is_the_one_of_the_rules(sample: float) -> None:
    terms = TraceTerms(sample=sample, recording=True)
    ids = source()
    count = 4000
    taken = sum(request_ids(request(), ids, terms).sampled for _ in range(count))
    assert taken == pytest.approx(sample * count, abs=0.04 * count if 0.0 < sample < 1.0 else 0.0)


def test_who_samples_a_smaller_share_samples_none_that_a_larger_one_does_not() -> None:
    few, many = source(), source()
    for _ in range(500):
        one = request_ids(request(), few, TraceTerms(sample=0.2))
        two = request_ids(request(), many, TraceTerms(sample=0.6))
        assert one.trace_id == two.trace_id
        assert two.sampled or not one.sampled


def test_the_callers_decision_is_not_taken_again() -> None:
    assert ids_of(b"traceparent: " + VALID[:-1] + b"0", terms=RECORDING).sampled is False
    continued = ids_of(b"traceparent: " + VALID, terms=TraceTerms(sample=0.0, recording=True))
    assert (continued.sampled, continued.parent_id, len(continued.span_id)) == (True, SPAN, 16)


B3 = b"b3: " + OTHER + b"-" + SPAN


@pytest.mark.parametrize(
    ("lines", "trace", "parent", "sent"),
    [
        ((B3,), OTHER, SPAN, b"00"),
        ((B3 + b"-1",), OTHER, SPAN, b"01"),
        ((B3 + b"-d",), OTHER, SPAN, b"01"),
        ((B3 + b"-0-" + SPAN,), OTHER, SPAN, b"00"),
        ((b"b3: " + OTHER[16:] + b"-" + SPAN + b"-1",), b"0" * 16 + OTHER[16:], SPAN, b"01"),
        ((b"x-b3-traceid: " + OTHER, b"X-B3-SpanID: " + SPAN, b"X-B3-Flags: 1"), OTHER, SPAN, b"01"),
        ((b"b3: 0", b"x-b3-traceid: " + OTHER, b"X-B3-SpanID: " + SPAN, b"X-B3-Sampled: 1"), OTHER, SPAN, b"01"),
        ((B3 + b"-1", b"traceparent: " + VALID[:-1] + b"0"), TRACE, SPAN, b"00"),
        ((B3 + b"-1", b"traceparent: " + VALID[:-1]), OTHER, SPAN, b"01"),
    ],
)
def test_b3_is_continued_where_traceparent_does_not_decide(
    lines: tuple[bytes, ...], trace: bytes, parent: bytes, sent: bytes
) -> None:
    ids = ids_of(*lines)
    assert (ids.trace_id, ids.parent_id, flags(ids)) == (trace, parent, sent)


@pytest.mark.parametrize(("state", "sampled"), [(b"0", False), (b"1", True), (b"d", True)])
def test_a_bare_decision_holds_for_the_trace_that_begins_here(state: bytes, sampled: bool) -> None:
    ids = ids_of(b"b3: " + state, terms=TraceTerms(sample=0.5, recording=True))
    assert (ids.sampled, ids.parent_id, len(ids.trace_id), len(ids.span_id)) == (sampled, b"", 32, 16 * sampled)
    assert (ids.b3 is not None, ids.fields) == ((True, b"") if sampled else (False, b"b3: 0\r\n"))


@pytest.mark.parametrize(
    ("single", "several", "sampled", "rewritten"),
    [(b"0", b"1", False, []), (b"1", b"0", True, [True]), (b"d", b"1", True, [True, False]), (b"0", b"0", False, [])],
)
def test_of_two_bare_decisions_the_single_form_holds_and_the_other_is_left_as_it_came(
    single: bytes, several: bytes, sampled: bool, rewritten: list[bool]
) -> None:
    ids = ids_of(b"X-B3-Sampled: " + several, b"b3: " + single)
    assert ids.sampled is sampled
    assert [form.single for form in ids.b3 or []] == rewritten
    kept = [] if False in rewritten else [b"X-B3-Sampled: " + several + b"\r\n"]
    assert ids.fields == b"".join(kept if True in rewritten else [*kept, b"b3: " + single + b"\r\n"])


def test_b3_of_another_trace_than_the_callers_passes_untouched() -> None:
    ids = ids_of(B3 + b"-1", b"x-b3-sampled: 1", b"traceparent: " + VALID)
    assert (ids.b3, ids.fields) == (None, B3 + b"-1\r\nx-b3-sampled: 1\r\n")


def test_both_forms_of_one_trace_are_written_anew() -> None:
    ids = ids_of(B3, b"x-b3-traceid: " + OTHER, b"x-b3-spanid: " + SPAN, b"b3x: 1", b"tracestate: a=1")
    assert ids.b3 is not None
    assert [form.single for form in ids.b3] == [True, False]
    assert ids.fields == b""


def test_with_headers_off_nothing_is_made_and_the_callers_trace_is_known() -> None:
    off = TraceTerms(headers=False, recording=True)
    bare = ids_of(terms=off)
    assert (bare.trace_id, bare.ending, bare.span_id, bare.sampled, len(bare.request_id)) == (b"", b"", b"", False, 32)
    known = ids_of(b"traceparent: " + VALID, terms=off)
    assert (known.trace_id, known.ending, known.span_id, known.sampled) == (TRACE, b"", b"", True)
    assert ids_of(b"traceparent: x", B3, terms=off).trace_id == OTHER


PIECES = st.sampled_from(
    [b"b3: ", b"X-B3-TraceId: ", b"x-b3-spanid: ", b"X-B3-ParentSpanId: ", b"x-b3-sampled: ", b"x-b3-flags: ",
     b"traceparent: ", b"tracestate: "]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        [VALID, TRACE, SPAN, OTHER, OTHER[16:], B3[4:], B3[4:] + b"-1", b"0", b"1", b"d", b"true", b"a=1,b=2"]
    ),
    st.lists(st.sampled_from([OTHER, SPAN, b"1", b"d", b"0" * 16, b"", b"00", b"01"]), max_size=5).map(b"-".join),
    st.binary(max_size=60).map(lambda text: text.translate(None, bytes(range(32)) + b"\x7f")),
)


@given(st.lists(st.tuples(PIECES, VALUES).map(b"".join), max_size=6), st.booleans(), st.booleans())
def test_whatever_comes_what_is_sent_is_valid(lines: list[bytes], headers: bool, recording: bool) -> None:
    head = request(*lines)
    ids = request_ids(head, source(), TraceTerms(headers, 0.5, recording))
    fields = forwarded_fields(head, Origin("192.0.2.7"), ids, SPAN if ids.ending else b"")
    assert fields.endswith(b"\r\n")
    again = request(*fields[:-2].split(b"\r\n"))
    if not headers:
        assert again.traceparent == head.traceparent
        assert again.trace_fields == head.trace_fields
        return
    assert again.traceparent is not None
    assert valid_traceparent(again.traceparent)
    assert WELL_FORMED.fullmatch(again.traceparent)
    assert again.traceparent[3:35] == ids.trace_id
    # The next hop reads the same trace, and is told of the same decision.
    further = request_ids(again, source(8), TraceTerms())
    assert (further.trace_id, further.parent_id, further.sampled) == (ids.trace_id, SPAN, ids.sampled)
    written = [form for form in read_b3(again) if form.wide_trace_id == ids.trace_id and form.span_id == SPAN]
    assert len(written) >= len(ids.b3 or ())


@given(st.binary(max_size=80))
def test_whether_a_traceparent_is_valid_is_told_of_any_bytes(value: bytes) -> None:
    assert valid_traceparent(value) in (True, False)
