"""CPU time and memory of a process and all its descendants, read from /proc (Linux only).

CPU time is user + system of every living process of the tree. The kernel counts both in clock ticks (10 ms), so an
interval of one second is known to about 1 %. A child that ended before the reading is not counted: no peer here forks
workers that come and go.
"""

import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    """Everything of /proc/PID/stat behind the command name, which may itself hold blanks and parentheses."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants that are alive now; empty when `pid` itself is gone."""
    children: dict[int, list[int]] = {}
    alive: set[int] = set()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int(_fields(int(entry.name))[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        alive.add(int(entry.name))
        children.setdefault(parent, []).append(int(entry.name))
    if pid not in alive:
        return []
    found = [pid]
    for member in found:
        found.extend(children.get(member, ()))
    return found


def group(leader: int) -> list[int]:
    """The processes of a process group that still run; one that ended and waits to be reaped (a zombie) does not."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                state, _, group_id = _fields(int(entry.name))[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if group_id == str(leader) and state not in "ZX":
                found.append(int(entry.name))
    return found


def cpu_seconds(pid: int) -> float:
    """User plus system time used so far by the tree under `pid`, in seconds."""
    ticks = 0
    for member in tree(pid):
        try:
            fields = _fields(member)
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """Resident memory of the tree under `pid`; pages shared by its members are counted once for each."""
    total = 0
    for member in tree(pid):
        try:
            status = (_PROC / str(member) / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total
