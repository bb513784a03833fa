"""A real systemd, booted as process 1 of namespaces of its own: over this machine's files, which it sees as they are
and cannot change, on a network of its own where every port is free.

Sidecar is installed there as docs/systemd.md has it, in /opt/sidecar: a virtual environment of this very checkout.
Needs root and systemd. Its cgroup goes with it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import site
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.doubles.kernel import children
from tests.doubles.process import ROOT
from tests.doubles.rootfs import DEVICES

_SYSTEMD = Path("/lib/systemd/systemd")
_CGROUPS = Path("/sys/fs/cgroup")
_BOOT_SECONDS = 60.0
_BOOTED = "booted.target"
_TARGET = "[Unit]\nRequires=systemd-journald.service\nAfter=systemd-journald.service\nAllowIsolate=yes\n"
_SCRIPT = (
    "#!/opt/sidecar/bin/python3 -P\n"
    "import sys\nfrom sidecar.cli.main import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
)


class Booted:
    """The running system. `root` is its files, as this machine sees them."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")

    async def tried(self, *command: str) -> tuple[int, str]:
        """Runs a command in it, as root: its exit code and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--wd=/", "--", *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
        )
        try:
            async with asyncio.timeout(_BOOT_SECONDS):
                written, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, written.decode(errors="replace")

    async def ran(self, *command: str) -> str:
        """What a command wrote that has to succeed."""
        code, written = await self.tried(*command)
        assert code == 0, f"{shlex.join(command)} ended with {code}:\n{written}\n{await self.journal()}"
        return written

    async def journal(self, *more: str) -> str:
        """The lines of the journal."""
        return (await self.tried("journalctl", "--no-pager", "--output=cat", *more))[1]

    async def shows(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return (await self.ran("systemctl", "show", "--value", f"--property={name}", unit)).strip()

    async def becomes(self, unit: str, name: str, value: str) -> None:
        """Waits until a property of a unit has this value, or has it in it."""
        try:
            async with asyncio.timeout(_BOOT_SECONDS):
                while value not in await self.shows(unit, name):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{unit}: {name} is not {value}:\n{await self.journal()}") from None

    async def asked(self, url: str, *more: str) -> str:
        """The body of an answer with 200."""
        return await self.ran("curl", "-sS", "--fail", "--max-time", "30", *more, url)


@asynccontextmanager
async def booted(
    units: Mapping[str, str], files: Mapping[str, str], programs: Mapping[str, Path] | None = None
) -> AsyncIterator[Booted]:
    """Such a system, with these units of its own, none of which is started, these files and these programs."""
    if os.geteuid() != 0 or not _SYSTEMD.exists():
        pytest.skip("systemd is booted by root, where it is installed")
    cgroup = _own_cgroup()
    with tempfile.TemporaryDirectory() as scratch:
        given = Path(scratch, "given")
        for name, text in {**{f"etc/systemd/system/{unit}": text for unit, text in units.items()}, **files}.items():
            path = given / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, program in (programs or {}).items():
            copy = given / name.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(program, copy)
        script = given / "opt/sidecar/bin/sidecar"
        script.parent.mkdir(parents=True)
        script.write_text(_SCRIPT)
        script.chmod(0o755)
        (given / "etc/systemd/system" / _BOOTED).write_text(_TARGET)
        joining = f"echo $$ > {cgroup}/cgroup.procs; exec unshare --pid --fork --mount --cgroup --net --ipc --uts "
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", joining + '--kill-child sh -ec "$1"', "sh", _boot(Path(scratch, "made"), given)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            system = await _up(process)
            yield system
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)  # and so everything in its process namespace
            await process.wait()
            await _gone(cgroup)


def _own_cgroup() -> Path:
    unified = _CGROUPS if (_CGROUPS / "cgroup.procs").exists() else _CGROUPS / "unified"
    made = unified / f"sidecar-booted-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup of its own for systemd: {error}")
    return made


async def _gone(cgroup: Path) -> None:
    async with asyncio.timeout(_BOOT_SECONDS):
        while "populated 1" in (cgroup / "cgroup.events").read_text():
            await asyncio.sleep(0.01)
    for folder in sorted((path for path in cgroup.rglob("*") if path.is_dir()), reverse=True):
        folder.rmdir()
    cgroup.rmdir()


async def _up(process: asyncio.subprocess.Process) -> Booted:
    """Waits until it has booted."""
    assert process.stdout is not None
    async with asyncio.timeout(_BOOT_SECONDS):
        while True:
            if process.returncode is not None:
                pytest.skip(f"systemd cannot be booted here: {(await process.stdout.read()).decode()}")
            with suppress(OSError, IndexError, ValueError):
                pid = children(process.pid)[0]
                if Path(f"/proc/{pid}/exe").resolve() == _SYSTEMD.resolve():
                    system = Booted(pid)
                    if (await system.tried("systemctl", "is-active", _BOOTED))[0] == 0:
                        return system
            await asyncio.sleep(0.05)


def _boot(made: Path, given: Path) -> str:
    """What the shell does in the new namespaces before it becomes systemd."""
    root = made / "root"
    packages = next(folder for folder in site.getsitepackages() if folder.endswith("site-packages"))
    binds = {sys.base_prefix: "opt/python", str(ROOT / "sidecar"): "opt/code/sidecar", packages: "opt/packages"}
    python = f"/opt/python/bin/{Path(sys.executable).resolve().name}"
    lines = [
        "mount --make-rprivate /",
        f"mkdir -p {made}",
        f"mount -t tmpfs tmpfs {made}",
        f"mkdir -p {made}/upper {made}/work {root}",
        f"mount -t overlay -o lowerdir=/,upperdir={made}/upper,workdir={made}/work overlay {root}",
        # Nothing of this machine is started there, nor does anything set what belongs to its kernel.
        f"rm -rf {root}/etc/systemd/system {root}/usr/lib/systemd/system/*.wants {root}/lib/systemd/system/*.wants",
        f"rm -rf {root}/var/log/journal",
        f"cp -a {given}/. {root}/",
        f"chown -R 0:0 {root}/etc/systemd {root}/opt/sidecar",
    ]
    for source, target in binds.items():
        lines += [f"mkdir -p {root}/{target}", f"mount --bind -o ro {shlex.quote(source)} {root}/{target}"]
    lines += [
        f"mount -t proc proc {root}/proc",
        f"mount --bind -o ro {root}/proc/sys {root}/proc/sys",
        f"mount -t sysfs -o ro sysfs {root}/sys",
        f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
        f"mkdir {root}/dev/pts {root}/dev/shm",
        *(f": > {root}/dev/{name}; mount --bind /dev/{name} {root}/dev/{name}" for name in DEVICES),
        f"mount -t tmpfs -o mode=755 tmpfs {root}/run",
        f"mount -t devpts -o newinstance,ptmxmode=0666 devpts {root}/dev/pts; ln -s pts/ptmx {root}/dev/ptmx",
        f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
        f"{shutil.which('uuidgen') or 'cat /proc/sys/kernel/random/uuid'} | tr -d '-' > {root}/etc/machine-id",
        "ip link set lo up",
        f"cd {root}",
        "mkdir -p .old",
        "pivot_root . .old",
        "umount -l /.old",
        "mount --make-rshared /",  # as it is on a machine: credentials are mounted from outside
        # Where its library is this machine's, it is looked for in a home that the units do not see.
        "echo /opt/python/lib > /etc/ld.so.conf.d/000-python.conf; ldconfig",
        f"{python} -m venv --without-pip /opt/sidecar",
        "printf '/opt/code\\n/opt/packages\\n' > $(echo /opt/sidecar/lib/python3*/site-packages)/sidecar.pth",
        f"exec env -i container=other {_SYSTEMD} --system --unit={_BOOTED} --log-target=journal --show-status=0",
    ]
    return "\n".join(lines)
