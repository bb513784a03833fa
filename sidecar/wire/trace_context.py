"""Who a request is: its X-Request-Id, and its place in a trace (https://www.w3.org/TR/trace-context/).

Owns which identifiers are believed, which are made, and what becomes of the fields they came in. May not know who
records spans; how b3 is written is b3.py's. A request that brings none of these fields costs two or three slices of
random digits, and nothing here may change that.

What came decides in this order: a valid traceparent; a valid b3 with a trace; a b3 with a decision only; chance, where
spans are recorded. W3C section 3.3: tracestate means nothing without the traceparent that it came with.
"""

from collections.abc import Callable

from sidecar.wire.b3 import B3, read_b3
from sidecar.wire.hop import without_fields
from sidecar.wire.message import RequestHead

_POOL_BYTES = 2560  # 64 requests that bring neither identifier
_VISIBLE = bytes(range(0x21, 0x7F))
_LOWER_HEX = b"0123456789abcdef"
_ZERO_TRACE = b"0" * 32
_ZERO_SPAN = b"0" * 16
# Section 3.3 of level 2: bit 0 says sampled, bit 1 that the identifier is random, and every other is sent as zero.
_ENDINGS = (b"-00\r\n", b"-01\r\n", b"-02\r\n", b"-03\r\n")
_SAMPLED = 1
_TRACESTATE = frozenset({b"tracestate"})


class IdSource:
    """Makes identifiers from random bytes taken in bulk: `random_bytes(n)` is os.urandom or Random(seed).randbytes."""

    __slots__ = ("_at", "_pool", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._pool = b""
        self._at = 0

    def hexadecimal(self, digits: int) -> bytes:
        """`digits` fresh hexadecimal digits, at most 5120 at a time."""
        start = self._at
        end = start + digits
        if end > len(self._pool):
            self._pool = self._random_bytes(_POOL_BYTES).hex().encode("ascii")
            start = 0
            end = digits
        self._at = end
        pool = self._pool
        return pool[start:end]


class TraceTerms:
    """What the rules say of tracing. `headers`: whether the fields of traces are made and rewritten. `recording`:
    whether somebody records spans; only then is any trace that begins here sampled, the share `sample` of them."""

    __slots__ = ("headers", "recording", "threshold")

    def __init__(self, headers: bool = True, sample: float = 1.0, recording: bool = False) -> None:
        self.headers = headers
        self.recording = recording and headers
        self.threshold = _threshold(sample)


def _threshold(sample: float) -> bytes:
    """The least of the last 14 digits with which a trace is sampled; these are the ones that W3C says are random, and
    OpenTelemetry's samplers compare them in the same direction. Digits have the order of their numbers."""
    least = round((1.0 - sample) * (1 << 56))
    return b"%014x" % least if least < 1 << 56 else b"g"  # more than any digits


class RequestIds:
    """The identifiers of one request through all its attempts, for the fields, the log and the reply alike.

    `ending` is how the traceparent of each attempt ends, its flags and CRLF, and empty where the rules leave the fields
    of traces alone; `fields` are the lines that go on as they came, `b3` the forms that each attempt writes anew.
    `parent_id` is the caller's span, empty where the trace began here; `span_id` that of the exchange, empty where it
    is not recorded.
    """

    __slots__ = ("b3", "ending", "fields", "parent_id", "request_id", "sampled", "span_id", "trace_id")

    def __init__(self) -> None:
        self.request_id = b""
        self.trace_id = b""
        self.parent_id = b""
        self.span_id = b""
        self.ending = b""
        self.sampled = False
        self.fields = b""
        self.b3: list[B3] | None = None


def request_ids(head: RequestHead, source: IdSource, terms: TraceTerms) -> RequestIds:
    """The identifiers the request came with where they are usable, else new ones.

    X-Request-Id is kept when it is 1 to 128 visible ASCII bytes; two of them joined hold a space and are not.
    """
    ids = RequestIds()
    request_id = head.request_id
    if request_id is None or not 0 < len(request_id) <= 128 or request_id.translate(None, _VISIBLE):
        request_id = source.hexadecimal(32)
    ids.request_id = request_id
    if head.traceparent is not None or head.trace_fields:
        _take_over(ids, head, terms.headers)
    if not terms.headers:
        return ids
    if not ids.trace_id:
        ids.trace_id = source.hexadecimal(32)
    if not ids.ending:
        _mark(ids, _SAMPLED if terms.recording and _is_chosen(ids.trace_id, terms.threshold) else 0)
    if terms.recording and ids.sampled:
        ids.span_id = source.hexadecimal(16)
    return ids


def _is_chosen(trace_id: bytes, threshold: bytes) -> bool:
    p = trace_id
    return p[18:32] >= threshold


def _take_over(ids: RequestIds, head: RequestHead, headers: bool) -> None:
    """What is valid of the trace that the request came in. `headers` off: it is looked at, and left as it is."""
    traceparent = head.traceparent
    if traceparent is not None and valid_traceparent(traceparent):
        ids.trace_id = traceparent[3:35]
        ids.parent_id = traceparent[36:52]
        p = traceparent
        _mark(ids, p[54] if p[54] < 97 else p[54] + 9)  # the digits a to f, by their low four bits
    forms = read_b3(head) if head.trace_fields else []
    own = bool(ids.trace_id)
    if not own and forms:
        last = forms[len(forms) - 1]
        _follow(ids, last if last.trace_id and not forms[0].trace_id else forms[0])
    if not headers:
        ids.ending = b""
        ids.fields = head.trace_fields
        if traceparent is not None:
            ids.fields = b"traceparent: " + traceparent + b"\r\n" + head.trace_fields
        return
    if head.trace_fields:
        _share_out(ids, head.trace_fields, forms, own)


def _mark(ids: RequestIds, bits: int) -> None:
    ids.ending = _ENDINGS[bits & 3]
    ids.sampled = (bits & _SAMPLED) != 0


def _follow(ids: RequestIds, form: B3) -> None:
    ids.trace_id = form.wide_trace_id
    ids.parent_id = form.span_id
    if form.state:
        _mark(ids, 0 if form.state == b"0" else _SAMPLED)


def _share_out(ids: RequestIds, fields: bytes, forms: list[B3], own: bool) -> None:
    """Which of the fields go on as they came, and which each attempt writes anew: those of this trace, and the bare
    decision that began it. A bare `0` stays, as it says all there is to say, and so does what another form has
    overruled. `own`: traceparent has decided."""
    gone: frozenset[bytes] = frozenset() if own else _TRACESTATE
    rewritten = []
    for form in forms:
        bare = not own and not ids.trace_id and ids.sampled and form.state != b"0"
        if form.wide_trace_id == ids.trace_id if form.trace_id else bare:
            rewritten.append(form)
            gone |= form.names
    if rewritten:
        ids.b3 = rewritten
    ids.fields = without_fields(fields, gone) if gone else fields


def valid_traceparent(value: bytes) -> bool:
    """W3C Trace Context section 3.2: version ff is invalid, zero identifiers are, and later versions may be longer."""
    if len(value) < 55 or len(value) > 512 or value[2:3] != b"-" or value[35:36] != b"-" or value[52:53] != b"-":
        return False
    version = value[:2]
    trace = value[3:35]
    span = value[36:52]
    if (version + trace + span + value[53:55]).translate(None, _LOWER_HEX) or version == b"ff":
        return False
    if trace == _ZERO_TRACE or span == _ZERO_SPAN:
        return False
    if len(value) == 55:
        return True
    return version != b"00" and value[55:56] == b"-" and not value.translate(None, _VISIBLE)
