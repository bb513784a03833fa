"""Fields that say who asks, in which trace, and what belongs to whom: what is believed, and what goes on."""

from __future__ import annotations

from ipaddress import ip_address

from sidecar.runtime.request_key import RequestKey
from sidecar.wire.clientip import TrustedNetworks, client_ip, client_key
from sidecar.wire.edits import FieldEdits
from sidecar.wire.errors import BadMessage
from sidecar.wire.forwarding import client_scheme, forwarded_fields
from sidecar.wire.head import parse_request
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin
from sidecar.wire.trace_context import IdSource, RequestIds, TraceTerms, request_ids, valid_traceparent
from sidecar.wire.writer import edited_request_head, request_head
from tests.fuzz.claims import SAID_ANEW, lines_of, refused, sent_request, values_of
from tests.fuzz.targets.heads import WIDE

TRUSTED = TrustedNetworks(["10.0.0.0/8", "fd00::/8"])
ORIGINS = (
    Origin("203.0.113.9"),
    Origin("10.1.2.3", trusted=True),
    Origin("fd00::1", b"https", trusted=True, forwarded=True, by="_edge"),
    Origin("", trusted=True, forwarded=True),
    Origin("2001:db8::7", forwarded=True, x_forwarded=False),
)
TERMS = (TraceTerms(), TraceTerms(recording=True), TraceTerms(headers=False))
KEYS = ("header:x-key", "cookie:id", "client_ip", "path:user")
EDITS = FieldEdits(["x-gone", "cookie"], {"x-set": "one"}, {"x-added": "two"}, {"x-absent": "three"})
SPAN = b"00000000000000aa"
_MOST_KEY = 64


def head_with(data: bytes) -> RequestHead | None:
    """The request that has these lines; None where they are not those of one head."""
    return parse_request(b"GET /users/7?q=1 HTTP/1.1\r\nHost: a\r\n" + data + b"\r\n\r\n", WIDE)


