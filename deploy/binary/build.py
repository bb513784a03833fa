"""Makes the one-file executable: `build.py BUILD_FOLDER TARGET`, by an interpreter that has PyInstaller; `make binary`.

Owns the steps and the sentences for machines that cannot; what goes into the file is sidecar.spec's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_GLIBC = re.compile(rb"GLIBC_2\.(\d+)\b")


def main(build: Path, target: Path) -> None:
    """All steps."""
    _require()
    _copy_sources(build / "sources")
    _compile(build / "compiled")
    _freeze(build, target)
    names = sum(1 for _ in (build / "compiled").rglob("*.so"))
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB, {names} hot modules compiled, needs glibc {glibc(target)}")


def _require() -> None:
    from PyInstaller.depend.bindepend import get_python_library_path  # type: ignore[import-untyped]

    if sys.platform != "linux":
        sys.exit("the executable is made for Linux, on Linux")
    if shutil.which("strip") is None:
        sys.exit("binutils are needed, for `strip` (Debian: apt-get install binutils)")
    try:
        get_python_library_path()
    except Exception:  # noqa: BLE001 - its own classes have changed names between versions
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            f"the Python of {sys.base_prefix} has no shared libpython{version}, which goes into the executable.\n"
            f"Debian: apt-get install libpython{version}\n"
            f"pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {version}\n"
            "another interpreter: make clean; make binary PYTHON=/usr/bin/python3"
        )


def _copy_sources(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "sidecar", folder / "sidecar", ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))


def _compile(folder: Path) -> None:
    """What is compiled in place already, and is fresh, is not compiled again."""
    for path in (ROOT / "sidecar").glob("*/*.so"):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists() or copy.stat().st_mtime < path.stat().st_mtime:
            shutil.copy2(path, copy)
    jobs = str(os.cpu_count() or 1)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(folder), "--parallel", jobs]
    _run(command, {})
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    for path in folder.rglob("*.so"):  # of a module that is gone, or for another interpreter
        source = ROOT / path.relative_to(folder).with_name(path.name.split(".")[0] + ".py")
        if not path.name.endswith(suffix) or not source.with_suffix(".pxd").exists():
            path.unlink()
    hot = len(list((ROOT / "sidecar").glob("*/*.pxd")))
    if len(list(folder.rglob("*.so"))) != hot:
        sys.exit(f"the {hot} hot modules could not be compiled: a C compiler and Python's headers are needed")


def _freeze(build: Path, target: Path) -> None:
    where = ["--distpath", str(target.parent), "--workpath", str(build / "work")]
    spec = Path(__file__).with_name("sidecar.spec")
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *where, str(spec)]
    _run(command, {"PYINSTALLER_CONFIG_DIR": str(build / "cache")})


def _run(command: Sequence[str], also: Mapping[str, str]) -> None:
    ran = subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, **also})  # noqa: S603 - ours
    if ran.returncode:
        sys.exit(ran.returncode)  # it has said why


def glibc(target: Path) -> str:
    """The oldest glibc that has what the files in the executable ask for."""
    from PyInstaller.archive.readers import CArchiveReader  # type: ignore[import-untyped]

    archive = CArchiveReader(str(target))
    minors = {0}
    for name in archive.toc:
        if ".so" in name:
            minors.update(int(minor) for minor in _GLIBC.findall(archive.extract(name)))
    return f"2.{max(minors)}"


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
