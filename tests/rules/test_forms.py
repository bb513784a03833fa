"""Path patterns, networks and hosts."""

from __future__ import annotations

import re

import pytest

from sidecar.rules.forms import PathPattern, parse_host, parse_network


@pytest.mark.parametrize(
    ("text", "kind", "path", "variables"),
    [
        ("/", "prefix", "/", ()),
        ("/login", "prefix", "/login", ()),
        ("/login/", "prefix", "/login", ()),
        ("=/login/", "exact", "/login/", ()),
        ("/users/{id}", "template", "/users/{id}", ("id",)),
        ("/a/{b}/c/{d}", "template", "/a/{b}/c/{d}", ("b", "d")),
        ("=/{x}", "exact", "/{x}", ()),
    ],
)
def test_a_path_is_a_prefix_exact_or_a_template(text: str, kind: str, path: str, variables: tuple[str, ...]) -> None:
    pattern = PathPattern.parse(text)
    assert (pattern.kind, pattern.text, pattern.variables) == (kind, path, variables)
    assert PathPattern.parse(str(pattern)) == pattern


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("login", "it begins with /"),
        ("/a?b", "holds a query"),
        ("/a b", "percent-encoded"),
        ("/ü", "percent-encoded"),
        ("/{a}/{a}", "has the variable `a` twice"),
        ("/x{a}", "is a whole segment"),
        ("/{1}", "is a whole segment"),
        ("/a}", "is a whole segment"),
    ],
)
def test_a_wrong_path_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        PathPattern.parse(text)


def test_networks_are_addresses_or_networks_without_stray_bits() -> None:
    assert str(parse_network("10.0.0.0/8")) == "10.0.0.0/8"
    assert str(parse_network("::1")) == "::1/128"
    with pytest.raises(ValueError, match=re.escape("did you mean `10.0.0.0/8`?")):
        parse_network("10.1.0.0/8")
    with pytest.raises(ValueError, match="is not a network"):
        parse_network("ten")


def test_hosts_are_names_in_lower_case_without_a_port() -> None:
    assert [parse_host(text) for text in ("API.example.com", "*.Example.com", "example.com.", "[::1]", "10.0.0.1")] == [
        "api.example.com", "*.example.com", "example.com", "[::1]", "10.0.0.1",
    ]  # fmt: skip
    for text, sentence in (("a:80", "has a port"), ("a.*.b", "is not a host name"), ("", "is not a host name")):
        with pytest.raises(ValueError, match=sentence):
            parse_host(text)
