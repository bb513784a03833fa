"""The field lines of one head, scanned once: known fields noted, the forwardable block cut out of the bytes.

Owns field-line syntax (RFC 9112 section 5) and what each known field means for framing and routing. May not know the
start line. Compiled, the bytes are read through a pointer (`fieldscan.pxd` types every local).
"""

from sidecar.wire import fieldnames
from sidecar.wire.errors import BadMessage
from sidecar.wire.framing import CODING_ABSENT, CODING_OTHER, MAX_LENGTH, coding_of
from sidecar.wire.hop import CLOSE, KEEP_ALIVE, connection_options
from sidecar.wire.message import RequestHead
from sidecar.wire.runs import COMPILED, ByteRun

_TOKEN = ByteRun(fieldnames.TOKEN_BYTES)
_VALUE = ByteRun(fieldnames.VALUE_BYTES)
_SLOTS = fieldnames.SLOTS
_NEXT = fieldnames.NEXT
_NAMES = fieldnames.NAMES
_CUT_REQUEST = fieldnames.CUT_FROM_REQUEST
_CUT_RESPONSE = fieldnames.CUT_FROM_RESPONSE
_SLOT_LENGTH = fieldnames.SLOT_LENGTH
_SLOT_FIRST = fieldnames.SLOT_FIRST
_SLOT_LAST = fieldnames.SLOT_LAST

_HOST = _NAMES.index(b"host")
_CONTENT_LENGTH = _NAMES.index(b"content-length")
_TRANSFER_ENCODING = _NAMES.index(b"transfer-encoding")
_CONNECTION = _NAMES.index(b"connection")
_TE = _NAMES.index(b"te")
_UPGRADE = _NAMES.index(b"upgrade")
_FORWARDED_FOR = _NAMES.index(b"x-forwarded-for")
_FORWARDED_HOST = _NAMES.index(b"x-forwarded-host")
_FORWARDED_PROTO = _NAMES.index(b"x-forwarded-proto")
_FORWARDED = _NAMES.index(b"forwarded")
_VIA = _NAMES.index(b"via")
_REQUEST_ID = _NAMES.index(b"x-request-id")
_TIMEOUT_MS = _NAMES.index(b"x-request-timeout-ms")
_TRACEPARENT = _NAMES.index(b"traceparent")
_CONTENT_TYPE = _NAMES.index(b"content-type")
_IDEMPOTENCY_KEY = _NAMES.index(b"idempotency-key")
_EXPECT = _NAMES.index(b"expect")
_DATE = _NAMES.index(b"date")
_TRACESTATE = _NAMES.index(b"tracestate")  # and all that follow

# How a name that came compares with a known one; a twin has `_` for `-`.
_OTHER = 0
_SAME = 1
_TWIN = 2


class FieldScan:
    """What the field lines of one head said; `head` is where a request's picked fields go, None for a response."""

    __slots__ = (
        "code",
        "coding",
        "content_length",
        "cut",
        "dated",
        "flags",
        "head",
        "host",
        "max_fields",
        "named",
        "parts",
        "start",
        "too_large",
        "upgrade",
    )

    def __init__(self) -> None:
        self.head: RequestHead | None = None
        self.code = ""
        self.too_large = ""
        self.max_fields = 0
        self.cut = _CUT_RESPONSE
        self.content_length = -1
        self.coding = CODING_ABSENT
        self.dated = False
        self.flags = 0
        self.start = 0
        self.host: bytes | None = None
        self.upgrade: bytes | None = None
        self.named: set[bytes] | None = None
        self.parts: list[bytes] | None = None

    def block(self, data: bytes, end: int) -> bytes:
        """The forwardable block: what lies between the cut lines up to `end`, usually one slice."""
        p = data
        if self.parts is None:
            return p[self.start : end]
        if self.start < end:
            self.parts.append(p[self.start : end])
        return b"".join(self.parts)


def new_scan(head: RequestHead | None, code: str, too_large: str, max_fields: int) -> FieldScan:
    """A scan for a request's `head`, or for a response when it is None; faults are raised with these codes."""
    # Attributes instead of constructor arguments, which compiled code would pass through a tuple.
    scan = FieldScan()
    scan.code = code
    scan.too_large = too_large
    scan.max_fields = max_fields
    if head is not None:
        scan.head = head
        scan.cut = _CUT_REQUEST
    return scan