def _ids(head: RequestHead, terms: TraceTerms) -> RequestIds:
    return request_ids(head, IdSource(lambda size: bytes(range(1, 33)) * (size // 32)), terms)


def addresses(data: bytes) -> object:
    """Forwarding fields: a stranger is never believed, and what is said upstream ends with what is known here."""
    try:
        head = head_with(data)
    except BadMessage as error:
        return refused(error)
    if head is None:
        return None
    found = []
    for origin in ORIGINS:
        address = client_ip(origin, head, TRUSTED)
        assert origin.trusted or address == origin.peer_ip, "a stranger is who the socket says"
        assert address == origin.peer_ip or str(ip_address(address)) == address, "an address in its one spelling"
        assert address == "" or client_key(address), "which has a key"
        scheme = client_scheme(head, origin)
        assert scheme in (b"http", b"https"), "one of two schemes"
        block = forwarded_fields(head, origin, _ids(head, TERMS[0]), SPAN)
        lines = sent_request(request_head(head, block))
        _told(lines, origin)
        again = parse_request(request_head(head, block), WIDE)
        assert again is not None, "the next hop reads it"
        found.append((address, scheme, block))
    return found


def _told(lines: list[tuple[bytes, bytes]], origin: Origin) -> None:
    chains = values_of(lines, b"x-forwarded-for")
    assert len(chains) <= 1, "one chain"
    if origin.x_forwarded and origin.peer_token:
        assert chains[0].rpartition(b",")[2].strip() == origin.peer_token, "whose last entry is the peer"
    elements = values_of(lines, b"forwarded")
    assert len(elements) <= 1, "one chain"
    if origin.forwarded and origin.peer_ip:
        assert origin.forwarded in elements[0], "our element is there"
        # Everything before it is whole: an open quote would take our element into it.
        before = elements[0].rpartition(origin.forwarded)[0]
        assert before.replace(rb"\\", b"").replace(rb"\"", b"").count(b'"') % 2 == 0, "and in no quote"
    if not origin.trusted and origin.x_forwarded:
        assert values_of(lines, b"x-forwarded-proto") == [origin.scheme], "a stranger says no scheme"
        assert values_of(lines, b"x-forwarded-host") == [b"a"], "and no host"
    for name in (b"via", b"x-request-id", b"traceparent"):
        assert len(values_of(lines, name)) == 1, "said once"


def traces(data: bytes) -> object:
    """The fields of traces: what is believed is valid, and the next hop is in the same trace."""
    try:
        head = head_with(data)
    except BadMessage as error:
        return refused(error)
    if head is None:
        return None
    found = []
    for terms in TERMS:
        ids = _ids(head, terms)
        assert 0 < len(ids.request_id) <= 128, "an identifier"
        assert ids.request_id.isascii(), "of visible bytes"
        assert ids.request_id.decode().isprintable(), "of visible bytes"
        assert b" " not in ids.request_id, "of visible bytes"
        block = forwarded_fields(head, ORIGINS[0], ids, SPAN if terms.headers else b"")
        lines = lines_of(block)
        if terms.headers:
            assert len(ids.trace_id) == 32, "a trace"
            (parent,) = values_of(lines, b"traceparent")
            assert valid_traceparent(parent), "told in one valid field"
            assert parent[3:35] == ids.trace_id, "of this trace"
            for name in (b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-sampled", b"x-b3-flags", b"x-b3-parentspanid"):
                came = values_of(lines_of(head.trace_fields), name)
                assert len(values_of(lines, name)) <= max(1, len(came)), "no field is told more often than it came"
            again = parse_request(request_head(head, block), WIDE)
            assert again is not None, "the next hop reads it"
            assert _ids(again, terms).trace_id == ids.trace_id, "and is in the same trace"
            assert _ids(again, terms).sampled == ids.sampled, "with the same decision"
        else:
            assert ids.fields.endswith(head.trace_fields), "left alone"
        found.append((ids.request_id, ids.trace_id, ids.parent_id, ids.sampled, block))
    return found


def keys(data: bytes) -> object:
    """What a request is counted under: short, and no two lists of parts spell one key."""
    try:
        head = head_with(data)
    except BadMessage as error:
        return refused(error)
    if head is None:
        return None
    variables = {"user": 1}
    single = [RequestKey(source, variables).of(head, "2001:db8::1") for source in KEYS]
    for key in single:
        assert len(key) <= _MOST_KEY, "a key is short"
    joined = RequestKey(KEYS, variables).of(head, "2001:db8::1")
    parts, rest = [], joined
    while rest:
        size, _, rest = rest.partition(":")
        parts.append(rest[: int(size)])
        rest = rest[int(size) :]
    assert parts == single, "a key of several parts can be taken apart again"
    return joined


def edits(data: bytes) -> object:
    """Edits of a block: those lines and no others, and never a line more than was asked for."""
    try:
        head = head_with(data)
    except BadMessage as error:
        return refused(error)
    if head is None:
        return None
    edited = EDITS.apply(head.fields)
    lines, came = lines_of(edited), lines_of(head.fields)
    named = {b"x-gone", b"cookie", b"x-set", b"x-added", b"x-absent"}
    assert [line for line in lines if line[0] not in named] == [line for line in came if line[0] not in named]
    assert not {b"x-gone", b"cookie"} & {name for name, _ in lines}, "what is removed is gone"
    assert values_of(lines, b"x-set") == [b"one"], "what is set is there once"
    assert values_of(lines, b"x-added") == [*values_of(came, b"x-added"), b"two"], "what is added comes last"
    assert values_of(lines, b"x-absent") == (values_of(came, b"x-absent") or [b"three"]), "only where there is none"
    sent = edited_request_head(head, head.origin_target, b"", EDITS)
    assert not {name for name, _ in sent_request(sent)} & SAID_ANEW, "nothing comes back by an edit"
    for name, _ in lines:
        assert head.header(name) is not None or name in named, "a line that is there is found"
    return edited
