"""THE hot function: bytes to a request or response head, in one pass, with the forwardable block already cut.

Owns start lines and their targets (RFC 9112 sections 2 to 4), the limits, and what a finished head must hold; strictly:
what two parsers could read in two ways is refused. May not know bodies, sockets or policies.
Compiled, bytes are read and sliced through a pointer (`head.pxd` types every local): a slice of a bytes object costs
three times as much there. Pointers know no end, so every index taken from one is first compared with the length.
"""

from sidecar.wire import fieldnames
from sidecar.wire.authority import valid_authority
from sidecar.wire.errors import BAD_REQUEST, HEADERS_TOO_LARGE, UPSTREAM_PROTOCOL_ERROR, URI_TOO_LONG, BadMessage
from sidecar.wire.fieldscan import FieldScan, new_scan, scan_fields
from sidecar.wire.framing import persists, request_framing, response_framing, response_persists, transfer_fault
from sidecar.wire.hop import CLOSE, KEEP_ALIVE, UPGRADE, acceptable_upgrade, fewer_forwards, with_host, without_fields
from sidecar.wire.message import HeadLimits, RequestHead, ResponseHead
from sidecar.wire.runs import ByteRun

__all__ = ["HeadLimits", "parse_request", "parse_response"]

_TOKEN = ByteRun(fieldnames.TOKEN_BYTES)
_TARGET = ByteRun(fieldnames.TARGET_BYTES)
_PATH = ByteRun(fieldnames.TARGET_BYTES.replace(b"?", b""))
_REASON = ByteRun(fieldnames.VALUE_BYTES)
_VERSION_11 = b" HTTP/1.1\r\n"
_VERSION_10 = b" HTTP/1.0\r\n"
_STATUS_11 = b"HTTP/1.1 "
_STATUS_10 = b"HTTP/1.0 "
_CONTENT_LENGTH = frozenset({b"content-length"})


def parse_request(data: bytes, limits: HeadLimits, searched: int = 0) -> RequestHead | None:
    """The request head at the start of `data`, or None while it is incomplete.

    `searched` is how many bytes of `data` an earlier call has already seen incomplete; with it a head that trickles in
    costs no more than one look at each new byte. Up to two empty lines before the request line are skipped (RFC 9112
    section 2.2). Raises `BadMessage` as soon as what is there can become no acceptable head.
    """
    if searched > 0 and _still_incomplete(data, limits, searched, BAD_REQUEST, HEADERS_TOO_LARGE):
        return None
    p = data
    begin = _skip_empty_lines(data) if len(data) > 0 and p[0] == 13 else 0
    if begin < 0:
        return None
    limit = min(len(data), begin + limits.max_bytes)
    i = _TOKEN.end(data, begin, limit)
    if i >= limit:
        _check_size(data, begin, limits, HEADERS_TOO_LARGE)
        return None
    if p[i] != 32 or i == begin:
        raise BadMessage(BAD_REQUEST, _start_fault(data, begin))
    target = i + 1
    mark = _PATH.end(data, target, limit)
    i = _TARGET.end(data, mark, limit)
    if i - target > limits.max_target:
        raise BadMessage(URI_TOO_LONG, "request target too long")
    if i >= limit:
        _check_size(data, begin, limits, URI_TOO_LONG)
        return None
    version = p[i : i + 11] if i + 11 <= limit else p[i:limit]
    if version != _VERSION_11 and version != _VERSION_10:
        version = _as_known(version, 8)
        if version != _VERSION_11:
            if not (_VERSION_11.startswith(version) or _VERSION_10.startswith(version)):
                raise BadMessage(BAD_REQUEST, _line_fault(data, i))
            _check_size(data, begin, limits, HEADERS_TOO_LARGE)
            return None
    head = RequestHead()
    head.minor_version = 1 if version == _VERSION_11 else 0
    head.method = p[begin : target - 1]
    head.target = p[target:i]
    _split_target(head, mark - target)
    scan = new_scan(head, BAD_REQUEST, HEADERS_TOO_LARGE, limits.max_fields)
    end = scan_fields(scan, data, i + 11, limit)
    if end < 0:
        _check_size(data, begin, limits, HEADERS_TOO_LARGE)
        return None
    head.size = end
    head.fields = scan.block(data, end - 2)
    _finish_request(head, scan)
    return head


def _skip_empty_lines(data: bytes) -> int:
    # RFC 9112 section 2.2 asks for one, sent after a body by old clients; -1 while the second half of one is missing.
    begin = 0
    while begin < 4 and data[begin : begin + 1] == b"\r":
        if len(data) < begin + 2:
            return -1
        if data[begin + 1] != 10:
            raise BadMessage(BAD_REQUEST, "bare CR before the request line")
        begin += 2
    return begin


