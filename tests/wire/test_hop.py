"""Edits of blocks that few messages need."""

import pytest

from sidecar.wire.hop import (
    CLOSE,
    KEEP_ALIVE,
    UPGRADE,
    acceptable_upgrade,
    connection_options,
    fewer_forwards,
    list_items,
    with_host,
    without_fields,
)


def test_list_members_are_trimmed_and_empty_ones_left_out() -> None:
    assert list_items(b" a ,,b\t, c d,") == [b"a", b"b", b"c d"]


def test_connection_options_are_flags_or_names_of_fields_to_cut() -> None:
    named: set[bytes] = set()
    assert connection_options(b"Close, keep-alive,UPGRADE, TE, X-A", named) == CLOSE | KEEP_ALIVE | UPGRADE
    assert named == {b"x-a"}


@pytest.mark.parametrize("value", [b"host", b"x, Content-Length", b"via", b"a b", b'"x"'])
def test_options_no_hop_may_act_on_are_refused(value: bytes) -> None:
    assert connection_options(value, set()) == -1


def test_lines_are_removed_by_name_in_any_case() -> None:
    assert without_fields(b"A: 1\r\nx-a: 2\r\nX-A: 3\r\nB:\r\n", {b"x-a"}) == b"A: 1\r\nB:\r\n"
    assert without_fields(b"A: 1\r\n", {b"a"}) == b""
    assert without_fields(b"", {b"a"}) == b""


def test_host_is_replaced_where_it_stands_or_put_first() -> None:
    assert with_host(b"A: 1\r\nHOST: x\r\nB: 2\r\n", b"h") == b"A: 1\r\nHost: h\r\nB: 2\r\n"
    assert with_host(b"host:x\r\nB: 2\r\n", b"h") == b"Host: h\r\nB: 2\r\n"
    assert with_host(b"X-Host: 1\r\n", b"h") == b"Host: h\r\nX-Host: 1\r\n"
    assert with_host(b"", b"h") == b"Host: h\r\n"


def test_upgrades_inside_http_are_not_passed_on() -> None:
    assert acceptable_upgrade(b"websocket, foo/2")
    assert not any(map(acceptable_upgrade, (b"h2c", b"websocket, H2C", b"HTTP/2.0", b"tls/1.2", b"h2")))


def test_max_forwards_is_told_and_made_one_less() -> None:
    assert fewer_forwards(b"A: 1\r\nmax-forwards: \t10 \r\nB: 2\r\n") == (10, b"A: 1\r\nMax-Forwards: 9\r\nB: 2\r\n")
    assert fewer_forwards(b"Max-Forwards: 0\r\n") == (0, b"Max-Forwards: 0\r\n")
    assert fewer_forwards(b"Max-Forwards: " + b"0" * 5000 + b"\r\n")[0] == 0
    assert fewer_forwards(b"Max-Forwards: 0000000010\r\n") == (10, b"Max-Forwards: 9\r\n")


@pytest.mark.parametrize("value", [b"", b"x", b"-1", b"1.0", b"1, 2", b"9999999999", "\uff15".encode()])
def test_a_max_forwards_that_is_no_number_stays_as_it_is(value: bytes) -> None:
    block = b"Max-Forwards: " + value + b"\r\n"
    assert fewer_forwards(block) == (-1, block)


def test_two_max_forwards_say_nothing() -> None:
    assert fewer_forwards(b"Max-Forwards: 5\r\nMax-Forwards: 0\r\n")[0] == -1
    assert fewer_forwards(b"X-Max-Forwards: 5\r\n") == (-1, b"X-Max-Forwards: 5\r\n")
