"""What takes the room in the image: megabytes as unpacked and as gzip packs them, by part, as a Markdown table.

usage, without a shell inside: docker run --rm -i --entrypoint python3 sidecar:latest - <deploy/image/sizes.py
"""

from __future__ import annotations

import os
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

# The first that the path begins with, below the packages of /opt/sidecar too.
PARTS = {
    "usr/bin/": "Python itself",
    "usr/lib/python": "its standard library",
    "usr/lib": "Debian's shared libraries (OpenSSL and libc above all)",
    "sidecar/": "Sidecar, its hot modules compiled",
    "cryptography/": "cryptography (brings an OpenSSL of its own)",
    "opentelemetry/": "export of traces: opentelemetry, protobuf, requests",
    "google/": "export of traces: opentelemetry, protobuf, requests",
    "requests/": "export of traces: opentelemetry, protobuf, requests",
    "urllib3/": "export of traces: opentelemetry, protobuf, requests",
    "charset_normalizer/": "export of traces: opentelemetry, protobuf, requests",
    "aiohttp/": "aiohttp and what it needs",
    "yarl/": "aiohttp and what it needs",
    "multidict/": "aiohttp and what it needs",
    "frozenlist/": "aiohttp and what it needs",
    "propcache/": "aiohttp and what it needs",
    "rich/": "rich",
    "uvloop/": "uvloop",
    "watchfiles/": "watchfiles and anyio",
    "anyio/": "watchfiles and anyio",
}
REST = "the rest"
_OUTSIDE = ("proc", "sys", "dev", "run")


def files(root: Path) -> Iterator[Path]:
    """Each file of the image, and nothing that the runtime mounts."""
    for folder, names, leaves in os.walk(root):
        if Path(folder) == root:
            names[:] = [name for name in names if name not in _OUTSIDE]
        names.sort()
        yield from (path for leaf in sorted(leaves) if not (path := Path(folder, leaf)).is_symlink())


def part(path: str) -> str:
    """What a file belongs to; `path` is below the root."""
    own = path.partition("/site-packages/")[2] or path
    return next((name for start, name in PARTS.items() if own.startswith(start)), REST)


def table(root: Path) -> str:
    """The parts, the largest first, and their sum."""
    plain: defaultdict[str, int] = defaultdict(int)
    packed: defaultdict[str, int] = defaultdict(int)
    compiled = 0
    for path in files(root):
        data = path.read_bytes()
        name = part(str(path.relative_to(root)))
        plain[name] += len(data)
        packed[name] += len(zlib.compress(data, 6))
        compiled += len(data) if path.suffix == ".pyc" else 0
    lines = ["| part | MB | packed |", "|---|---|---|"]
    lines += [_row(name, plain[name], packed[name]) for name in sorted(plain, key=lambda name: -plain[name])]
    lines += [_row("**all**", sum(plain.values()), sum(packed.values()))]
    return "\n".join([*lines, "", f"Modules as bytecode, in all of them: {compiled / 1e6:.1f} MB."])


def _row(name: str, plain: int, packed: int) -> str:
    return f"| {name} | {plain / 1e6:.1f} | {packed / 1e6:.1f} |"


if __name__ == "__main__":
    print(table(Path(*sys.argv[1:2] or "/")))
