"""The only file of the rules that opens a file: the rules themselves, what `${file:…}` names, certificates and keys."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from sidecar.rules.parse import MAX_BYTES

MAX_SECRET_BYTES = 64 << 10


class Files:
    """Reads files, and remembers what each held.

    `seen` has the fingerprint of every file that was asked for, those that could not be read included, by its path:
    absolute and as written, for a link that is followed here can lead elsewhere tomorrow. What is no regular file (a
    pipe of the shell) is left out, because it cannot be looked at twice.
    """

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def rules(self, path: str) -> str:
        """The text of a rules file. ValueError carries the sentence for the operator."""
        return self._read(path, MAX_BYTES)

    def secret(self, path: str) -> str:
        """What a file holds, without its last line break. ValueError carries the sentence for the operator.

        Nothing is refused: it would count as an absent key, and a verb would need no token because its file was empty.
        """
        text = self._read(path, MAX_SECRET_BYTES).removesuffix("\n").removesuffix("\r")
        if not text:
            raise ValueError("is empty")
        return text

    def credential(self, path: str) -> bytes:
        """What a file holds; what is in it is not looked at. ValueError carries the sentence for the operator.

        A pipe will not do: what is read here is read once more where it is used, and there would wait for ever.
        """
        if _is_special(path):
            raise ValueError("cannot be read: it is no regular file, and certificates and keys are read more than once")
        return self._bytes(path, MAX_BYTES)

    def _read(self, path: str, limit: int) -> str:
        content = self._bytes(path, limit)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}") from None

    def _bytes(self, path: str, limit: int) -> bytes:
        try:
            place = str(Path(path).absolute())
            if not _is_special(place):
                self.seen[place] = ""
            content = _content(path)
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if place in self.seen:
            self.seen[place] = _print_of(content)
        if len(content) > limit:
            raise ValueError(f"is larger than {limit} bytes")
        return content


def fingerprint(path: str) -> str:
    """Tells what a file holds now from what it held; empty while it is missing, unreadable or holds nothing."""
    try:
        return "" if _is_special(path) else _print_of(_content(path))
    except (OSError, ValueError):
        return ""


def _is_special(path: str) -> bool:
    """Whether opening it could wait for somebody, and reading it takes away what is read."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _content(path: str) -> bytes:
    """At most one byte more than anything may hold, so that two looks at the same file see the same."""
    with Path(path).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _print_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""
