"""Prefixes of the target taken away and put in front, for targets as people write them and as attackers do."""

from __future__ import annotations

import pytest

from sidecar.wire.rewriting import TargetRewrite

STRIP = TargetRewrite(strip_prefix="/api")
ADD = TargetRewrite(add_prefix="/v1")
BOTH = TargetRewrite(strip_prefix="/api", add_prefix="/v1")


@pytest.mark.parametrize(
    ("target", "stripped", "added", "both"),
    [
        (b"/api/users", b"/users", b"/v1/api/users", b"/v1/users"),
        (b"/api", b"/", b"/v1/api", b"/v1"),
        (b"/api/", b"/", b"/v1/api/", b"/v1/"),
        (b"/apix/users", b"/apix/users", b"/v1/apix/users", b"/v1/apix/users"),
        (b"/API/users", b"/API/users", b"/v1/API/users", b"/v1/API/users"),
        (b"/", b"/", b"/v1/", b"/v1/"),
        (b"/api/a//b;v=1/%20", b"/a//b;v=1/%20", b"/v1/api/a//b;v=1/%20", b"/v1/a//b;v=1/%20"),
        (b"/api/.well-known/x", b"/.well-known/x", b"/v1/api/.well-known/x", b"/v1/.well-known/x"),
    ],
)
def test_a_prefix_is_a_matter_of_whole_segments(target: bytes, stripped: bytes, added: bytes, both: bytes) -> None:
    assert STRIP.apply(target) == stripped
    assert ADD.apply(target) == added
    assert BOTH.apply(target) == both


@pytest.mark.parametrize("query", [b"", b"?", b"?a=/api/../x&b=%2e%2e", b"?//?;\\"])
def test_a_query_keeps_every_byte(query: bytes) -> None:
    assert BOTH.apply(b"/api/users" + query) == b"/v1/users" + query
    assert BOTH.apply(b"/api" + query) == b"/v1" + query
    assert BOTH.apply(b"/api//x" + query) == b"/v1/x" + query


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/%61pi/users", b"/users"),
        (b"/api%2Fusers", b"/users"),
        (b"/api\\users", b"/users"),
        (b"/api;v=1/users", b"/users"),
        (b"//api/users", b"/users"),
        (b"/;x/api/users", b"/users"),
        (b"/%2561pi/users", b"/%2561pi/users"),
    ],
)
def test_a_prefix_written_in_another_way_is_still_the_prefix_that_was_routed_by(target: bytes, expected: bytes) -> None:
    assert STRIP.apply(target) == expected


@pytest.mark.parametrize(
    ("target", "stripped", "added"),
    [
        (b"/api//evil.example/x", b"/evil.example/x", b"/v1/api//evil.example/x"),
        (b"/api/%2f%2Fevil", b"/evil", b"/v1/api/%2f%2Fevil"),
        (b"/api/\\evil", b"/evil", b"/v1/api/\\evil"),
        (b"/api/;x//evil", b"/evil", b"/v1/api/;x//evil"),
        (b"//evil.example/x", b"//evil.example/x", b"/v1/evil.example/x"),
        (b"/api//", b"/", b"/v1/api//"),
    ],
)
def test_no_empty_segment_is_left_where_a_prefix_was(target: bytes, stripped: bytes, added: bytes) -> None:
    assert STRIP.apply(target) == stripped
    assert ADD.apply(target) == added


@pytest.mark.parametrize(
    ("target", "stripped", "added"),
    [
        (b"/api/../admin", b"/api/../admin", b"/v1/admin"),
        (b"/../../admin", b"/../../admin", b"/v1/admin"),
        (b"/x/../api/users", b"/users", b"/v1/api/users"),
        (b"/api/%2e%2e/%2E%2e/x", b"/api/%2e%2e/%2E%2e/x", b"/v1/x"),
        (b"/api/a/..;x/b%20c", b"/b%20c", b"/v1/api/b%20c"),
        (b"/api/a%2f..%2fb", b"/b", b"/v1/api/b"),
        (b"/api/a/.", b"/a/", b"/v1/api/a/"),
        (b"/api/..", b"/api/..", b"/v1/"),
    ],
)
def test_dots_cannot_climb_over_a_prefix(target: bytes, stripped: bytes, added: bytes) -> None:
    assert STRIP.apply(target) == stripped
    assert ADD.apply(target) == added


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://a.example/api/users?q", b"http://a.example/v1/users?q"),
        (b"HTTPS://a.example:8443/x", b"HTTPS://a.example:8443/v1/x"),
        (b"http://a.example", b"http://a.example/v1/"),
        (b"http://a.example?q", b"http://a.example/v1/?q"),
        (b"http://a.example/api//x", b"http://a.example/v1/x"),
    ],
)
def test_an_absolute_target_keeps_its_scheme_and_authority(target: bytes, expected: bytes) -> None:
    assert BOTH.apply(target) == expected


@pytest.mark.parametrize("target", [b"*", b"a.example:443", b""])
def test_what_has_no_path_is_left_alone(target: bytes) -> None:
    assert BOTH.apply(target) is target


@pytest.mark.parametrize("target", [b"/users?q", b"/a/../b", b"//x", b"http://a.example/users", b"http://a.example"])
def test_a_target_without_the_prefix_is_the_very_same_object(target: bytes) -> None:
    assert STRIP.apply(target) is target


@pytest.mark.parametrize("rewrite", [TargetRewrite(), TargetRewrite("/", "/")])
def test_a_rewrite_of_nothing_changes_nothing(rewrite: TargetRewrite) -> None:
    for target in (b"/api//x", b"/a/../b", b"/x"):
        assert rewrite.apply(target) is target


def test_a_slash_at_the_end_of_a_prefix_changes_nothing() -> None:
    rewrite = TargetRewrite("/api/", "/v1/")
    assert rewrite.apply(b"/api/users") == b"/v1/users"
    assert rewrite.apply(b"/api") == b"/v1"
    assert rewrite.apply(b"/x") == b"/v1/x"


def test_an_escape_in_a_prefix_is_compared_decoded_and_added_as_written() -> None:
    assert TargetRewrite("/caf%C3%A9").apply(b"/caf%c3%a9/x") == b"/x"
    assert TargetRewrite(add_prefix="/caf%C3%A9").apply(b"/x") == b"/caf%C3%A9/x"


@pytest.mark.parametrize("prefix", ["api", "/a?b", "/a#b", "*", "http://a/b"])
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="is not a prefix of paths"):
        TargetRewrite(strip_prefix=prefix)
    with pytest.raises(ValueError, match="is not a prefix of paths"):
        TargetRewrite(add_prefix=prefix)
