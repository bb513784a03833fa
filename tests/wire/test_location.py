"""A redirect leads to the same thing elsewhere, byte for byte, and nowhere that the request could choose."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.errors import BadMessage
from sidecar.wire.head import parse_request
from sidecar.wire.location import Location, split_authority
from sidecar.wire.message import HeadLimits, RequestHead


def request(
    target: bytes = b"/a%2Fb//c?x=%20&y", host: bytes = b"shop.example.com", method: bytes = b"GET"
) -> RequestHead:
    head = parse_request(b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, target, host), HeadLimits())
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("rule", "host", "expected"),
    [
        ({"scheme": "https"}, b"shop.example.com", b"https://shop.example.com/a%2Fb//c?x=%20&y"),
        ({"scheme": "https"}, b"shop.example.com:8080", b"https://shop.example.com/a%2Fb//c?x=%20&y"),
        ({"scheme": "https"}, b"Shop.Example.Com.", b"https://Shop.Example.Com./a%2Fb//c?x=%20&y"),
        ({"scheme": "https"}, b"[2001:db8::1]:80", b"https://[2001:db8::1]/a%2Fb//c?x=%20&y"),
        ({"scheme": "https"}, b"[2001:db8::1]", b"https://[2001:db8::1]/a%2Fb//c?x=%20&y"),
        ({"scheme": "https", "port": 8443}, b"a:8080", b"https://a:8443/a%2Fb//c?x=%20&y"),
        ({"scheme": "https", "port": 443}, b"a:8080", b"https://a/a%2Fb//c?x=%20&y"),
        ({"scheme": "https", "port": 80}, b"a", b"https://a:80/a%2Fb//c?x=%20&y"),
        ({"host": "b.example"}, b"a:8080", b"http://b.example/a%2Fb//c?x=%20&y"),
        ({"host": "[::1]", "port": 1}, b"a:8080", b"http://[::1]:1/a%2Fb//c?x=%20&y"),
        ({"port": 81}, b"a:8080", b"http://a:81/a%2Fb//c?x=%20&y"),
        ({"path": "/new"}, b"a:8080", b"http://a:8080/new?x=%20&y"),
        ({"path": "/new"}, b"a:80", b"http://a/new?x=%20&y"),
        ({"path": "/new?z"}, b"a", b"http://a/new?z"),
        ({"host": "b", "path": "/"}, b"", b"http://b/?x=%20&y"),
    ],
)
def test_what_the_rule_does_not_say_is_the_requests(rule: dict[str, object], host: bytes, expected: bytes) -> None:
    assert Location(**rule).of(request(host=host), b"http") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "method", "expected"),
    [
        (b"//evil.example/x", b"GET", b"https://a//evil.example/x"),
        (b"/\\evil.example", b"GET", b"https://a/\\evil.example"),
        (b"/@evil.example", b"GET", b"https://a/@evil.example"),
        (b"http://b.example/x", b"GET", b"https://b.example/x"),
        (b"*", b"OPTIONS", b"https://a"),
        (b"/?", b"GET", b"https://a/?"),
    ],
)
def test_no_target_leads_to_another_host(target: bytes, method: bytes, expected: bytes) -> None:
    assert Location("https").of(request(target, b"a", method), b"http") == expected


@pytest.mark.parametrize("host", [b"", b":8080"])
def test_without_a_host_there_is_nowhere_to_lead(host: bytes) -> None:
    assert Location("https").of(request(host=host), b"http") is None
    assert Location(host="b").of(request(host=host), b"http") == b"http://b/a%2Fb//c?x=%20&y"


@pytest.mark.parametrize(
    "host",
    [b"a@evil.example", b"a/evil", b"a b", b"a\\evil", b"a?b", b"a#b", b"a,b", b"a\tb", b"\xc3\xa9", b"a:b"],
)
def test_a_host_that_could_be_read_as_more_never_comes_this_far(host: bytes) -> None:
    with pytest.raises(BadMessage):
        request(host=host)


def test_what_follows_a_line_break_in_a_host_is_a_field_of_its_own() -> None:
    assert Location("https").of(request(b"/", b"a\r\nX: 1"), b"http") == b"https://a/"


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_whatever_is_asked_for_the_location_is_one_absolute_url_of_the_host(host: bytes, path: bytes) -> None:
    try:
        head = parse_request(b"GET /%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, host), HeadLimits())
    except BadMessage:
        return
    location = None if head is None else Location("https").of(head, b"http")
    if head is None or location is None:
        return
    asked, _ = split_authority(head.authority)
    assert re.fullmatch(rb"https://[!-~]+", location)
    assert location == b"https://" + asked + head.origin_target
    assert not {*asked} & {*b"/\\?#@ "}


@pytest.mark.parametrize(
    ("authority", "split"),
    [
        (b"a", (b"a", b"")),
        (b"a:1", (b"a", b"1")),
        (b"a:", (b"a", b"")),
        (b"[::1]", (b"[::1]", b"")),
        (b"[::1]:1", (b"[::1]", b"1")),
        (b"", (b"", b"")),
        (b":1", (b"", b"1")),
    ],
)
def test_an_authority_is_a_host_and_perhaps_a_port(authority: bytes, split: tuple[bytes, bytes]) -> None:
    assert split_authority(authority) == split
