"""The only file of the rules that opens a file: the rules themselves, and what `${file:…}` names."""

from __future__ import annotations

from pathlib import Path

from sidecar.rules.parse import MAX_BYTES

MAX_SECRET_BYTES = 64 << 10


def read_rules(path: str) -> str:
    """The text of a rules file. ValueError carries the sentence for the operator."""
    return _read(path, MAX_BYTES)


def read_secret(path: str) -> str:
    """What a file holds, without its last line break. ValueError carries the sentence for the operator.

    Nothing is refused: it would count as an absent key, and a verb would need no token because its file was empty.
    """
    text = _read(path, MAX_SECRET_BYTES).removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError("is empty")
    return text


def _read(path: str, limit: int) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > limit:
        raise ValueError(f"is larger than {limit} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}") from None
