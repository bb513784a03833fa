"""The hash of a key on which all workers of an instance agree.

Python's own is the fastest, and all agree on it who were started with the same PYTHONHASHSEED. A frozen program hears
no such variable: PyInstaller fixes the seed when it builds, for everybody to read, or draws one for each process. So
there the seed is the key of a digest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from hashlib import blake2b

_SEED = "PYTHONHASHSEED"


def key_hash() -> Callable[[str], int]:
    """The hash for this process: the same as in all that have its PYTHONHASHSEED."""
    return keyed_hash(os.environ[_SEED].encode()) if getattr(sys, "frozen", False) else hash


def keyed_hash(secret: bytes) -> Callable[[str], int]:
    """A hash that nobody can foresee without `secret`, of 64 bits."""

    def code(key: str) -> int:
        text = key.encode("utf-8", "surrogateescape")
        return int.from_bytes(blake2b(text, digest_size=8, key=secret).digest(), "big")

    return code
