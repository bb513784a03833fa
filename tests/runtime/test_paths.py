"""Paths that some backend takes for one are one path to the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runtime.paths import matching_path, segments

EQUAL_TO_ADMIN = (
    b"/admin", b"//admin", b"/./admin", b"/public/../admin", b"/public/..//admin", b"/%61dmin", b"/%2e/admin",
    b"/x/%2e%2e/admin", b"/x%2f..%2fadmin", b"/x%2F%2E%2E%2Fadmin", b"/admin;v=1", b"/x/..;a=b/admin", b"/x\\..\\admin",
    b"/%5cadmin", b"/../../admin", b"/x/.%2e/admin", b"/;a/admin",
)  # fmt: skip


@pytest.mark.parametrize("path", EQUAL_TO_ADMIN)
def test_every_disguise_of_a_path_is_that_path(path: bytes) -> None:
    assert matching_path(path) == b"/admin"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", b"/"),
        (b"/..", b"/"),
        (b"/a/..", b"/"),
        (b"/a/.", b"/a/"),
        (b"/a/b/..", b"/a/"),
        (b"/a/", b"/a/"),
        (b"/a//", b"/a/"),
        (b"/a%20b", b"/a b"),
        (b"/Admin", b"/Admin"),
        (b"/...", b"/..."),
        (b"/.hidden", b"/.hidden"),
        (b"*", b"*"),
        (b"", b""),
    ],
)
def test_what_differs_stays_different(path: bytes, expected: bytes) -> None:
    assert matching_path(path) == expected


@pytest.mark.parametrize("path", [b"/100%", b"/%zz", b"/%4"])
def test_a_broken_escape_stays_as_it_is(path: bytes) -> None:
    assert matching_path(path) == path


def test_escapes_are_decoded_once() -> None:
    assert matching_path(b"/%252e%252e/admin") == b"/%2e%2e/admin"


def test_a_plain_path_is_the_very_same_object() -> None:
    path = b"/users/7/orders"
    assert matching_path(path) is path


@given(st.binary(max_size=40).map(lambda rest: b"/" + rest))
def test_no_matching_path_holds_a_way_up_or_an_empty_segment(path: bytes) -> None:
    found = matching_path(path)
    assert found.startswith(b"/")
    inner = found[1:].removesuffix(b"/").split(b"/") if found != b"/" else []
    assert not [piece for piece in inner if piece in (b"", b".", b"..")]
    assert b"\\" not in found
    assert b";" not in found


@given(st.lists(st.sampled_from([b"a", b"..", b".", b"", b"b;x", b"%2e"]), max_size=8))
def test_writing_a_path_in_escapes_changes_nothing(pieces: list[bytes]) -> None:
    path = b"/" + b"/".join(pieces).replace(b"%2e", b".")
    escaped = b"/" + b"".join(b"%%%02X" % byte for byte in path[1:])
    assert matching_path(escaped) == matching_path(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"/", []), (b"/a", [b"a"]), (b"/a/", [b"a"]), (b"/a/b", [b"a", b"b"]), (b"*", [b"*"])],
)
def test_segments_are_those_between_slashes(path: bytes, expected: list[bytes]) -> None:
    assert segments(path) == expected