def scan_fields(  # noqa: C901 - the one pass, whose every call counts
    scan: FieldScan, data: bytes, start: int, limit: int
) -> int:
    """Reads the field lines of `data` from `start`; answers the index after the empty line, -1 when it is not there.

    Never looks at `limit` or beyond. Raises `BadMessage` with the codes of `scan`.
    """
    p = data
    slots = _SLOTS
    following = _NEXT
    i = start
    scan.start = start
    lines = 0
    while i < limit:
        begin = i
        if p[i] == 13:
            if i + 1 >= limit:
                return -1
            if p[i + 1] != 10:
                raise BadMessage(scan.code, "bare CR in the head")
            return i + 2
        lines += 1
        if lines > scan.max_fields:
            raise BadMessage(scan.too_large, "too many fields")
        i = _TOKEN.end(data, i, limit)
        if i >= limit:
            return -1
        if p[i] != 58 or i == begin:
            raise BadMessage(scan.code, _name_fault(data, begin, i))
        colon = i
        i = _VALUE.end(data, i + 1, limit)
        if i + 1 >= limit or p[i] != 13 or p[i + 1] != 10:
            return _value_stop(scan, data, i, limit)
        slot = ((colon - begin) * _SLOT_LENGTH + (p[begin] | 32) * _SLOT_FIRST + (p[colon - 1] | 32) * _SLOT_LAST) & 255
        identifier = slots[slot]
        while identifier:
            same = _same_name(data, begin, colon, _NAMES[identifier], _has_twins(scan, identifier))
            if same == _TWIN:
                # Nor is it believed: it has no meaning of its own, and goes.
                _cut_line(scan, data, begin, i + 2)
                break
            if same:
                if identifier == _DATE:
                    scan.dated = True
                else:
                    _known_field(scan, identifier, data, begin, colon + 1, i)
                break
            identifier = following[identifier]
        i += 2
    return -1


def _value_stop(scan: FieldScan, data: bytes, at: int, limit: int) -> int:
    if at >= limit or (data[at] == 13 and at + 1 >= limit):
        return -1
    if data[at] == 13:
        raise BadMessage(scan.code, "bare CR in the head")
    raise BadMessage(scan.code, "bare LF in the head" if data[at] == 10 else "control byte in a field value")


def _name_fault(data: bytes, begin: int, at: int) -> str:
    # RFC 9112 section 5.1: no whitespace before the colon; section 5.2: obs-fold is refused; section 2.2: nor may
    # whitespace come before the first field. Lenient peers read each of these differently, hence the smuggling.
    byte = data[at]
    if at == begin and byte in b" \t":
        return "folded field line"
    if byte in b" \t":
        return "whitespace before a colon"
    return "bare LF in the head" if byte == 10 else "illegal field name"


def _has_twins(scan: FieldScan, identifier: int) -> bool:
    # A length passes as it came, and is what a backend frames by.
    return scan.cut[identifier] != 0 or (identifier == _CONTENT_LENGTH and scan.head is not None)


def _same_name(data: bytes, begin: int, colon: int, name: bytes, loose: bool) -> int:
    # `loose`: backends of the CGI family (WSGI, PHP) make one variable of `-` and `_` (RFC 3875 section 4.1.18), so
    # that a twin of a field that is cut, or written here, or frames, would hide it there: X_Forwarded_For.
    if colon - begin != len(name):
        return _OTHER
    if not COMPILED:
        spelled = data[begin:colon].lower()
        if spelled == name:
            return _SAME
        return _TWIN if loose and spelled.replace(b"_", b"-") == name else _OTHER
    p = data
    q = name
    k = 0
    same = _SAME
    # Both are token bytes, among which `| 32` changes capital letters alone (and `^` and `_`, which no name here has).
    while begin + k < colon:
        if p[begin + k] | 32 != q[k]:
            if not loose or p[begin + k] != 95 or q[k] != 45:
                return _OTHER
            same = _TWIN
        k += 1
    return same


def _known_field(  # noqa: C901 - a switch, as `_pick` is
    scan: FieldScan, identifier: int, data: bytes, begin: int, first: int, end: int
) -> None:
    p = data
    last = end
    while first < last and (p[first] == 32 or p[first] == 9):
        first += 1
    while last > first and (p[last - 1] == 32 or p[last - 1] == 9):
        last -= 1
    value = p[first:last]
    if scan.cut[identifier]:
        _cut_line(scan, data, begin, end + 2)
    if identifier == _HOST:
        # RFC 9112 section 3.2: more than one Host is refused, even two equal ones.
        if scan.host is not None and scan.head is not None:
            raise BadMessage(scan.code, "more than one Host")
        scan.host = value
        if _is_padded(data, first, last, end) and scan.head is not None:
            _replace_line(scan, data, begin, end + 2, b"Host: " + value + b"\r\n")
    elif identifier == _CONTENT_LENGTH:
        repeated = scan.content_length >= 0
        _note_length(scan, value)
        if repeated:
            # RFC 9110 section 8.6: equal repetitions may be made one; the next hop is spared the choice.
            _cut_line(scan, data, begin, end + 2)
        elif _is_padded(data, first, last, end) or (p[first] == 48 and last - first > 1):
            # `010` is ten, but eight to a reader that takes a leading zero for octal.
            _replace_line(scan, data, begin, end + 2, b"Content-Length: %d\r\n" % scan.content_length)
    elif identifier == _CONNECTION:
        _note_connection(scan, value)
    elif identifier == _TRANSFER_ENCODING:
        # A second line is a second coding: `chunked` applied twice (RFC 9112 section 6.1: never).
        scan.coding = coding_of(value) if scan.coding == CODING_ABSENT else CODING_OTHER
    elif identifier == _UPGRADE:
        scan.upgrade = _joined(scan.upgrade, value)
    elif scan.head is None:
        return
    elif identifier >= _TRACESTATE:
        scan.head.trace_fields = scan.head.trace_fields + p[begin : end + 2]
    else:
        _pick(scan.head, identifier, value)