def _still_incomplete(data: bytes, limits: HeadLimits, searched: int, code: str, too_large: str) -> bool:
    """Whether a head that was incomplete at `searched` bytes certainly still is, without parsing it again."""
    since = searched - 3 if searched > 3 else 0
    if data.find(b"\r\n\r\n", since) >= 0 or data.find(b"\r\n", 4, since) < 0:
        # Complete, or still in the start line, whose own limit is for the parser to apply.
        return False
    if len(data) >= limits.max_bytes + 4:
        raise BadMessage(too_large, "head too large")
    fresh = data[searched - 1 :].replace(b"\r\n", b"")
    # The byte before is looked at for the sake of a CR; an LF there was judged when it came.
    if b"\0" in fresh or b"\r" in fresh[: len(fresh) - 1] or b"\n" in fresh[1:]:
        raise BadMessage(code, "control byte in the head")
    return True


def _as_known(version: bytes, minor: int) -> bytes:
    """The version with its minor number, which stands at `minor`, made 1 where it is higher."""
    # RFC 9110 section 2.5: what is of a later minor version is read as of the latest that is known.
    if version[:minor].endswith(b"HTTP/1.") and b"2" <= version[minor : minor + 1] <= b"9":
        return version[:minor] + b"1" + version[minor + 1 :]
    return version


def _check_size(data: bytes, begin: int, limits: HeadLimits, code: str) -> None:
    if len(data) - begin >= limits.max_bytes:
        raise BadMessage(code, "head too large")


def _start_fault(data: bytes, begin: int) -> str:
    if data[begin : begin + 2] == b"\x16\x03":
        return "a TLS handshake on a plain port"
    return "malformed request line"


def _line_fault(data: bytes, at: int) -> str:
    rest = data[at : at + 8]
    if rest == b" HTTP/2.":
        return "HTTP/2 is not spoken here"
    if rest.startswith(b" HTTP/"):
        return "unsupported HTTP version"
    return "illegal byte in the request target" if rest[:1] not in (b" ", b"\r") else "malformed request line"


def _split_target(head: RequestHead, mark: int) -> None:
    """Fills path, query and what to forward; RFC 9112 section 3.2 has four forms. `mark` is where `?` is."""
    target = head.target
    if head.method == b"CONNECT":
        # RFC 9110 section 9.3.6 leaves CONNECT to proxies the client chose; a reverse proxy opens no tunnels on demand.
        raise BadMessage(BAD_REQUEST, "CONNECT is not accepted")
    if not target or target[0] != 47:
        target = _unusual_target(head, target)
        mark = target.find(b"?")
        if mark < 0:
            mark = len(target)
    head.origin_target = target
    if mark == len(target):
        head.path = target
    else:
        p = target
        head.path = p[0:mark]
        head.query = p[mark + 1 : len(target)]


def _unusual_target(head: RequestHead, target: bytes) -> bytes:
    """The target to forward for absolute-form (its authority kept aside) and asterisk-form."""
    if target == b"*" and head.method == b"OPTIONS":
        return target
    scheme = target[:8].lower()
    skip = 7 if scheme[:7] == b"http://" else 8 if scheme == b"https://" else 0
    if not skip:
        raise BadMessage(BAD_REQUEST, "unsupported form of request target")
    rest = target[skip:]
    ends = [at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0]
    end = min(ends, default=len(rest))
    authority = rest[:end]
    # RFC 9110 section 4.2.1: a recipient refuses an empty host here.
    if not authority or authority[:1] == b":" or not valid_authority(authority):
        raise BadMessage(BAD_REQUEST, "invalid authority in the request target")
    head.authority = authority
    path = rest[end:]
    if path[:1] == b"/":
        return path
    # RFC 9112 sections 3.2.1 and 3.2.4: an empty path is sent as `/`, or as `*` where OPTIONS asks about the server.
    return b"*" if not path and head.method == b"OPTIONS" else b"/" + path


def _finish_request(head: RequestHead, scan: FieldScan) -> None:
    host = scan.host
    if host is None:
        if head.minor_version >= 1:
            raise BadMessage(BAD_REQUEST, "no Host")  # RFC 9112 section 3.2
    elif not valid_authority(host):
        raise BadMessage(BAD_REQUEST, "invalid Host")
    if head.authority:
        # RFC 9112 section 3.2.2: Host is ignored and replaced by the authority of the target.
        if host != head.authority:
            head.fields = with_host(head.fields, head.authority)
    elif host is not None:
        head.authority = host
    fault = transfer_fault(scan.coding, scan.content_length, head.minor_version)
    if fault:
        raise BadMessage(BAD_REQUEST, fault)
    head.content_length = scan.content_length
    head.framing = request_framing(scan.coding, scan.content_length)
    head.keep_alive = persists(head.minor_version, (scan.flags & CLOSE) != 0, (scan.flags & KEEP_ALIVE) != 0)
    if head.minor_version == 0:
        # RFC 9110 sections 10.1.1 and 7.8: both are ignored in HTTP/1.0.
        head.expect_continue = False
    elif scan.upgrade and scan.flags & UPGRADE and acceptable_upgrade(scan.upgrade):
        head.upgrade = scan.upgrade
    if scan.named:
        _drop_named(head, scan.named)
    if head.method == b"OPTIONS" or head.method == b"TRACE":
        head.max_forwards, head.fields = fewer_forwards(head.fields)


