"""A root file system as a container runtime would run it: the program is process 1 of its own process and mount
namespace, not root, and sees nothing but that root. The network is the host's.

What runs in it cannot change the folder: it works on an overlay that vanishes with it. Needs root.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.doubles.kernel import children
from tests.doubles.process import ProxyProcess

NOBODY = 65532
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class Rootfs:
    """`folder`, to run programs in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @asynccontextmanager
    async def running(
        self,
        command: Sequence[str],
        *,
        ready: str | None = None,
        user: int = NOBODY,
        environment: Mapping[str, str] | None = None,
        binds: Mapping[Path, str] | None = None,
        read_only: bool = True,
        tmp: bool = True,
        inlet: int | None = None,
    ) -> AsyncIterator[ProxyProcess]:
        """A program that runs. `ready`: what it says on standard error when it is; `binds`: paths of the host, and
        where they are inside, read-only; `tmp`: whether /tmp is a tmpfs; `inlet`: its standard input."""
        with tempfile.TemporaryDirectory() as scratch:
            script = _script(self.folder, Path(scratch), command, user, environment or {}, binds or {}, read_only, tmp)
            unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script]
            process = await asyncio.create_subprocess_exec(
                *unshare,
                stdin=asyncio.subprocess.DEVNULL if inlet is None else inlet,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            started = Contained(process)
            try:
                if ready is not None:
                    await started.said(ready, seconds=60.0)
                yield started
            finally:
                started.kill()
                await started.ended()

    async def ran(
        self,
        command: Sequence[str],
        *,
        user: int = NOBODY,
        environment: Mapping[str, str] | None = None,
        binds: Mapping[Path, str] | None = None,
    ) -> tuple[int, str, str]:
        """Runs a program to its end: exit code, standard output and standard error."""
        async with self.running(command, user=user, environment=environment, binds=binds) as process:
            code = await process.ended()
            return code, "\n".join(process.out).rstrip(), "\n".join(process.lines).rstrip()


class Contained(ProxyProcess):
    """A process in a root file system. Signals go to the one that is process 1 there."""

    @property
    def inner(self) -> int:
        """Its id as the host sees it."""
        inside = children(self.pid)
        assert len(inside) == 1, "it has not started, or has ended"
        return inside[0]

    def kill(self) -> None:
        """Ends it, and so all of its namespace. `--kill-child` ends only who has not changed its user since."""
        with suppress(OSError, AssertionError):  # there is none yet, or not any more
            os.kill(self.inner, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self.process.kill()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, from outside of its namespace."""
        with suppress(ProcessLookupError):
            os.kill(self.inner, number)


def _script(
    root: Path,
    scratch: Path,
    command: Sequence[str],
    user: int,
    environment: Mapping[str, str],
    binds: Mapping[Path, str],
    read_only: bool,
    tmp: bool,
) -> str:
    """What the shell does in the new namespaces before it becomes the program."""
    inside = scratch / "inside"
    lines = [
        f"mount -t tmpfs tmpfs {scratch}",
        f"mkdir -p {scratch}/upper {scratch}/work {inside}",
        f"mount -t overlay -o lowerdir={root},upperdir={scratch}/upper,workdir={scratch}/work overlay {inside}",
        f"mkdir -p {inside}/proc {inside}/dev {inside}/tmp",
        f"mount -t tmpfs -o mode=755 tmpfs {inside}/dev",
        *(f": > {inside}/dev/{name}; mount --bind /dev/{name} {inside}/dev/{name}" for name in DEVICES),
        f"ln -s /proc/self/fd {inside}/dev/fd",
    ]
    for source, target in binds.items():
        where = shlex.quote(f"{inside}{target}")
        make = f"mkdir -p {where}" if source.is_dir() else f"mkdir -p $(dirname {where}); [ -e {where} ] || : > {where}"
        lines += [make, f"mount --bind {shlex.quote(str(source))} {where}", f"mount -o remount,bind,ro {where}"]
    if read_only:
        lines += [f"mount -o remount,ro {inside}"]
    lines += [f"mount -t proc -o nosuid,nodev,noexec proc {inside}/proc"]
    if tmp:
        lines += [f"mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs {inside}/tmp"]
    given = " ".join(shlex.quote(f"{key}={value}") for key, value in environment.items())
    words = " ".join(shlex.quote(word) for word in command)
    lines += [f"exec env -i {given} $(command -v chroot) --userspec={user}:{user} --groups= {inside} {words}"]
    return "\n".join(lines)
