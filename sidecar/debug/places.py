"""Where code is, in words short enough for a list: `sidecar/transport/pool.py:210 Pool.take`.

A path loses the directory that it was imported from. So nothing here tells where on a machine the program lies.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from types import CodeType

import sidecar

_HOME = str(Path(sidecar.__file__).resolve().parents[1])


@lru_cache(maxsize=4096)
def short(file: str) -> str:
    """The path of a source without the directory it was imported from."""
    best = ""
    for root in (_HOME, *sys.path):
        if len(root) > len(best) and file.startswith(root.rstrip("/") + "/"):
            best = root.rstrip("/")
    return file[len(best) + 1 :] if best else file


def place(code: CodeType, line: int | None) -> str:
    """One line of a stack."""
    return f"{short(code.co_filename)}:{line or code.co_firstlineno} {code.co_qualname}"


def function(code: CodeType) -> str:
    """A function whatever line of it runs, in the words of folded stacks: they may hold no `;`."""
    return f"{short(code.co_filename)}:{code.co_qualname}".replace(";", ",").replace("\n", " ")
