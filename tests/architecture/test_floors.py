"""The house stands: imports only go down, the left tower knows no clock and no socket, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sidecar"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# What each package may import beside itself. Left and right meet only in proxy and app.
FLOORS: dict[str, set[str]] = {
    "model": set(),
    "policies": {"model"},
    "rules": {"model", "policies"},
    "runtime": {"model", "policies", "rules"},
    "exchange": {"model", "policies", "rules", "runtime"},
    "wire": {"model"},
    "tls": {"model", "wire"},
    "transport": {"model", "wire", "tls"},
    "telemetry": {"model"},
    "debug": {"model", "telemetry"},
    "admin": {"model", "debug", "telemetry", "runtime", "rules", "policies"},
    "proxy": {"model", "policies", "rules", "runtime", "exchange", "wire", "transport", "telemetry"},
    "workers": {"model", "policies", "telemetry", "transport", "admin"},
    "health": {"model", "policies", "rules", "runtime", "wire", "tls", "transport"},
    "demo": {"model"},
    "app": {
        "model", "policies", "rules", "runtime", "exchange", "wire", "transport", "telemetry", "admin", "proxy",
        "health", "workers", "demo", "debug", "tls",
    },
    "inject": {"model", "policies", "rules"},
    # A drill runs the whole product on a stage of its own; only the command knows drills.
    "drill": {
        "model", "policies", "rules", "runtime", "exchange", "wire", "transport", "telemetry", "proxy", "health", "app",
    },
    "cli": {
        "model", "policies", "rules", "runtime", "wire", "transport", "telemetry", "app", "demo", "inject", "drill",
    },
    "__main__": {"cli"},
    "__init__": set(),
}  # fmt: skip

PURE = ("model", "policies", "rules", "runtime", "exchange", "wire", "inject")
BANNED = {"asyncio", "time", "datetime", "logging", "socket", "threading", "selectors", "uvloop", "aiohttp", "ssl"}
# The one clock, and the one place that may look at a file.
MAY_IMPORT = {"model/clock.py": {"time"}, "rules/source.py": {"open", "pathlib"}}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _floor(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def _imports(tree: ast.AST) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            # `from sidecar import transport` names a package just as well as `from sidecar.transport import x`.
            names += [f"{module}.{alias.name}" for alias in node.names] if module == "sidecar" else [module]
    return names


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_imports_only_go_down(path: Path) -> None:
    floor = _floor(path)
    assert floor in FLOORS, f"{floor} is not a floor of the house"
    reached = {name.split(".")[1] for name in _imports(ast.parse(path.read_text())) if name.startswith("sidecar.")}
    assert reached - FLOORS[floor] - {floor, "__version__"} == set(), "imports what it may not know"


@pytest.mark.parametrize("path", [path for path in SOURCES if _floor(path) in PURE], ids=_name)
def test_pure_packages_know_no_clock_no_socket_and_no_file(path: Path) -> None:
    tree = ast.parse(path.read_text())
    allowed = MAY_IMPORT.get(_name(path), set())
    banned = {name.split(".")[0] for name in _imports(tree)} & BANNED - allowed
    assert banned == set()
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "open" not in calls - allowed
    uses = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
    }
    assert uses <= {"random.Random"}, "the generator is passed in"


def test_telemetry_is_never_imported_by_what_it_observes() -> None:
    for path in SOURCES:
        if _floor(path) in (*PURE, "transport"):
            names = _imports(ast.parse(path.read_text()))
            assert not [name for name in names if name.startswith("sidecar.telemetry")], _name(path)


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_fit_the_eye(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("path", [path for path in SOURCES if _name(path) != "transport/tasks.py"], ids=_name)
def test_tasks_are_started_by_their_keeper_only(path: Path) -> None:
    bare = [
        f"line {node.lineno}: {node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("create_task", "ensure_future")
    ]
    assert bare == [], "a task that nobody keeps can vanish, and its error with it"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_source_opens_with_its_contract(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)) or (path.name == "__init__.py" and not text.strip())
