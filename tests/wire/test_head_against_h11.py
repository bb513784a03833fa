"""Cross-check: what we accept, h11 accepts, and it means the same to both.

Where we are stricter on purpose (h11 accepts, we refuse): bare LF line ends, obs-fold, `Content-Length: 5, 5`, control
bytes in a reason, targets with a fragment or in authority-form, CONNECT, hosts with userinfo or spaces,
Transfer-Encoding together with Content-Length, whitespace after a chunk size, chunk sizes of more than 16
digits. Where we are more lenient: an empty line before a request.
"""

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.wire.body import reader_for
from sidecar.wire.errors import BadMessage
from sidecar.wire.fieldnames import HOP_BY_HOP, REWRITTEN
from sidecar.wire.head import HeadLimits, parse_request, parse_response
from sidecar.wire.message import NO_BODY, UNTIL_CLOSE, RequestHead, ResponseHead

LIMITS = HeadLimits()
FAST = settings(max_examples=600, deadline=None, derandomize=True, database=None)

methods = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"X-odd!"] * 4 + [b"CONNECT", b"G T", b""])
targets = st.sampled_from([b"/", b"/a?b=c", b"*", b"http://h:1/x", b"/\xff", b"/#", b"x", b"/a b", b"//"] + [b"/p"] * 8)
versions = st.sampled_from([b"HTTP/1.1"] * 15 + [b"HTTP/1.0", b"HTTP/1.2", b"http/1.1"])
names = st.sampled_from([b"Accept", b"x-a", b"COOKIE", b"Set-Cookie", b"Via", b"Ho st", b"", b"X\x00", b"X-A "])
values = st.one_of(
    st.sampled_from([b"", b"a", b" a b\t", b"\xff\x80", b"a\x00", b"a\rb", b"a\nb", b"a\x01", b"x" * 50]),
    st.binary(max_size=6),
)
framing_lines = st.sampled_from(
    [
        *(
            b"Content-Length: 5",
            b"content-length:5 ",
            b"Content-Length: 0",
            b"Content-Length: 5, 5",
            b"Content-Length: -1",
        ),
        *(b"Transfer-Encoding: chunked", b"transfer-encoding:\tCHUNKED", b"Transfer-Encoding: gzip, chunked"),
        *(
            b"Transfer-Encoding : chunked",
            b"Transfer-Encoding: chunked, identity",
            b"Connection: close",
            b"Connection: x-a",
        ),
        *(b"Host: h", b"host: other", b"TE: trailers", b"Connection: keep-alive", b"Expect: 100-continue", b" folded"),
    ]
)
plain_lines = st.sampled_from(
    [b"A: b", b"Content-Length: 3", b"Connection: close, x", b"X: y", b"TE: trailers", b"Via: v"]
)
lines = st.one_of(
    plain_lines,
    plain_lines,
    st.builds(lambda name, value: name + b":" + value, names, values),
    framing_lines,
    framing_lines,
)
hosts = st.sampled_from([[b"Host: h"]] * 9 + [[]])
framings = st.sampled_from(
    [[], [b"Content-Length: 5"], [b"Transfer-Encoding: chunked"], [b"transfer-encoding:Chunked "]]
)
ends = st.sampled_from([b"\r\n"] * 9 + [b"\n"])
tails = st.one_of(
    st.sampled_from(
        [
            *(
                b"hello",
                b"5\r\nhello\r\n0\r\n\r\n",
                b"5;x=1\r\nhello\r\n00\r\nX-T: 1\r\n\r\n",
                b"hell",
                b"",
                b"0\r\n\r\nmore",
            ),
            *(
                b"2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\nGET",
                b"5 \r\nhello\r\n0\r\n\r\n",
                b"5\r\nhello0\r\n\r\n",
                b"-5\r\nhello\r\n0\r\n\r\n",
            ),
            *(b"0\r\nX : 1\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"0005\r\nhello\r\n0\r\n\r\n"),
        ]
    ),
    st.binary(max_size=12),
)
Pairs = list[tuple[bytes, bytes]]


def message(start: bytes, host: list[bytes], fields: list[bytes], end: bytes) -> bytes:
    return end.join([start, *host, *fields, b"", b""])


def pairs(block: bytes) -> Pairs:
    split = [line.partition(b":") for line in block.split(b"\r\n")[:-1]]
    return [(name.lower(), value.strip(b" \t")) for name, _, value in split]


def theirs(event: h11.Request | h11.Response | h11.InformationalResponse, cut: frozenset[bytes]) -> Pairs:
    options = {
        option.strip() for name, value in event.headers if name == b"connection" for option in value.lower().split(b",")
    }
    return [(name, value) for name, value in event.headers if name not in cut and name not in options]


def replaced_host(head: RequestHead, fields: Pairs) -> Pairs:
    """RFC 9112 section 3.2.2: an absolute target's authority is what Host says, HTTP/1.0 without Host included."""
    replaced = [(name, head.authority if name == b"host" else value) for name, value in fields]
    missing = bool(head.authority) and all(name != b"host" for name, _ in fields)
    return [(b"host", head.authority), *replaced] if missing else replaced


def theirs_to_the_end(connection: h11.Connection) -> tuple[bytes, bool, Pairs]:
    """Payload, whether the message ended, its trailers; raises what h11 raises."""
    payload = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Data):
            payload += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return payload, True, list(event.headers)
        else:
            return payload, False, []


