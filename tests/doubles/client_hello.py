"""A TLS client that only ever says hello, byte by byte: what no library would offer any more can be offered here.

`offer(port, …)` sends one ClientHello (RFC 5246 section 7.4.1.2, RFC 8446 section 4.1.2) and reads what the server
makes of it: a `ServerHello`, with its certificates where they are told in clear (TLS 1.2), or a `Refusal`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.doubles.backend import LIMIT_SECONDS

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
ALERTS = {
    10: "unexpected_message",
    22: "record_overflow",
    40: "handshake_failure",
    47: "illegal_parameter",
    50: "decode_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}
FALLBACK = 0x5600  # TLS_FALLBACK_SCSV, RFC 7507
RENEGOTIATION_INFO = 0xFF01  # RFC 5746
HEARTBEAT = 15  # RFC 6520
# Every number of a suite of TLS 1.2 and before that was ever given lies here; 0x00ff is the one of RFC 5746.
CIPHERS = (*range(0x0100), *range(0xC000, 0xC100), *range(0xCC00, 0xCD00))
TLS13_CIPHERS = tuple(range(0x1301, 0x1320))
STRONG_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)  # x25519, secp256r1, secp384r1, secp521r1
SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_NAME, _GROUPS, _POINTS, _SIGNATURES, _VERSIONS, _KEYS = 0, 10, 11, 13, 43, 51


@dataclass(frozen=True)
class ServerHello:
    """What a server has chosen. `version` is the one that is spoken; `certificates` are in DER, as they were sent."""

    version: int
    cipher: int
    compression: int
    extensions: Mapping[int, bytes]
    certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """How a server has refused: the name of its fatal alert, or nothing when it hung up. `data` is all it has sent."""

    alert: str
    data: bytes = b""


def _sized(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def client_hello(
    version: int = TLS12,
    *,
    ciphers: Sequence[int] = CIPHERS,
    name: str = "",
    groups: Sequence[int] = STRONG_GROUPS,
    signatures: Sequence[int] = SIGNATURES,
    compressions: bytes = b"\0",
    extensions: Mapping[int, bytes] | None = None,
) -> bytes:
    """The bytes of the handshake message."""
    told: dict[int, bytes] = {_GROUPS: _sized(2, _numbers(groups)), _POINTS: b"\x01\x00"}
    if name:
        told[_NAME] = _sized(2, b"\0" + _sized(2, name.encode()))
    if version >= TLS12:
        told[_SIGNATURES] = _sized(2, _numbers(signatures))
    if version >= TLS13:  # without a key of ours the server has to ask for one, which says what it chose
        told |= {_VERSIONS: _sized(1, _numbers([version])), _KEYS: _sized(2, b"")}
    told |= extensions or {}
    fields = b"".join(number.to_bytes(2, "big") + _sized(2, value) for number, value in told.items())
    body = min(version, TLS12).to_bytes(2, "big") + bytes(range(32)) + _sized(1, b"")
    body += _sized(2, _numbers(ciphers)) + _sized(1, compressions)
    if version > SSL3:
        body += _sized(2, fields)
    return b"\x01" + _sized(3, body)


def records(message: bytes, version: int = TLS10, size: int = 2**14) -> bytes:
    """A handshake message as plaintext records of so many bytes."""
    head = b"\x16" + version.to_bytes(2, "big")
    return b"".join(head + _sized(2, message[at : at + size]) for at in range(0, len(message), size))


def _server_hello(body: bytes) -> ServerHello:
    version, random = int.from_bytes(body[:2], "big"), body[2:34]
    at = 35 + body[34]
    cipher, compression = int.from_bytes(body[at : at + 2], "big"), body[at + 2]
    extensions: dict[int, bytes] = {}
    at += 5
    while at < len(body):
        number, length = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        extensions[number] = body[at + 4 : at + 4 + length]
        at += 4 + length
    version = int.from_bytes(extensions.get(_VERSIONS, version.to_bytes(2, "big")), "big")
    assert version < TLS13 or random == _RETRY, "a key was chosen that nobody has sent"
    return ServerHello(version, cipher, compression, extensions)


def _certificates(body: bytes) -> tuple[bytes, ...]:
    found, at = [], 3
    while at < len(body):
        length = int.from_bytes(body[at : at + 3], "big")
        found.append(body[at + 3 : at + 3 + length])
        at += 3 + length
    return tuple(found)


async def said(port: int, data: bytes) -> ServerHello | Refusal:
    """Sends these bytes and reads what comes back, up to the end of the server's flight or of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            with suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
            return await _read(reader)
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> ServerHello | Refusal:
    seen, messages = b"", b""
    hello: ServerHello | None = None
    while True:
        try:
            seen += (head := await reader.readexactly(5))
            seen += (content := await reader.readexactly(int.from_bytes(head[3:], "big")))
        except asyncio.IncompleteReadError as cut:
            return Refusal("", seen + cut.partial)
        except ConnectionError:
            return Refusal("", seen)
        if head[0] == 21 and content[0] == 2:
            return Refusal(ALERTS.get(content[1], str(content[1])), seen)
        if head[0] != 22:
            continue
        messages += content
        while len(messages) >= 4 and len(messages) >= 4 + (length := int.from_bytes(messages[1:4], "big")):
            kind, body, messages = messages[0], messages[4 : 4 + length], messages[4 + length :]
            if kind == 2:
                hello = _server_hello(body)
                if hello.version >= TLS13:
                    return hello
            elif kind == 11 and hello is not None:
                hello = ServerHello(
                    hello.version, hello.cipher, hello.compression, hello.extensions, _certificates(body)
                )
            elif kind == 14 and hello is not None:
                return hello


async def offer(
    port: int,
    version: int = TLS12,
    *,
    ciphers: Sequence[int] = CIPHERS,
    name: str = "",
    groups: Sequence[int] = STRONG_GROUPS,
    signatures: Sequence[int] = SIGNATURES,
    compressions: bytes = b"\0",
    extensions: Mapping[int, bytes] | None = None,
    size: int = 2**14,
) -> ServerHello | Refusal:
    """One hello in records of `size` bytes, and the answer."""
    message = client_hello(
        version,
        ciphers=ciphers,
        name=name,
        groups=groups,
        signatures=signatures,
        compressions=compressions,
        extensions=extensions,
    )
    return await said(port, records(message, min(version, TLS10), size))


async def accepted(port: int, version: int = TLS12, offered: Sequence[int] = CIPHERS) -> set[int]:
    """Every cipher suite out of `offered` that the server would speak: what it chooses is taken away until it
    refuses the rest."""
    left = list(offered)
    found: set[int] = set()
    while isinstance(answer := await offer(port, version, ciphers=left), ServerHello):
        found.add(answer.cipher)
        left.remove(answer.cipher)
    return found
