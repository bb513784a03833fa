"""The PROXY header: read byte by byte, refused as soon as it cannot be one, written as others read it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.proxy_protocol import Header, MalformedHeaderError, Version, crc32c, read, write

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
FOUR = bytes([203, 0, 113, 9, 10, 0, 0, 2]) + (51000).to_bytes(2, "big") + (443).to_bytes(2, "big")
SIX = ipaddress.ip_address("2001:db8::9").packed + ipaddress.ip_address("fd00::2").packed + FOUR[8:]
CLIENT_4 = ("203.0.113.9", 51000, "10.0.0.2", 443)
CLIENT_6 = ("2001:db8::9", 51000, "fd00::2", 443)
NOBODY = ("", 0, "", 0)


def binary(command: int, family: int, block: bytes, size: int | None = None) -> bytes:
    return SIGNATURE + bytes([command, family]) + (len(block) if size is None else size).to_bytes(2, "big") + block


def field(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def with_checksum(block: bytes) -> bytes:
    blank = binary(0x21, 0x11, block + field(3, bytes(4)))
    return blank[:-4] + crc32c(blank).to_bytes(4, "big")


GOOD: list[tuple[bytes, tuple[Any, ...]]] = [
    (b"PROXY TCP4 203.0.113.9 10.0.0.2 51000 443\r\n", CLIENT_4),
    (b"PROXY TCP6 2001:DB8::9 fd00::2 51000 443\r\n", CLIENT_6),
    (b"PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0009 fd00::2 51000 443\r\n", CLIENT_6),
    (b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:10.0.0.2 51000 443\r\n", CLIENT_4),
    (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", ("0.0.0.0", 0, "255.255.255.255", 65535)),
    (b"PROXY UNKNOWN\r\n", NOBODY),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", NOBODY),
    (binary(0x21, 0x11, FOUR), CLIENT_4),
    (binary(0x21, 0x21, SIX), CLIENT_6),
    (binary(0x21, 0x11, FOUR + field(4, b"padding") + field(2, b"example.com") + field(5, bytes(128))), CLIENT_4),
    (binary(0x21, 0x11, FOUR + field(0xEA, b"")), CLIENT_4),
    (with_checksum(FOUR + field(0x20, b"\x01\0\0\0\0")), CLIENT_4),
    (binary(0x21, 0x12, FOUR), NOBODY),  # over UDP: no connection has come from there
    (binary(0x21, 0x31, bytes(216)), NOBODY),  # from a unix socket
    (binary(0x21, 0x00, b"whatever"), NOBODY),
    (binary(0x20, 0x00, b""), NOBODY),
    (binary(0x20, 0x11, FOUR), NOBODY),
    (binary(0x20, 0x11, b"short, and not looked at"), NOBODY),
]

BAD: list[tuple[bytes, str]] = [
    (b"GET / HTTP/1.1\r\n", "does not begin with"),
    (b"\x16\x03\x01\x02", "does not begin with"),
    (b"P0", "does not begin with"),
    (b"proxy TCP4 ", "does not begin with"),
    (b"\r\n\r\n\x00\r\nQUIT\r", "does not begin with"),
    (b"PROXY \r\n", "the line of its PROXY header is not"),
    (b"PROXY TCP4\r\n", "the line of its PROXY header is not"),
    (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "the line of its PROXY header is not"),
    (b"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", "the line of its PROXY header is not"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "the line of its PROXY header is not"),
    (b"PROXY UNKNOWNS\r\n", "the line of its PROXY header is not"),
    (b"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", "'1.2.3' for an IPv4 address"),
    (b"PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n", "'01.2.3.4' for an IPv4 address"),
    (b"PROXY TCP4 ::1 ::1 1 1\r\n", "'::1' for an IPv4 address"),
    (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", "'1.2.3.4' for an IPv6 address"),
    (b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", "'fe80::1%eth0' for an IPv6 address"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "'65536' for a port"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 080\r\n", "'080' for a port"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", "'-1' for a port"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n" + b"x" * 80, "does not end within 107 bytes"),
    (b"PROXY UNKNOWN " + b"x" * 93, "does not end within 107 bytes"),
    (binary(0x11, 0x11, FOUR), "version and command 0x11"),
    (binary(0x22, 0x11, FOUR), "version and command 0x22"),
    (binary(0x21, 0x41, FOUR), "address family 0x41"),
    (binary(0x21, 0x13, FOUR), "address family 0x13"),
    (binary(0x21, 0x11, FOUR[:-1]), "too short for the addresses"),
    (binary(0x21, 0x21, FOUR), "too short for the addresses"),
    (binary(0x21, 0x31, bytes(215)), "too short for the addresses"),
    (binary(0x21, 0x11, b"", 65535), "is 65551 bytes long; at most 16384"),
    (binary(0x21, 0x11, FOUR + b"\x04\x00"), "is cut off"),
    (binary(0x21, 0x11, FOUR + field(4, b"four")[:-1]), "is cut off"),
    (binary(0x21, 0x11, FOUR + field(5, bytes(129))), "unique id in its PROXY header is longer than 128"),
    (binary(0x21, 0x11, FOUR + field(3, bytes(4))), "the checksum of its PROXY header is wrong"),
    (binary(0x21, 0x11, FOUR + field(3, bytes(3))), "the checksum of its PROXY header is wrong"),
]


@pytest.mark.parametrize(("data", "said"), GOOD)
def test_a_header_is_read_at_whatever_byte_it_is_cut(data: bytes, said: tuple[Any, ...]) -> None:
    expected = Header(len(data), *said)
    for cut in range(len(data)):
        assert read(data[:cut]) is None
    assert read(data) == expected
    assert read(data + b"\r\nPROXY what follows") == expected


@pytest.mark.parametrize(("data", "why"), BAD)
def test_what_is_no_header_is_refused_with_a_sentence(data: bytes, why: str) -> None:
    with pytest.raises(MalformedHeaderError, match=why):
        read(data)


@pytest.mark.parametrize(("data", "why"), BAD)
def test_what_was_refused_cannot_be_mended_by_what_follows(data: bytes, why: str) -> None:
    """And nothing that is read before says otherwise: it waits, or refuses for good."""
    for cut in range(len(data)):
        try:
            assert read(data[:cut]) is None
        except MalformedHeaderError:
            with pytest.raises(MalformedHeaderError):
                read(data)


def test_a_line_of_107_bytes_is_the_longest_there_may_be() -> None:
    filler = b"PROXY UNKNOWN " + b"x" * (107 - 16)
    assert read(filler + b"\r\n") == Header(107)
    with pytest.raises(MalformedHeaderError):
        read(filler + b"x\r\n")


@given(st.binary(max_size=64))
def test_whatever_comes_is_read_refused_or_waited_for(data: bytes) -> None:
    for prefix in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x20"):
        try:
            header = read(prefix + data)
        except MalformedHeaderError:
            continue
        assert header is None or header.size <= len(prefix + data)


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PORTS = st.integers(0, 65535)


def canonical(text: str) -> str:
    mapped = getattr(ipaddress.ip_address(text), "ipv4_mapped", None)
    return str(mapped or ipaddress.ip_address(text))


@given(st.sampled_from(["v1", "v2"]), ADDRESSES, PORTS, ADDRESSES, PORTS)
def test_what_is_written_is_read_back(version: Version, of: str, of_port: int, to: str, to_port: int) -> None:
    data = write(version, (of, of_port), (to, to_port))
    assert read(data) == Header(len(data), canonical(of), of_port, canonical(to), to_port)


def test_both_versions_are_written_as_the_specification_has_them() -> None:
    of, to = CLIENT_4[:2], CLIENT_4[2:]
    assert write("v1", of, to) == b"PROXY TCP4 203.0.113.9 10.0.0.2 51000 443\r\n"
    assert write("v2", of, to) == binary(0x21, 0x11, FOUR)
    assert write("v2", CLIENT_6[:2], CLIENT_6[2:]) == binary(0x21, 0x21, SIX)


def test_of_mixed_families_the_ipv4_one_is_mapped() -> None:
    line = write("v1", CLIENT_4[:2], CLIENT_6[2:])
    words = line.split()
    assert words[1] == b"TCP6"
    assert ipaddress.ip_address(words[2].decode()) == ipaddress.ip_address("::ffff:203.0.113.9")
    assert words[3] == b"fd00::2"


@pytest.mark.parametrize("ends", [(None, ("10.0.0.2", 1)), (("10.0.0.2", 1), None), (("", 0), ("10.0.0.2", 1))])
def test_without_both_addresses_it_says_that_the_connection_is_nobodys(ends: Any) -> None:
    assert write("v1", *ends) == b"PROXY UNKNOWN\r\n"
    assert write("v2", *ends) == binary(0x20, 0x00, b"")


def test_a_zone_is_of_this_machine_only_and_left_out() -> None:
    assert write("v1", ("fe80::1%eth0", 1), ("fe80::2%3", 2)) == b"PROXY TCP6 fe80::1 fe80::2 1 2\r\n"


def test_the_checksum_is_the_one_of_the_specification() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, and every catalogue of checksums
