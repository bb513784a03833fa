"""A client of TLS 1.3 that asks for new keys as often as it likes, which no library offers: its records by hand."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_REQUEST = bytes((24, 0, 0, 1, 1))  # KeyUpdate, update_requested (RFC 8446 section 4.6.3)
_HANDSHAKE = b"\x16"


def key_updates(key_log: Path, count: int) -> bytes:
    """So many KeyUpdates of a client that has said nothing yet; `key_log` is what its context has written
    (keylog_filename). The cipher must be TLS_AES_256_GCM_SHA384, which comes first."""
    line = next(line for line in key_log.read_text().splitlines() if line.startswith("CLIENT_TRAFFIC_SECRET_0"))
    secret = bytes.fromhex(line.split()[2])
    records = []
    for _ in range(count):
        # Each is the first record under its keys, so that the number in its nonce is 0.
        sealed = _REQUEST + _HANDSHAKE
        head = b"\x17\x03\x03" + (len(sealed) + 16).to_bytes(2, "big")
        records.append(head + AESGCM(_derived(secret, b"key", 32)).encrypt(_derived(secret, b"iv", 12), sealed, head))
        secret = _derived(secret, b"traffic upd", 48)
    return b"".join(records)


def _derived(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label without a context (RFC 8446 section 7.1)."""
    label = b"tls13 " + label
    return HKDFExpand(SHA384(), size, size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\0").derive(secret)
