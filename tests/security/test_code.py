"""What our own code must not do, and what has to look at it: everything that is easily added and hardly noticed."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
# See the contract of workers/link.py: what is unpickled comes from our own process, over sockets without a name.
UNPICKLED = ["sidecar/telemetry/parts.py", "sidecar/workers/link.py"]
EVALUATED = {"eval", "exec", "compile", "os.system", "os.popen", "marshal.loads", "yaml.load", "yaml.unsafe_load"}
COMPRESSION = {"gzip", "bz2", "lzma", "zipfile", "tarfile", "brotli", "zstandard"}


@cache
def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "sidecar").rglob("*.py"))}


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    return [(name, _called(node.func), node) for name, node in _nodes() if isinstance(node, ast.Call)]


@cache
def imported() -> list[tuple[str, str]]:
    found = [(name, one.name) for name, node in _nodes() if isinstance(node, ast.Import) for one in node.names]
    found += [(name, str(node.module)) for name, node in _nodes() if isinstance(node, ast.ImportFrom)]
    return [(name, module.partition(".")[0]) for name, module in found]


@cache
def _nodes() -> list[tuple[str, ast.AST]]:
    wanted = (ast.Call, ast.Import, ast.ImportFrom)
    return [
        (name, node)
        for name, text in sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, wanted)
    ]


def _called(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_called(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_nothing_is_unpickled_but_what_our_own_processes_say() -> None:
    assert sorted({name for name, called, _ in calls() if called in ("pickle.loads", "pickle.load")}) == UNPICKLED
    assert {name for name, module in imported() if module in ("pickle", "shelve", "dill")} == set(UNPICKLED)


def test_no_text_is_run_as_code_or_by_a_shell() -> None:
    assert [(name, called) for name, called, _ in calls() if called in EVALUATED] == []
    assert [name for name, _, call in calls() if any(word.arg == "shell" for word in call.keywords)] == []


def test_nothing_is_ever_decompressed() -> None:
    assert [(name, module) for name, module in imported() if module in COMPRESSION] == []
    assert [(name, called) for name, called, _ in calls() if "decompress" in called] == []


def test_no_rule_takes_a_pattern() -> None:
    patterned = [name for name, called, call in calls() if called == "re.compile" and not _is_constant(call.args[0])]
    # Of a constant set of bytes, and of constants put together.
    assert sorted(set(patterned)) == ["sidecar/wire/runs.py"]


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def test_what_bandit_is_told_to_pass_by_is_named_and_has_its_reason() -> None:
    passed = [line for text in sources().values() for line in text.splitlines() if re.search(r"#\s*nosec", line)]
    assert passed
    assert [line for line in passed if not re.search(r"# noqa: S\d+.*# nosec B\d+$", line)] == []
    told = (ROOT / "pyproject.toml").read_text().partition("skips = [")[2].partition("]\n")[0].strip().splitlines()
    assert [line for line in told if not re.fullmatch(r' *"B\d+", # \w+.{20,}', line)] == []


def test_code_is_looked_at_in_every_check_and_what_it_needs_by_a_job_of_its_own() -> None:
    makefile = (ROOT / "Makefile").read_text()
    check, audit = (re.search(rf"^{verb}: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE) for verb in ("check", "audit"))
    assert check is not None
    assert audit is not None
    assert ("bandit" in check[1], "pip-audit" in check[1]) == (True, False)
    assert ("bandit" in audit[1], "pip-audit --strict" in audit[1]) == (True, True)
    told: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [step["run"] for step in told["jobs"]["audit"]["steps"] if "run" in step] == ["make audit"]
    assert "audit" in told["jobs"]["release"]["needs"]
    on = told[True]  # YAML 1.1 takes `on` for it
    assert len(on["schedule"]) == 1
    assert "pull_request" in on
    assert "make check" in (ROOT / ".ci" / "run").read_text()


def test_no_dependency_moves_to_its_next_major_version_by_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    loose = [one for one in needed if not re.match(r"[A-Za-z0-9_-]+(\[[\w,-]+\])?>=[\d.]+,<\d+", one)]
    # What builds it has no next version that breaks it silently: it builds, or does not.
    assert [one for one in loose if not one.startswith(("sidecar-proxy[", "setuptools>="))] == []
