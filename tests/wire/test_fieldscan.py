"""Field lines scanned on their own."""

import pytest

from sidecar.wire.errors import BadMessage
from sidecar.wire.fieldnames import HOP_BY_HOP, REWRITTEN
from sidecar.wire.fieldscan import new_scan, scan_fields
from sidecar.wire.hop import CLOSE, UPGRADE
from sidecar.wire.message import RequestHead


def test_the_block_is_what_lies_between_the_cut_lines() -> None:
    data = b"startA: 1\r\nTE: x\r\nConnection: close, upgrade, z\r\nB: 2\r\nVia: y\r\n\r\nbody"
    head = RequestHead()
    scan = new_scan(head, "bad_request", "headers_too_large", 10)
    end = scan_fields(scan, data, 5, len(data))
    assert data[end:] == b"body"
    assert scan.block(data, end - 2) == b"A: 1\r\nB: 2\r\n"
    assert (scan.flags, scan.named, head.via) == (CLOSE | UPGRADE, {b"z"}, b"y")


def test_nothing_is_read_at_or_beyond_the_limit() -> None:
    data = b"A: 1\r\n\r\n"
    for limit in range(len(data)):
        assert scan_fields(new_scan(None, "c", "t", 9), data, 0, limit) == -1
    assert scan_fields(new_scan(None, "c", "t", 9), data, 0, len(data)) == len(data)


def test_names_that_only_share_a_slot_or_a_length_are_ordinary() -> None:
    lines = b"Hosu: 1\r\nTest: 2\r\nvib: 3\r\nConnectiom: 4\r\nContent_Length: 5\r\ncontent-lengtH2: 6\r\n"
    scan = new_scan(None, "c", "t", 9)
    assert scan_fields(scan, lines + b"\r\n", 0, len(lines) + 2) == len(lines) + 2
    assert (scan.block(lines, len(lines)), scan.content_length, scan.host) == (lines, -1, None)


def test_a_twin_of_a_length_goes_from_a_request_and_is_no_length() -> None:
    data = b"Content_Length: 0\r\nContent-Length: 3\r\ncontent_length: +7\r\nContent_Lengtj: 1\r\n\r\n"
    scan = new_scan(RequestHead(), "c", "t", 9)
    assert scan_fields(scan, data, 0, len(data)) == len(data)
    assert scan.block(data, len(data) - 2) == b"Content-Length: 3\r\nContent_Lengtj: 1\r\n"
    assert scan.content_length == 3


@pytest.mark.parametrize("name", sorted(name for name in HOP_BY_HOP | REWRITTEN if b"-" in name))
def test_what_is_cut_from_a_request_is_cut_however_it_is_spelled_and_a_twin_is_not_believed(name: bytes) -> None:
    twins = (name.replace(b"-", b"_"), name.replace(b"-", b"_").upper(), name.replace(b"-", b"_", 1))
    others = name[:-1].replace(b"-", b"_") + b": a\r\n" + name.replace(b"-", b".") + b": b\r\n"
    data = b"".join(twin + b": forged\r\n" for twin in twins) + others + b"\r\n"
    head = RequestHead()
    scan = new_scan(head, "c", "t", 9)
    assert scan_fields(scan, data, 0, len(data)) == len(data)
    assert scan.block(data, len(data) - 2) == others
    known = (head.forwarded_for, head.forwarded_host, head.forwarded_proto, head.request_id, head.timeout_ms)
    assert (*known, head.trace_fields, scan.coding) == (None, None, None, None, None, b"", 0)


def test_faults_carry_the_codes_of_the_side_they_came_from() -> None:
    with pytest.raises(BadMessage) as caught:
        scan_fields(new_scan(None, "c", "t", 9), b"A: \x00\r\n\r\n", 0, 8)
    assert caught.value.code == "c"
    with pytest.raises(BadMessage) as caught:
        scan_fields(new_scan(None, "c", "t", 1), b"A: 1\r\nB: 2\r\n\r\n", 0, 14)
    assert caught.value.code == "t"
