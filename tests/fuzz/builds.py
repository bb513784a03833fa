"""The two builds under attack, each a copy of the sources: the checkout never gets a compiled module from here.

`interpreted` is what Python runs, with Python's coverage. `compiled` are the hot modules that read bytes, with bounds
checks; with clang and atheris also with AddressSanitizer, UndefinedBehaviorSanitizer and coverage of the C code.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "fuzz"
SANITIZERS = "address,undefined,fuzzer-no-link"
# What reads bytes of strangers, and what it relies on.
MODULES = (
    "sidecar.wire,sidecar.runtime.paths,sidecar.runtime.matching,sidecar.runtime.request_key,sidecar.policies.contract"
)


@dataclass(frozen=True, slots=True)
class Build:
    """One build. `launcher` starts a worker with it; `sanitized`: whether the C code is watched and guides."""

    name: str
    launcher: Path
    sanitized: bool = False


def guidance() -> Path | None:
    """Where atheris is, which guides by coverage; None without it."""
    found = importlib.util.find_spec("atheris")
    return Path(found.origin).parent if found is not None and found.origin else None


def interpreted() -> Build:
    """The sources as they are."""
    tree = _copied("interpreted")
    return Build("interpreted", _launcher(tree, {"FUZZ_COMPILED": "0"}))


def compiled() -> Build | None:
    """The hot modules compiled; None where there is no compiler for them."""
    tree = _copied("compiled")
    atheris = guidance()
    runtime = atheris.parent / "asan_with_fuzzer.so" if atheris else None
    sanitized = runtime is not None and runtime.is_file() and shutil.which("clang") is not None
    settings = {"SIDECAR_COMPILE": MODULES, "SIDECAR_BOUNDS_CHECK": "1"}
    if sanitized:
        settings |= {"SIDECAR_SANITIZE": SANITIZERS, "CC": "clang", "LDSHARED": "clang -shared"}
    if not _is_compiled(tree, settings):
        return None
    environment = {"FUZZ_COMPILED": "1"}
    if sanitized:
        environment |= {
            "LD_PRELOAD": str(runtime),
            # Objects of Python's own allocator have no fences around them.
            "PYTHONMALLOC": "malloc",
            "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=32:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
    return Build("compiled", _launcher(tree, environment), sanitized)


def _copied(name: str) -> Path:
    tree = HOME / name
    tree.mkdir(parents=True, exist_ok=True)
    present = {path.relative_to(ROOT) for path in (ROOT / "sidecar").rglob("*") if path.suffix in (".py", ".pxd")}
    for path in [path for path in (tree / "sidecar").rglob("*") if path.suffix in (".py", ".pxd")]:
        if path.relative_to(tree) not in present:
            path.unlink()
    for path in present:
        text = (ROOT / path).read_bytes()
        target = tree / path
        if not target.is_file() or target.read_bytes() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)
    shutil.copyfile(ROOT / "setup.py", tree / "setup.py")
    return tree


def _is_compiled(tree: Path, settings: dict[str, str]) -> bool:
    stamp = tree / "stamp"
    said = sha256(repr((sorted(settings.items()), sys.version)).encode())
    for path in [tree / "setup.py", *_read_by_the_compiler(tree)]:
        said.update(path.read_bytes())
    made = list((tree / "sidecar").rglob("*.so"))
    if made and stamp.is_file() and stamp.read_text() == said.hexdigest():
        return True
    # Whole: setuptools would take what it has made before for what is asked for now.
    shutil.rmtree(tree / "build", ignore_errors=True)
    for path in made:
        path.unlink()
    print(f"compiling what reads bytes{' with sanitizers' if 'SIDECAR_SANITIZE' in settings else ''}", flush=True)
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace", f"-j{os.cpu_count() or 1}"],
        cwd=tree,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode or not list((tree / "sidecar").rglob("*.so")):
        print(done.stdout[-4000:])
        return False
    stamp.write_text(said.hexdigest())
    return True


def _read_by_the_compiler(tree: Path) -> list[Path]:
    names = [tree / name.replace(".", "/") for name in MODULES.split(",")]
    found = [
        path
        for name in names
        for path in ([name] if name.suffix else [*name.glob("*"), *name.parent.glob(f"{name.name}.p*")])
    ]
    return sorted(path for path in found if path.suffix in (".py", ".pxd") and path.is_file())


def _launcher(tree: Path, environment: dict[str, str]) -> Path:
    path = tree / "worker"
    settings = {"PYTHONPATH": f"{tree}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    said = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    path.write_text(
        f'#!/bin/sh\nexport FUZZ_LAUNCHER="$0"\ncd {shlex.quote(str(tree))} || exit\n'
        f'exec env {said} {shlex.quote(sys.executable)} -m tests.fuzz.worker "$@"\n'
    )
    path.chmod(0o755)
    return path
