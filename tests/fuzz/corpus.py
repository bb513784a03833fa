"""The inputs that are kept, one folder for each target: written by hand (`seed-`), found (`found-`), or picked.

`found-` are inputs that once broke a claim, and stay for good. What is picked is named by its digest, and is replaced
when a long run is kept (`--keep`).
"""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")
LONGEST = 4096
# Of what is picked for one target, so that all of them together stay below 400 KiB.
MOST_BYTES = 14 << 10
MOST_PICKED = 64
_STAYS = ("seed-", "found-")


def inputs(name: str) -> list[Path]:
    """The inputs of a target, in order."""
    folder = FOLDER / name
    return sorted(folder.iterdir()) if folder.is_dir() else []


def staying(name: str) -> list[Path]:
    """Those of them that no run replaces."""
    return [path for path in inputs(name) if path.name.startswith(_STAYS)]


def keep(name: str, candidates: list[bytes]) -> int:
    """Replaces what was picked by some of these, small and large, as far as there is room; how many these are."""
    for path in inputs(name):
        if not path.name.startswith(_STAYS):
            path.unlink()
    stay = {path.read_bytes() for path in staying(name)}
    room = MOST_BYTES
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    kept = 0
    fitting = sorted({data for data in candidates if len(data) <= LONGEST} - stay, key=lambda data: (len(data), data))
    # Each of them reaches what the others do not: there is no better choice than one in so many.
    for data in fitting[:: -(-len(fitting) // MOST_PICKED) or 1]:
        room -= len(data)
        if room < 0:
            break
        (folder / sha1(data, usedforsecurity=False).hexdigest()[:16]).write_bytes(data)
        kept += 1
    return kept
