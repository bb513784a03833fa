"""The tree is whole: every source has its test, every policy its place, every compiled module its types."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import sidecar
from sidecar.model.reason import Reason

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sidecar"
SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]
# Declarations only: nothing in them runs. (Modules of nothing but constants are found by themselves.)
UNTESTED = {"transport/stream.py", "model/facts.py", "__main__.py"}
TEXT = {".py", ".pxd", ".md", ".yaml", ".yml", ".toml", ".service", ".html", ".js", ".css", ".json", ".txt", ""}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def _setup_constant(name: str) -> tuple[str, ...]:
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and target.id == name:
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            return tuple(ast.literal_eval(node.value))
    raise AssertionError(f"setup.py has no {name}")


def _runs(path: Path) -> bool:
    """Whether a module has more in it than constants, which a test could only repeat."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            try:
                ast.literal_eval(node.value)
            except ValueError:
                return True
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return True
    return False


@pytest.mark.parametrize("path", [path for path in SOURCES if _name(path) not in UNTESTED and _runs(path)], ids=_name)
def test_each_source_has_its_test_file(path: Path) -> None:
    folder = ROOT / "tests" / path.parent.relative_to(PACKAGE)
    assert sorted(folder.glob(f"test_{path.stem}*.py")), f"tests/{folder.name}/test_{path.stem}*.py is missing"


def _policies_imported_by(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sidecar.policies."):
            found.add(str(node.module).split(".")[2])
    return found


def test_every_module_of_policies_is_in_the_catalogue_or_a_part_of_what_is() -> None:
    # What takes a mode, or admits, must itself be in the catalogue: tests/policies/test_catalogue.py.
    policies = {path.stem for path in (PACKAGE / "policies").glob("*.py")} - {"__init__", "catalogue"}
    reached = {name for path in SOURCES for name in _policies_imported_by(path) - {path.stem}}
    assert policies - reached == set(), "nothing uses it"


def test_every_compiled_module_has_its_types_beside_it() -> None:
    for module in _setup_constant("COMPILED"):
        source = ROOT / (module.replace(".", "/") + ".py")
        assert source.is_file(), f"{module} does not exist"
        assert source.with_suffix(".pxd").is_file(), f"{module} has no .pxd"


def test_compiled_modules_inherit_from_no_protocol_of_asyncio() -> None:
    for module in _setup_constant("COMPILED"):
        tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())
        bases = {ast.unparse(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases}
        assert not [base for base in bases if base.endswith("Protocol") and base != "Protocol"], module


def test_the_version_is_said_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "sidecar.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+([ab]|rc|\.dev)?\d*", sidecar.__version__)


def test_no_machine_and_no_registry_is_named_in_the_tree() -> None:
    # Written in two halves, so that this file does not name them either.
    banned = re.compile(
        r"(?<![\w.])/" + r"work/|/ro" + r"ot/|/ho" + r"me/[a-z]+/|/Us" + r"ers/[a-z]+/"
        r"|https?://[^\s/]*(artifactory|nexus|devpi|pypi-proxy|/simple/)|(index-url|extra-index-url|trusted-host)\s*="
    )
    found = []
    for path in _tracked():
        if path.suffix not in TEXT or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if banned.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert found == []


def test_nothing_built_is_tracked() -> None:
    assert [path.name for path in _tracked() if path.suffix in (".so", ".c", ".pyc", ".o", ".whl")] == []


def _pages() -> str:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "config").rglob("*.md"))]
    return "\n".join(page.read_text() for page in pages if page.is_file())


def test_every_example_is_named_in_the_documentation() -> None:
    text = _pages()
    examples = sorted((ROOT / "config").rglob("*.yaml"))
    assert examples, "there are no examples"
    assert [path.name for path in examples if path.name not in text] == []


def test_every_reason_of_an_answer_of_our_own_is_explained_with_its_status() -> None:
    rows = [line for line in (ROOT / "docs" / "answers.md").read_text().splitlines() if line.startswith("| `")]
    for reason in Reason:
        assert [row for row in rows if row.startswith(f"| `{reason.code}` | {reason.status}")], reason.code


def _links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, flags=re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+\s+(.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def test_the_links_of_every_page_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
    broken = []
    for page in pages:
        for link in _links(page):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            lost = not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target))
            if lost:
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []
