"""A rewritten path is routed, by whoever comes next, as the prefixes say, however it was written."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.runtime.paths import matching_path
from sidecar.wire.rewriting import TargetRewrite

PIECES = st.sampled_from(
    ["api", "%61pi", "a", "..", ".", "%2e", "%2E.", "", ";x", "api;v=1", "..;x", "%252e", "x%20y", "%", "%zz", "evil.a"]
)
SLASHES = st.sampled_from(["/", "/", "/", "//", "%2f", "%2F", "\\", "%5c"])
PATHS = st.lists(st.tuples(SLASHES, PIECES), max_size=7).map(
    lambda pairs: ("/" + "".join(slash + piece for slash, piece in pairs)).encode()
)
PREFIXES = st.sampled_from(["", "/", "/api", "/api/", "/api/a", "/a", "/%61pi", "/x%20y/api"])


def less(path: bytes, prefix: bytes) -> bytes:
    """What the page on rewriting says of a matching path."""
    if path == prefix:
        return b""
    return path.removeprefix(prefix) if path.startswith(prefix + b"/") else path


@given(PATHS, PREFIXES, PREFIXES)
@example(b"/api/../admin", "/api", "/v1")
@example(b"/api//evil.a", "/api", "")
def test_routing_reads_the_added_prefix_and_what_it_read_less_the_stripped_one(
    path: bytes, strip: str, add: str
) -> None:
    rewritten = TargetRewrite(strip or None, add or None).apply(path)
    strip_read, add_read = (matching_path(text.encode()).removesuffix(b"/") for text in (strip, add))
    rest = less(matching_path(path), strip_read) if strip_read else matching_path(path)
    assert matching_path(rewritten) == (add_read + rest or b"/")


@given(PATHS, PREFIXES, PREFIXES)
def test_a_changed_target_never_begins_with_two_slashes_or_holds_a_dot_segment(
    path: bytes, strip: str, add: str
) -> None:
    rewritten = TargetRewrite(strip or None, add or None).apply(path)
    assert rewritten.startswith(b"/")
    if rewritten != path:
        read = rewritten.replace(b"\\", b"/").lower().replace(b"%2f", b"/").replace(b"%5c", b"/").replace(b"%2e", b".")
        assert not read.startswith(b"//")
        assert not {b".", b".."} & {segment.partition(b";")[0] for segment in read.split(b"/")}


@given(PATHS, PREFIXES, PREFIXES, st.binary(max_size=12))
def test_a_query_never_matters(path: bytes, strip: str, add: str, query: bytes) -> None:
    rewrite = TargetRewrite(strip or None, add or None)
    assert rewrite.apply(path + b"?" + query) == rewrite.apply(path) + b"?" + query


@given(PATHS, PREFIXES)
def test_what_is_added_can_be_stripped_again(path: bytes, prefix: str) -> None:
    added = TargetRewrite(add_prefix=prefix or None).apply(path)
    stripped = TargetRewrite(strip_prefix=prefix or None).apply(added)
    assert matching_path(stripped) == matching_path(path)
