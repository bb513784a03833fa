"""Numbers that a `.pxd` types: C's alone in the module that defines them, so nobody can import them from there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TYPED = re.compile(r"^cdef (?:int|long|long long|double|Py_ssize_t|bint) (\w+)$", re.MULTILINE)


def _defined(source: ast.Module) -> set[str]:
    assigned = [one for one in source.body if isinstance(one, ast.Assign)]
    return {target.id for one in assigned for target in one.targets if isinstance(target, ast.Name)}


def _hidden() -> set[tuple[str, str]]:
    """Module and name of each number that only C sees."""
    found: set[tuple[str, str]] = set()
    for typed in (ROOT / "sidecar").rglob("*.pxd"):
        module = ".".join(typed.relative_to(ROOT).with_suffix("").parts)
        names = _defined(ast.parse(typed.with_suffix(".py").read_text()))
        found |= {(module, name) for name in _TYPED.findall(typed.read_text()) if name in names}
    return found


def test_nobody_imports_a_number_that_only_c_sees() -> None:
    hidden = _hidden()
    assert hidden
    imported = [
        f"{path.relative_to(ROOT)}: {name} of {node.module}"
        for path in sorted((ROOT / "sidecar").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in [each.name for each in node.names]
        if (node.module, name) in hidden
    ]
    assert imported == []
