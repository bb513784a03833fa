"""One head, four readers in one process: Sidecar as it judges, Sidecar as it forwards, the letter of the RFC, and h11.

Owns what must hold for every connection whatever came in; `fault` says in a sentence what does not.
"""

from __future__ import annotations

from sidecar.wire.message import CHUNKED, LENGTH
from tests.differential.judging import difference
from tests.differential.ours import ENDPOINT, Passed, Taken, taken
from tests.differential.reading import Reading, UnreadableError, requests_in
from tests.differential.third import h11_reads


def fault(data: bytes) -> str:
    """What is wrong with what becomes of these bytes; empty when nothing is."""
    return fault_of(taken(data))


def fault_of(result: Taken) -> str:
    """The same of bytes that were read already."""
    for passed in result.passed:
        try:
            found = _fault(passed)
        except UnreadableError as unreadable:
            found = str(unreadable)
        if found:
            return found
    return ""


def one_request(sent: bytes) -> Reading:
    """What the letter of the RFC makes of it, which is exactly one request. Raises `UnreadableError`."""
    read, left = requests_in(sent)
    if len(read) != 1 or left:
        raise UnreadableError(f"one request became {len(read)}, and {left!r} is left over")
    return read[0]


def _fault(passed: Passed) -> str:
    plain = one_request(passed.sent)
    theirs = h11_reads(passed.sent)
    head = passed.head
    if (plain.method, plain.target) != (head.method, head.origin_target):
        return f"judged as {head.method!r} {head.origin_target!r}, sent as {plain.method!r} {plain.target!r}"
    named = head.authority or (b"" if head.minor_version else ENDPOINT)
    if plain.all(b"host") != [named]:
        return f"judged as a request for {head.authority!r}, sent for {plain.all(b'host')!r}"
    path, mark, query = plain.target.partition(b"?")
    if (head.path, head.query) != (path, query):
        return f"judged by the path {head.path!r}, sent with {path!r}{mark!r}"
    framed = b"chunked" in plain.all(b"transfer-encoding"), plain.all(b"content-length") not in ([], [b"0"])
    if framed != (head.framing == CHUNKED, head.framing == LENGTH):
        return f"framing {head.framing} was sent as {framed}"
    return difference(plain, theirs) or ("" if plain.fields == theirs.fields else "h11 reads other fields")
