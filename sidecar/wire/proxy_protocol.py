"""The PROXY protocol's header, version 1 (a line) and 2 (binary): who really is at the other end of a connection.

Owns its bytes, read strictly and written; after haproxy's doc/proxy-protocol.txt, whose sections comments name. May not
know who is believed, nor what becomes of the address.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, NamedTuple

Version = Literal["v1", "v2"]

_V1 = b"PROXY "
# Section 2.1: with the longest addresses and ports, its line end included.
_V1_MAX = 107
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED = 16
# A real one has addresses and some hundred bytes of TLVs (a client's certificate at most); the field could say 64 KiB.
_V2_MAX = 16384
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
# Addresses of a family, in bytes: unspecified, IPv4, IPv6, unix.
_ADDRESS_BYTES = (0, 12, 36, 216)
_CRC32C, _UNIQUE_ID = 0x03, 0x05
_MAX_UNIQUE_ID = 128


class MalformedHeaderError(ValueError):
    """What came is no PROXY header, or a broken one. The text is a sentence for the operator."""


class Header(NamedTuple):
    """One header. `size`: bytes it took. Without a `source` it names nobody: the connection's own addresses hold."""

    size: int
    source: str = ""
    source_port: int = 0
    destination: str = ""
    destination_port: int = 0


def read(data: bytes) -> Header | None:
    """The header at the beginning of `data`; None when more bytes are needed, which it says as soon as it can.

    Addresses are canonical, IPv4-mapped ones as IPv4. A connection of the proxy's own (LOCAL, UNKNOWN) and one that is
    neither TCP over IPv4 nor over IPv6 name nobody.

    :raises MalformedHeaderError: no further byte could make a header of it.
    """
    if data.startswith(_V1):
        return _read_line(data)
    if data.startswith(_V2):
        return _read_binary(data)
    if _V1.startswith(data) or _V2.startswith(data):
        return None
    raise MalformedHeaderError("it does not begin with a PROXY header")


def write(version: Version, source: tuple[str, int] | None, destination: tuple[str, int] | None) -> bytes:
    """The header for a connection from `source` to `destination`, each an address (a zone is left out) and a port.

    Where either is None or no IP address, and for a connection of our own, it says so: UNKNOWN, or LOCAL. Of mixed
    families the IPv4 one is mapped into IPv6, as both are told in one.
    """
    ends = None if source is None or destination is None else _same_family(source[0], destination[0])
    if ends is None or source is None or destination is None:
        return b"PROXY UNKNOWN\r\n" if version == "v1" else _V2 + b"\x20\x00\x00\x00"
    of, to = ends
    if version == "v1":
        return b"PROXY TCP%d %s %s %d %d\r\n" % (
            of.version, str(of).encode(), str(to).encode(), source[1], destination[1],
        )  # fmt: skip
    family = b"\x21\x11\x00\x0c" if of.version == 4 else b"\x21\x21\x00\x24"
    ports = source[1].to_bytes(2, "big") + destination[1].to_bytes(2, "big")
    return _V2 + family + of.packed + to.packed + ports


# Version 1.


def _read_line(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, _V1_MAX)
    if end < 0:
        if len(data) >= _V1_MAX:
            raise MalformedHeaderError(f"the line of its PROXY header does not end within {_V1_MAX} bytes")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Header(end + 2)  # section 2.1: whatever else the line says is to be ignored
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise MalformedHeaderError(
            "the line of its PROXY header is not `TCP4` or `TCP6`, two addresses and two ports, or `UNKNOWN`"
        )
    kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
    source, destination = _written_address(words[2], kind), _written_address(words[3], kind)
    return Header(end + 2, source, _written_port(words[4]), destination, _written_port(words[5]))


