"""The values that leave the parser: request and response heads, and the limits they were read under.

Owns their shape and the look-up of a field by name. May not know how they are parsed, written or judged.
Both heads carry the *forwardable block*: every field line verbatim and in order, hop-by-hop fields already cut out,
so that forwarding is one concatenation and never a rebuild from pairs.
Filled by attribute instead of by constructor arguments: compiled, each is then a plain store.
"""

# How the end of the body is found (RFC 9112 section 6.3).
NO_BODY = 0
LENGTH = 1
CHUNKED = 2
UNTIL_CLOSE = 3

_NO_BODY = NO_BODY


class HeadLimits:
    """What one head may cost: bytes of the whole head, number of field lines, bytes of the request target."""

    __slots__ = ("max_bytes", "max_fields", "max_target")

    def __init__(self, max_bytes: int = 32768, max_fields: int = 128, max_target: int = 8192) -> None:
        if max_bytes < 64 or max_fields < 1 or max_target < 1:
            raise ValueError("a head needs at least 64 bytes, one field and one byte of target")
        self.max_bytes = max_bytes
        self.max_fields = max_fields
        self.max_target = max_target


class RequestHead:
    """A request's head as received from the client, ready to be routed, judged and forwarded.

    `target` is the request target as received, `origin_target` what to forward (they differ only in absolute-form),
    `path` and `query` are its two halves byte for byte, `query` without the `?`. `authority` is the host the request
    is for: from the absolute-form target, else from Host, else empty (HTTP/1.0 without Host). `size` counts every
    byte consumed, skipped empty lines and the final CRLF included. `content_length` is -1 when there is none.
    `upgrade` is the value of Upgrade when Connection names it, else empty. The fields the proxy rewrites are picked
    out of `fields` (all lines of one name joined with `, `); `content_type` also stays inside.
    `max_forwards` is what Max-Forwards of an OPTIONS or TRACE said, -1 where it said nothing.
    `trace_fields` are the lines of tracestate and b3 as they came, cut out too: what becomes of them is decided later.
    """

    __slots__ = (
        "_lowered",
        "authority",
        "content_length",
        "content_type",
        "expect_continue",
        "fields",
        "forwarded",
        "forwarded_for",
        "forwarded_host",
        "forwarded_proto",
        "framing",
        "has_idempotency_key",
        "keep_alive",
        "max_forwards",
        "method",
        "minor_version",
        "origin_target",
        "path",
        "query",
        "request_id",
        "size",
        "target",
        "te_trailers",
        "timeout_ms",
        "trace_fields",
        "traceparent",
        "upgrade",
        "via",
    )

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.origin_target = b""
        self.path = b""
        self.query = b""
        self.authority = b""
        self.minor_version = 1
        self.fields = b""
        self.size = 0
        self.framing = _NO_BODY
        self.content_length = -1
        self.keep_alive = False
        self.upgrade = b""
        self.expect_continue = False
        self.max_forwards = -1
        self.forwarded_for: bytes | None = None
        self.forwarded: bytes | None = None
        self.forwarded_host: bytes | None = None
        self.forwarded_proto: bytes | None = None
        self.via: bytes | None = None
        self.request_id: bytes | None = None
        self.traceparent: bytes | None = None
        self.trace_fields = b""
        self.timeout_ms: bytes | None = None
        self.content_type: bytes | None = None
        self.has_idempotency_key = False
        self.te_trailers = False
        self._lowered: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        """The value of the field `name` (lower case), several lines joined with `, `; None when absent.

        Sees the fields that were picked out of the block too; never the hop-by-hop ones, except Upgrade.
        """
        if self._lowered is None:
            self._lowered = b"\r\n" + self.fields.lower()
        found = find_field(self.fields, self._lowered, name)
        return found if found is not None else self._picked(name)

    def _picked(self, name: bytes) -> bytes | None:
        # Only reached by names that are not in the block, so it may be slow.
        if name == b"upgrade":
            return self.upgrade or None
        picked = {
            b"forwarded": self.forwarded,
            b"x-forwarded-for": self.forwarded_for,
            b"x-forwarded-host": self.forwarded_host,
            b"x-forwarded-proto": self.forwarded_proto,
            b"via": self.via,
            b"x-request-id": self.request_id,
            b"traceparent": self.traceparent,
            b"x-request-timeout-ms": self.timeout_ms,
        }
        found = picked.get(name)
        if found is None and self.trace_fields:
            return find_field(self.trace_fields, b"\r\n" + self.trace_fields.lower(), name)
        return found


class ResponseHead:
    """A response's head as received from the upstream; attributes as in `RequestHead`.

    `reason` is the reason phrase, perhaps empty. `framing` already accounts for the request's method and the status:
    NO_BODY for HEAD, 1xx, 204 and 304. `keep_alive` is whether the upstream lets the connection be used again once
    the body has ended. `dated`: it says when it was made.
    """

    __slots__ = (
        "_lowered",
        "content_length",
        "dated",
        "fields",
        "framing",
        "keep_alive",
        "minor_version",
        "reason",
        "size",
        "status",
        "upgrade",
    )

    def __init__(self) -> None:
        self.status = 0
        self.reason = b""
        self.minor_version = 1
        self.dated = False
        self.fields = b""
        self.size = 0
        self.framing = _NO_BODY
        self.content_length = -1
        self.keep_alive = False
        self.upgrade = b""
        self._lowered: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        """The value of the field `name` (lower case), several lines joined with `, `; None when absent."""
        if self._lowered is None:
            self._lowered = b"\r\n" + self.fields.lower()
        found = find_field(self.fields, self._lowered, name)
        if found is None and name == b"upgrade" and self.upgrade:
            return self.upgrade
        return found


def find_field(fields: bytes, lowered: bytes, name: bytes) -> bytes | None:
    """The joined value of `name` in a block of field lines; `lowered` is CRLF and the block in lower case."""
    needle = b"\r\n" + name + b":"
    at = lowered.find(needle)
    if at < 0:
        return None
    length = len(needle)
    first: bytes | None = None
    rest: list[bytes] = []
    while at >= 0:
        # `lowered` is two bytes ahead of `fields`, hence the shift.
        start = at + length - 2
        value = fields[start : fields.find(b"\r\n", start)].strip(b" \t")
        if first is None:
            first = value
        else:
            rest.append(value)
        at = lowered.find(needle, start)
    if rest and first is not None:
        return b", ".join([first, *rest])
    return first
