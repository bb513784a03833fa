"""Addresses and endpoint URLs read and print back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.address import Address, Url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80)),
        ("localhost:8080", Address("localhost", 8080)),
        ("app.internal:65535", Address("app.internal", 65535)),
        ("my_app:1", Address("my_app", 1)),
        ("[::1]:8080", Address("::1", 8080)),
        (":8080", Address("", 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("unix:/run/sidecar.sock", Address(path="/run/sidecar.sock")),
    ],
)
def test_an_address_reads_and_prints_back(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("8080", "did you mean `:8080`?"),
        ("localhost", "has no port"),
        ("::1:8080", "in brackets"),
        ("[::1]", "has no port"),
        ("[app]:1", "not an IPv6 address"),
        ("host:65536", "not a port"),
        ("host:٣", "not a port"),
        ("host:", "not a port"),
        ("a b:1", "not a host name"),
        ("-a:1", "not a host name"),
        ("999.1.1.1:1", "not an IPv4 address"),
        ("unix:run/x", "absolute path"),
        ("unix:/run/", "absolute path"),
        ("unix:/" + "x" * 107, "at most 107 bytes"),
        ("", "has no port"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("unix:/x", True),
        (":1", False),
        ("10.0.0.1:1", False),
        ("app:1", False),
    ],
)
def test_loopback_is_told_from_the_rest(text: str, loopback: bool) -> None:
    assert Address.parse(text).is_loopback is loopback
    assert Address.parse(text).is_unix is text.startswith("unix:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://app", "http://app:80"),
        ("https://app/", "https://app:443"),
        ("http://[::1]", "http://[::1]:80"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("unix:/run/app.sock", "http://unix:/run/app.sock"),
        ("http://unix:/run/my app.sock", "http://unix:/run/my app.sock"),
        ("tcp://db:5432", "tcp://db:5432"),
        ("tls://[::1]:6379", "tls://[::1]:6379"),
        ("tcp://unix:/run/db.sock", "tcp://unix:/run/db.sock"),
    ],
)
def test_an_endpoint_url_reads_with_the_scheme_s_port(text: str, expected: str) -> None:
    assert str(Url.parse(text)) == expected
    assert Url.parse(expected) == Url.parse(text)
    assert Url.parse(text).is_raw is text.startswith("t")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("127.0.0.1:3000", "`127.0.0.1:3000` is not a URL; did you mean `http://127.0.0.1:3000`?"),
        ("3000:x", "`3000:x` is not a URL; write http://host:port or https://host:port"),
        ("ftp://x", "only http, https, tcp, tls are spoken"),
        ("http://x/path", "has a path"),
        ("http://x?q", "has a path or a query"),
        ("http://u:p@x", "no user name"),
        ("http://:80", "has no host"),
        ("http://", "has no host"),
        ("http://x:0", "port 0"),
        ("unix:run/x", "absolute path"),
        ("http://unix:/x/", "absolute path"),
        ("http://unix:@abstract", "absolute path"),
        ("tcp://db", "`tcp://db` has no port; write tcp://host:port"),
        ("tls://unix:/x", "write tcp://unix:/x"),
        ("https://unix:/x", "`https://unix:/x` is a unix socket, over which TLS is not spoken; write http://unix:/x"),
    ],
)
def test_a_wrong_endpoint_url_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Url.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_that_prints_back_or_a_value_error(text: str) -> None:
    for parse in (Address.parse, Url.parse):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert parse(str(value)) == value