def assert_same_body(head: RequestHead | ResponseHead, tail: bytes, connection: h11.Connection) -> None:
    body = reader_for(head.framing, head.content_length, LIMITS)
    if head.framing == NO_BODY:
        assert theirs_to_the_end(connection)[:2] == (b"", True)
        return
    whole = b"head" + tail
    try:
        payload = body.feed(whole, 4)
    except BadMessage:
        return
    got, ended, trailers = theirs_to_the_end(connection)
    assert (payload, body.done) == (got, ended)
    assert pairs(body.trailers) == trailers
    if body.done:
        assert connection.trailing_data[0] == whole[body.consumed :]


@FAST
@given(methods, targets, versions, hosts, framings, st.lists(lines, max_size=4), ends, tails)
def test_requests_we_accept_mean_the_same_to_h11(
    method: bytes,
    target: bytes,
    version: bytes,
    host: list[bytes],
    framing: list[bytes],
    fields: list[bytes],
    end: bytes,
    tail: bytes,
) -> None:
    data = message(method + b" " + target + b" " + version, host + framing, fields, end)
    try:
        head = parse_request(data + tail, LIMITS)
    except BadMessage:
        return
    if head is None:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data + tail)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (head.method, head.target)
    # RFC 9110 section 2.5: h11 tells the version as it came, we what it is read as.
    assert min(event.http_version, b"1.1") == b"1.%d" % head.minor_version
    assert replaced_host(head, theirs(event, HOP_BY_HOP | REWRITTEN)) == pairs(head.fields)
    assert_same_body(head, (data + tail)[head.size :], connection)


statuses = st.sampled_from(
    [
        b"200 OK",
        b"200",
        b"206 Partial Content",
        b"500 ",
        b"204 x",
        b"304 x",
        b"100 x",
        b"404 ",
        b"99 x",
        b"2000",
        b"600 x",
        b"2x0 a",
    ]
)


@FAST
@given(st.booleans(), versions, statuses, framings, st.lists(lines, max_size=4), ends, tails)
def test_responses_we_accept_mean_the_same_to_h11(
    headed: bool, version: bytes, status: bytes, framing: list[bytes], fields: list[bytes], end: bytes, tail: bytes
) -> None:
    method = b"HEAD" if headed else b"GET"
    data = message(version + b" " + status, framing, fields, end)
    try:
        head = parse_response(data + tail, LIMITS, method)
    except BadMessage:
        return
    if head is None:
        return
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data + tail)
    event = connection.next_event()
    assert isinstance(event, h11.Response | h11.InformationalResponse)
    assert (event.status_code, event.reason) == (head.status, head.reason)
    cut = HOP_BY_HOP | ({b"content-length"} if head.status < 200 or head.status == 204 else set())
    assert theirs(event, cut) == pairs(head.fields)
    if head.status >= 200 and head.framing != UNTIL_CLOSE:
        assert_same_body(head, (data + tail)[head.size :], connection)
    assert head.framing == NO_BODY or head.status >= 200


@FAST
@given(st.lists(plain_lines, max_size=6, unique=True), st.data())
def test_what_is_accepted_does_not_depend_on_how_it_was_cut(fields: list[bytes], cuts: st.DataObject) -> None:
    data = message(b"POST /p?q HTTP/1.1", [b"Host: h"], fields, b"\r\n")
    whole = parse_request(data, LIMITS)
    assert whole is not None
    seen = 0
    head = None
    while seen < len(data):
        end = cuts.draw(st.integers(seen + 1, len(data)))
        head = parse_request(data[:end], LIMITS, seen)
        assert (head is None) == (end < len(data))
        seen = end
    assert head is not None
    assert all(getattr(head, slot) == getattr(whole, slot) for slot in RequestHead.__slots__ if slot[0] != "_")
