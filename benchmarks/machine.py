"""The machine the figures come from: which CPU does what, how many files may be open, what to write beside a result."""

import contextlib
import os
import platform
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: child interpreters start here, so that `-m sidecar` and `-m benchmarks.…` mean these sources."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which CPU the proxies run on and which the rest (backend and load generator); None leaves it to the kernel."""

    proxy: int | None
    rest: int | None

    def describe(self) -> str:
        """One phrase for the report."""
        if self.proxy is None:
            return "not pinned (only one CPU)"
        return f"proxy on CPU {self.proxy}, backend and load generator on CPU {self.rest}"


def placement() -> Placement:
    """The first two CPUs we may use; no pinning at all on a single one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Placement(None, None)
    return Placement(usable[0], usable[1])


@contextlib.contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Bind this process to `cpu` for the block; what is started inside stays there. None binds nothing."""
    before = os.sched_getaffinity(0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_open_files(wanted: int = 20_000) -> int:
    """Lift the soft limit of open files towards `wanted`, as far as the hard one allows; returns what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
        soft = ceiling
    return soft


def first_line(command: list[str]) -> str:
    """The first non-empty line a command prints (stdout before stderr), or `unknown` when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if done.returncode:
        return "unknown"
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return lines[0] if lines else "unknown"


def commit() -> str:
    """The short commit of the checkout, with a `+` when the working tree differs from it."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT, timeout=10
        )
        dirty = subprocess.run(
            ["git", "status", "--porcelain"], capture_output=True, text=True, check=True, cwd=ROOT, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def describe() -> dict[str, str]:
    """Processor, CPU count, memory, kernel and interpreter."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": f"{platform.machine()}, {model}",
        "cpus": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_kib / 1048576:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