def _cut_line(scan: FieldScan, data: bytes, begin: int, end: int) -> None:
    if scan.parts is None:
        scan.parts = []
    if scan.start < begin:
        p = data
        scan.parts.append(p[scan.start : begin])
    scan.start = end


def _is_padded(data: bytes, first: int, last: int, end: int) -> bool:
    # RFC 9110 section 5.6.3 calls tabs whitespace too, and readers that know only spaces find them in the value. No
    # space or one is what every reader expects, and what nearly everybody sends.
    p = data
    return last < end or p[first - 1] == 9 or (p[first - 1] == 32 and p[first - 2] != 58)


def _replace_line(scan: FieldScan, data: bytes, begin: int, end: int, line: bytes) -> None:
    _cut_line(scan, data, begin, end)
    if scan.parts is not None:
        scan.parts.append(line)


def _note_length(scan: FieldScan, value: bytes) -> None:
    length = 0
    digits = len(value)
    p = value
    k = 0
    # RFC 9110 section 8.6: 1*DIGIT, and nothing else that int() would take (`+5`, ` 5 `, `1_0`).
    while k < digits and k < 18 and 48 <= p[k] <= 57:
        length = length * 10 + p[k] - 48
        k += 1
    if digits == 19 and k == 18 and value.isdigit() and int(value) <= MAX_LENGTH:
        length = int(value)
    elif k == 0 or k != digits:
        raise BadMessage(scan.code, "invalid Content-Length")
    if scan.content_length >= 0 and scan.content_length != length:
        raise BadMessage(scan.code, "differing Content-Length fields")
    scan.content_length = length


def _note_connection(scan: FieldScan, value: bytes) -> None:
    if value == b"keep-alive":
        scan.flags |= KEEP_ALIVE
        return
    if value == b"close":
        scan.flags |= CLOSE
        return
    if scan.named is None:
        scan.named = set()
    flags = connection_options(value, scan.named)
    if flags < 0:
        raise BadMessage(scan.code, "Connection names a field it may not")
    scan.flags |= flags


def _pick(head: RequestHead, identifier: int, value: bytes) -> None:  # noqa: C901 - a switch, one line per field
    if identifier == _CONTENT_TYPE:
        head.content_type = _joined(head.content_type, value)
    elif identifier == _FORWARDED_FOR:
        head.forwarded_for = _joined(head.forwarded_for, value)
    elif identifier == _FORWARDED_HOST:
        head.forwarded_host = _joined(head.forwarded_host, value)
    elif identifier == _FORWARDED_PROTO:
        head.forwarded_proto = _joined(head.forwarded_proto, value)
    elif identifier == _FORWARDED:
        head.forwarded = _joined(head.forwarded, value)
    elif identifier == _REQUEST_ID:
        head.request_id = _joined(head.request_id, value)
    elif identifier == _TRACEPARENT:
        # Never one value of two lines, not even where one is empty (W3C Trace Context section 3.2.1).
        head.traceparent = value if head.traceparent is None else head.traceparent + b", " + value
    elif identifier == _VIA:
        head.via = _joined(head.via, value)
    elif identifier == _TIMEOUT_MS:
        head.timeout_ms = _joined(head.timeout_ms, value)
    elif identifier == _IDEMPOTENCY_KEY:
        head.has_idempotency_key = head.has_idempotency_key or len(value) > 0
    elif identifier == _EXPECT:
        head.expect_continue = value.lower() == b"100-continue"
    elif identifier == _TE:
        # RFC 9110 section 10.1.4: the one member a proxy that speaks no other transfer coding may pass on.
        head.te_trailers = head.te_trailers or b"trailers" in value.lower().replace(b" ", b"").split(b",")


def _joined(before: bytes | None, value: bytes) -> bytes:
    # RFC 9110 section 5.2 joins lines; an empty one adds no member, only a comma that lists then carry along.
    if not before:
        return value
    return before + b", " + value if value else before
