"""Forwarded as RFC 7239 writes it: a chain that came is kept where it is believed, and ours is its last element."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.clientip import TrustedNetworks, client_ip, forwarded_addresses
from sidecar.wire.errors import BadMessage
from sidecar.wire.forwarded import forwarded_line, last_proto, x_chain
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin

STRANGER = Origin("192.0.2.7", forwarded=True)
BALANCER = Origin("10.0.0.1", b"https", True, forwarded=True)
LOCAL = Origin("", b"http", True, forwarded=True)
SILENT = Origin("10.0.0.1", b"https", True)


def request(*lines: bytes, host: bytes = b"a.example") -> RequestHead:
    head = parse_request(b"\r\n".join([b"GET / HTTP/1.1", b"Host: " + host, *lines, b"", b""]), HeadLimits())
    assert head is not None
    return head


OURS = b"for=10.0.0.1;proto=https;host=a.example"


@pytest.mark.parametrize(
    ("origin", "came", "written"),
    [
        (STRANGER, [], b"for=192.0.2.7;proto=http;host=a.example"),
        (STRANGER, [b"Forwarded: for=1.1.1.1"], b"for=192.0.2.7;proto=http;host=a.example"),
        (STRANGER, [b"X-Forwarded-For: 1.1.1.1"], b"for=192.0.2.7;proto=http;host=a.example"),
        (BALANCER, [], OURS),
        (BALANCER, [b"Forwarded: for=1.1.1.1"], b"for=1.1.1.1, " + OURS),
        (
            BALANCER,
            [b"Forwarded: for=1.1.1.1", b'Forwarded: For="_x";a="b,\\"c"'],
            b'for=1.1.1.1, For="_x";a="b,\\"c", ' + OURS,
        ),
        (BALANCER, [b'Forwarded: for="'], OURS),
        (BALANCER, [b"Forwarded: for=1.1.1.1;"], OURS),
        (BALANCER, [b"Forwarded:"], OURS),
        (BALANCER, [b"X-Forwarded-For: 1.1.1.1, 2001:db8::1"], b'for=1.1.1.1, for="[2001:db8::1]", ' + OURS),
        (BALANCER, [b"X-Forwarded-For: 1.1.1.1, nobody"], OURS),
        (BALANCER, [b"X-Forwarded-For: 2.2.2.2", b"Forwarded: for=1.1.1.1"], b"for=1.1.1.1, " + OURS),
        (LOCAL, [], b"for=unknown;proto=http;host=a.example"),
        (LOCAL, [b"Forwarded: for=1.1.1.1"], b"for=1.1.1.1"),
        (SILENT, [b"Forwarded: for=1.1.1.1"], b"for=1.1.1.1"),
    ],
)
def test_our_element_is_the_last_one(origin: Origin, came: list[bytes], written: bytes) -> None:
    assert forwarded_line(request(*came), origin) == b"Forwarded: " + written + b"\r\n"


def test_without_a_chain_and_an_element_there_is_no_line() -> None:
    assert forwarded_line(request(), SILENT) == b""
    assert forwarded_line(request(b"Forwarded: for=1.1.1.1"), Origin("192.0.2.7")) == b""


@pytest.mark.parametrize(
    ("host", "written"),
    [(b"a:80", b';host="a:80"'), (b"[::1]", b';host="[::1]"'), (b"a(b)", b';host="a(b)"'), (b"", b"")],
)
def test_a_host_is_quoted_where_it_is_no_token(host: bytes, written: bytes) -> None:
    assert forwarded_line(request(host=host), STRANGER) == b"Forwarded: for=192.0.2.7;proto=http" + written + b"\r\n"


@given(st.binary(max_size=20))
def test_whatever_came_our_element_is_read_last_by_the_next_hop(value: bytes) -> None:
    try:
        came = request(b"Forwarded: " + value)
    except BadMessage:
        return
    line = forwarded_line(came, BALANCER)
    next_hop = Origin("10.0.0.2", trusted=True)
    passed = request(line.removesuffix(b"\r\n"))
    assert client_ip(next_hop, passed, TrustedNetworks(["10.0.0.2"])) == "10.0.0.1"


def test_two_sidecars_in_a_row_agree_on_the_client_whichever_field_came_first() -> None:
    for came in (b"X-Forwarded-For: 1.1.1.1", b"Forwarded: for=1.1.1.1"):
        first = request(came)
        both = request(
            b"X-Forwarded-For: " + (first.forwarded_for or x_chain(first)) + b", 10.0.0.1",
            forwarded_line(first, BALANCER).removesuffix(b"\r\n"),
        )
        trusted = TrustedNetworks(["10.0.0.0/8"])
        assert client_ip(Origin("10.0.0.2", trusted=True), both, trusted) == "1.1.1.1"


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b'for="[2001:db8::1]:80", for=1.1.1.1:80', b"2001:db8::1, 1.1.1.1"),
        (b"for=1.1.1.1, for=unknown", b""),
        (b"proto=https", b""),
        (b", ".join([b"for=1.1.1.1"] * 65), b""),
    ],
)
def test_a_chain_is_told_as_x_forwarded_for_where_all_of_it_is_addresses(value: bytes, addresses: bytes) -> None:
    assert x_chain(request(b"Forwarded: " + value)) == addresses
    assert ", ".join(forwarded_addresses(value)).encode() == addresses


@pytest.mark.parametrize(
    ("value", "proto"),
    [
        (b"for=1.1.1.1;proto=https", b"https"),
        (b'proto=http, PROTO="HTTPS";for=a', b"https"),
        (b"proto=https, for=1.1.1.1", b""),
        (b"proto=https;proto=http", b""),
        (b'for="proto=https"', b""),
        (b'proto=https, for="', b""),
    ],
)
def test_the_nearest_proxy_says_the_scheme(value: bytes, proto: bytes) -> None:
    assert last_proto(value) == proto