def _written_address(word: bytes, kind: type[IPv4Address | IPv6Address]) -> str:
    text = word.decode("latin-1")
    try:
        if "%" in text:
            raise ValueError(text)
        return _canonical(kind(text))
    except ValueError:
        family = "IPv4" if kind is IPv4Address else "IPv6"
        raise MalformedHeaderError(f"its PROXY header has {text!r} for an {family} address") from None


def _written_port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (word[:1] == b"0" and word != b"0") or int(word) > 65535:
        raise MalformedHeaderError(f"its PROXY header has {word.decode('latin-1')!r} for a port")
    return int(word)


# Version 2.


def _read_binary(data: bytes) -> Header | None:
    if len(data) > 12 and data[12] not in (_LOCAL, _PROXY):
        raise MalformedHeaderError(f"its PROXY header has the version and command {data[12]:#04x}, which is none")
    if len(data) > 13 and (data[13] >> 4 > 3 or data[13] & 15 > 2):
        raise MalformedHeaderError(f"its PROXY header has the address family {data[13]:#04x}, which is none")
    if len(data) < _V2_FIXED:
        return None
    size = _V2_FIXED + int.from_bytes(data[14:16], "big")
    if size > _V2_MAX:
        raise MalformedHeaderError(f"its PROXY header is {size} bytes long; at most {_V2_MAX} are read")
    addresses = _V2_FIXED + _ADDRESS_BYTES[data[13] >> 4]
    local = data[12] == _LOCAL or data[13] >> 4 == 0 or data[13] & 15 == 0
    if not local and size < addresses:
        raise MalformedHeaderError("its PROXY header is too short for the addresses of its family")
    if len(data) < size:
        return None
    if local:
        return Header(size)  # section 2.2: its own addresses hold, and the block is skipped
    _check_fields(data[:size], addresses)
    if data[13] not in (_TCP4, _TCP6):
        return Header(size)
    wide = (addresses - _V2_FIXED - 4) // 2
    middle, ports = _V2_FIXED + wide, addresses - 4
    return Header(
        size,
        _canonical(ip_address(data[_V2_FIXED:middle])),
        int.from_bytes(data[ports : ports + 2], "big"),
        _canonical(ip_address(data[middle:ports])),
        int.from_bytes(data[ports + 2 : ports + 4], "big"),
    )


def _check_fields(header: bytes, at: int) -> None:
    """The TLVs after the addresses: each whole, a checksum right (section 2.2.3: the connection must be dropped)."""
    while at < len(header):
        begin = at + 3
        end = begin + int.from_bytes(header[at + 1 : begin], "big")
        if begin > len(header) or end > len(header):
            raise MalformedHeaderError("the last field of its PROXY header is cut off")
        kind = header[at]
        if kind == _UNIQUE_ID and end - begin > _MAX_UNIQUE_ID:
            raise MalformedHeaderError(f"the unique id in its PROXY header is longer than {_MAX_UNIQUE_ID} bytes")
        if kind == _CRC32C:
            blank = header[:begin] + bytes(4) + header[end:]
            if end - begin != 4 or crc32c(blank) != int.from_bytes(header[begin:end], "big"):
                raise MalformedHeaderError("the checksum of its PROXY header is wrong")
        at = end


def _crc_table() -> tuple[int, ...]:
    table: list[int] = []
    for value in range(256):
        rest = value
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
        table.append(rest)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3309's polynomial, which zlib has not."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest = rest >> 8 ^ _CRC_TABLE[(rest ^ byte) & 0xFF]
    return rest ^ 0xFFFFFFFF


# Addresses.


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _canonical(address: IPv4Address | IPv6Address) -> str:
    return str(_plain(address))


def _same_family(source: str, destination: str) -> tuple[IPv4Address | IPv6Address, ...] | None:
    try:
        ends = tuple(_plain(ip_address(one.partition("%")[0])) for one in (source, destination))
    except ValueError:
        return None
    if ends[0].version == ends[1].version:
        return ends
    return tuple(IPv6Address(f"::ffff:{one}") if one.version == 4 else one for one in ends)
