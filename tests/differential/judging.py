"""What two readings of the same bytes must have in common, and which words of another proxy count as the same.

Owns the comparison. A proxy adds fields of its own and drops those of a connection; that is its office and no finding.
"""

from __future__ import annotations

import re

from tests.differential.reading import Fields, Reading

# Of a connection, of framing (the body itself is compared), or of a message's way: every proxy writes its own.
OF_THE_WAY = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization te trailer transfer-encoding content-length upgrade "
    b"expect via forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-forwarded-client-cert "
    b"x-request-id x-real-ip max-forwards".split()
)


def core_difference(ours: Reading, theirs: Reading) -> str:
    """What differs in what is asked, and in where the request ends: a desync, or two minds about one request."""
    if ours.method != theirs.method:
        return f"method {ours.method!r}, read as {theirs.method!r}"
    if ours.target != theirs.target:
        return f"target {ours.target!r}, read as {theirs.target!r}"
    if ours.body != theirs.body:
        return f"body {ours.body!r}, read as {theirs.body!r}"
    return ""


def difference(ours: Reading, theirs: Reading, also: frozenset[bytes] = frozenset()) -> str:
    """What differs between what was sent and how it was read, or an empty string. `also` are fields not compared."""
    if found := core_difference(ours, theirs):
        return found
    return fields_difference(ours.fields, theirs.fields, OF_THE_WAY | also)


def fields_difference(ours: Fields, theirs: Fields, without: frozenset[bytes]) -> str:
    """The first field that differs, or an empty string."""
    mine, other = _by_name(ours, without), _by_name(theirs, without)
    for name in sorted({*mine, *other}):
        if mine.get(name) != other.get(name):
            return f"field {name!r}: {mine.get(name)!r}, read as {other.get(name)!r}"
    return ""


def _by_name(fields: Fields, without: frozenset[bytes]) -> dict[bytes, bytes]:
    """Fields by name. Several lines are one list (RFC 9110 section 5.3), cookies joined by `;` (RFC 9113 section
    8.2.3); whether a proxy joins them, and with which spaces, is no difference."""
    joined: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in without:
            continue
        mark = b"; " if name == b"cookie" else b", "
        joined[name] = joined[name] + mark + value if name in joined else value
    return {name: _spaced(value) for name, value in joined.items()}


def _spaced(value: bytes) -> bytes:
    # RFC 9110 section 5.6.1.2: empty members of a list count for nothing.
    return re.sub(rb"[ \t]*([,;])[ \t,]*", rb"\1", value.strip(b" \t,"))
