"""Edits of blocks that few messages need."""

import pytest

from sidecar.wire.hop import (
    CLOSE,
    KEEP_ALIVE,
    UPGRADE,
    acceptable_upgrade,
    connection_options,
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