def _drop_named(head: RequestHead, named: set[bytes]) -> None:
    """Removes what Connection named (RFC 9110 section 7.6.1), from the block and from what was picked."""
    head.fields = without_fields(head.fields, named)
    head.trace_fields = without_fields(head.trace_fields, named)
    if b"x-request-id" in named:
        head.request_id = None
    if b"traceparent" in named:
        head.traceparent = None
    if b"x-request-timeout-ms" in named:
        head.timeout_ms = None
    if b"content-type" in named:
        head.content_type = None
    if b"idempotency-key" in named:
        head.has_idempotency_key = False
    if b"expect" in named:
        head.expect_continue = False


def parse_response(data: bytes, limits: HeadLimits, request_method: bytes, searched: int = 0) -> ResponseHead | None:
    """The response head at the start of `data`, or None while it is incomplete.

    `request_method` decides whether a body follows (RFC 9112 section 6.3); `searched` as in `parse_request`. Interim
    (1xx) responses are heads of their own: the caller reads on after them. Every fault is `upstream_protocol_error`.
    """
    code = UPSTREAM_PROTOCOL_ERROR
    if searched > 0 and _still_incomplete(data, limits, searched, code, code):
        return None
    p = data
    limit = min(len(data), limits.max_bytes)
    version = p[0:9] if limit >= 9 else p[0:limit]
    if version != _STATUS_11 and version != _STATUS_10:
        version = _as_known(version, 7)
        if version != _STATUS_11:
            if _STATUS_11.startswith(version) or _STATUS_10.startswith(version):
                return None
            raise BadMessage(code, "not an HTTP/1.1 response")
    head = ResponseHead()
    head.minor_version = 1 if version == _STATUS_11 else 0
    begin = _status_line(head, data, limit)
    if begin < 0:
        _check_size(data, 0, limits, code)
        return None
    scan = new_scan(None, code, code, limits.max_fields)
    end = scan_fields(scan, data, begin, limit)
    if end < 0:
        _check_size(data, 0, limits, code)
        return None
    head.size = end
    head.fields = scan.block(data, end - 2)
    _finish_response(head, scan, request_method)
    return head


def _status_line(head: ResponseHead, data: bytes, limit: int) -> int:
    """Fills status and reason; answers where the fields begin, -1 when the line is incomplete."""
    p = data
    status = 0
    i = 9
    while i < 12 and i < limit:
        if p[i] < 48 or p[i] > 57:
            raise BadMessage(UPSTREAM_PROTOCOL_ERROR, "invalid status code")
        status = status * 10 + p[i] - 48
        i += 1
    if limit < 13:
        return -1
    # RFC 9110 section 15: 100 to 599. RFC 9112 section 4 wants a space even before an empty reason; many servers leave
    # it out, and nothing is ambiguous without it.
    if status < 100 or status > 599 or (p[12] != 32 and p[12] != 13):
        raise BadMessage(UPSTREAM_PROTOCOL_ERROR, "invalid status code")
    start = 13 if p[12] == 32 else 12
    end = _REASON.end(data, start, limit)
    if end >= limit or (p[end] == 13 and end + 1 >= limit):
        return -1
    if p[end] != 13 or p[end + 1] != 10:
        raise BadMessage(UPSTREAM_PROTOCOL_ERROR, "control byte in the status line")
    head.status = status
    head.reason = p[start:end]
    return end + 2


def _finish_response(head: ResponseHead, scan: FieldScan, request_method: bytes) -> None:
    fault = transfer_fault(scan.coding, scan.content_length, head.minor_version)
    if fault:
        raise BadMessage(UPSTREAM_PROTOCOL_ERROR, fault)
    status = head.status
    head.framing = response_framing(status, request_method, scan.coding, scan.content_length)
    head.content_length = scan.content_length
    head.keep_alive = response_persists(
        status,
        head.framing,
        scan.coding,
        scan.content_length,
        head.minor_version,
        (scan.flags & CLOSE) != 0,
        (scan.flags & KEEP_ALIVE) != 0,
    )
    if (status < 200 or status == 204) and scan.content_length >= 0:
        # RFC 9110 section 8.6: a server must not send it here, and the client must not be left to wonder.
        head.fields = without_fields(head.fields, _CONTENT_LENGTH)
        head.content_length = -1
    head.dated = scan.dated
    if scan.upgrade and scan.flags & UPGRADE:
        head.upgrade = scan.upgrade
    if scan.named:
        head.fields = without_fields(head.fields, scan.named)
        head.dated = scan.dated and b"date" not in scan.named
