"""Keys tell callers apart, cannot be forged into one another, and stay short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runtime.request_key import RequestKey, client_network
from tests.runtime.requests import Request

ADDRESS = "192.0.2.9"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
    ],
)
def test_an_ipv6_address_counts_as_its_64(address: str, network: str) -> None:
    assert client_network(address) == network
    assert RequestKey("client_ip").of(Request(), address) == network


def test_a_header_is_found_by_a_name_of_any_case() -> None:
    assert RequestKey("header:X-User").of(Request(headers={b"x-user": b"Ann"}), ADDRESS) == "Ann"


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (b"session=abc", "abc"),
        (b"a=1; session=abc; b=2", "abc"),
        (b'session="abc"', "abc"),
        (b"xsession=abc", ""),
        (b"session", ""),
        (b"session=first; session=second", "first"),
        (b"session=a=b", "a=b"),
        (None, ""),
    ],
)
def test_a_cookie_is_found_among_others(cookie: bytes | None, expected: str) -> None:
    headers = {} if cookie is None else {b"cookie": cookie}
    assert RequestKey("cookie:session").of(Request(headers=headers), ADDRESS) == expected


def test_a_variable_is_taken_from_its_segment_of_the_matching_path() -> None:
    key = RequestKey("path:id", {"id": 1})
    assert key.of(Request(b"/users/7"), ADDRESS) == "7"
    for same in (b"/users//7", b"/users/%37", b"/users/7;v=2", b"/x/../users/7/"):
        assert key.of(Request(same), ADDRESS) == "7", same
    assert key.of(Request(b"/users"), ADDRESS) == ""


def test_a_list_makes_one_key_of_all_its_parts() -> None:
    key = RequestKey(["client_ip", "header:x-user"])
    assert key.of(Request(headers={b"x-user": b"ann"}), "192.0.2.7") == "9:192.0.2.73:ann"
    assert key.text == "client_ip, header:x-user"


values = st.binary(max_size=80).filter(lambda value: b"\r" not in value)


@given(values, values, values, values)
def test_different_values_never_make_one_key(a: bytes, b: bytes, c: bytes, d: bytes) -> None:
    key = RequestKey(["header:x", "header:y"])
    one = key.of(Request(headers={b"x": a, b"y": b}), ADDRESS)
    other = key.of(Request(headers={b"x": c, b"y": d}), ADDRESS)
    assert (one == other) is ((a, b) == (c, d))


def test_a_long_value_becomes_a_short_key_that_still_tells_it_apart() -> None:
    key = RequestKey("header:x")
    keys = {key.of(Request(headers={b"x": b"v" * 10_000 + bytes((end,))}), ADDRESS) for end in range(5)}
    assert len(keys) == 5
    assert max(map(len, keys)) <= 64


@pytest.mark.parametrize("word", ["", "ip", "header:", "cookie:", "query:x", "client_ip:x", "path:"])
def test_an_unknown_source_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        RequestKey(word)


def test_a_variable_that_the_path_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="names no variable"):
        RequestKey("path:id", {"user": 1})


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RequestKey([])
