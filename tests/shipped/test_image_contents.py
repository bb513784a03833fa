"""What is in the image: enough to run, nothing to break in with, and all of it in its bill of materials."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from sidecar import __version__
from tests.doubles.image import ROOT, Built

# Bytes of all files: it is 94 MB, and what makes it a tenth larger shall be wanted.
MOST = 103_000_000
# Whoever breaks in finds none of them; nor does a build, a package manager or a debugger come along by accident.
NOWHERE = ("sh", "bash", "dash", "busybox", "perl", "gcc", "cc", "ld", "pip", "pip3", "apt", "apt-get", "dpkg", "curl")


def everything(root: Path) -> Iterator[tuple[str, Path]]:
    """Each path inside, and where it is."""
    for path in sorted(root.rglob("*")):
        yield f"/{path.relative_to(root)}", path


@pytest.fixture(scope="module")
def bill(image: Built) -> dict[str, Any]:
    told = json.loads((image.root / "usr/share/sidecar/sbom.cdx.json").read_text())
    assert isinstance(told, dict)
    return told


def test_there_is_no_shell_no_compiler_and_no_package_manager(image: Built) -> None:
    programs = {path.name for name, path in everything(image.root) if "/bin/" in name and not path.is_dir()}
    assert {"python3", "sidecar"} <= programs
    assert not programs & {*NOWHERE}
    for name in ("pip", "setuptools", "Cython", "cyclonedx"):
        assert not [*image.root.glob(f"**/{name}")], name


def test_nothing_in_it_can_be_changed_or_gives_other_rights(image: Built) -> None:
    for name, path in everything(image.root):
        told = path.lstat()
        if not stat.S_ISLNK(told.st_mode):
            assert (told.st_uid, told.st_gid) == (0, 0), name
            assert not told.st_mode & (stat.S_ISUID | stat.S_ISGID), name
            assert name == "/tmp" or not told.st_mode & (stat.S_IWOTH | stat.S_IWGRP), name


def test_all_of_it_can_be_read_by_whom_it_runs_as(image: Built) -> None:
    for name, path in everything(image.root):
        mode = path.lstat().st_mode
        assert mode & stat.S_IROTH, name
        assert mode & stat.S_IXOTH or not path.is_dir() or path.is_symlink(), name


def test_each_link_leads_somewhere_inside(image: Built) -> None:
    for name, path in everything(image.root):
        if path.is_symlink():
            target = path.readlink()
            there = image.root / target.relative_to("/") if target.is_absolute() else path.parent / target
            assert there.exists(), f"{name} -> {target}"


def test_each_module_is_compiled_already_since_nobody_can_do_it_later(image: Built) -> None:
    for name, path in everything(image.root):
        if path.suffix == ".py":
            assert list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc")), name


def test_it_is_small(image: Built) -> None:
    assert (
        sum(path.lstat().st_size for _, path in everything(image.root) if path.is_file() and not path.is_symlink())
        < MOST
    )


def test_runtimes_are_told_how_to_run_it(image: Built) -> None:
    told = image.inspected()
    assert told["User"] == "65532:65532"
    assert told["Entrypoint"] == ["sidecar"]
    assert told["Cmd"] == ["run", "-c", "/etc/sidecar/sidecar.yaml"]
    assert told["StopSignal"] == "SIGTERM"
    assert {*told["ExposedPorts"]} == {"8080/tcp", "9901/tcp"}
    assert told["Healthcheck"]["Test"] == ["CMD", "sidecar", "probe"]
    assert told["Labels"]["org.opencontainers.image.title"] == "sidecar"
    assert told["Labels"]["org.opencontainers.image.version"] == __version__
    assert (image.root / "etc/passwd").read_text().splitlines()[-1].startswith("sidecar:x:65532:65532:")


def test_its_bill_of_materials_is_what_the_standard_wants(image: Built) -> None:
    text = (image.root / "usr/share/sidecar/sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert (ROOT / "dist" / "sidecar.cdx.json").read_text() == text


def test_every_package_inside_is_in_the_bill_and_nothing_else(image: Built, bill: dict[str, Any]) -> None:
    listed = sorted(one["purl"].partition("?")[0] for one in [bill["metadata"]["component"], *bill["components"]])
    debian = [Parser().parsestr(path.read_text()) for path in (image.root / "var/lib/dpkg/status.d").iterdir()]
    (site,) = image.root.glob("opt/sidecar/lib/python*/site-packages")
    found = [f"pkg:deb/debian/{quote(one['Package'])}@{quote(one['Version'], ':~')}" for one in debian]
    found += [f"pkg:pypi/{one.name.lower().replace('_', '-')}@{one.version}" for one in distributions(path=[str(site)])]
    assert listed == sorted(found)
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/sidecar-proxy@{__version__}"


def test_each_part_says_its_licence_and_what_it_needs(bill: dict[str, Any]) -> None:
    assert not [one["purl"] for one in bill["components"] if not one.get("licenses")]
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    ours = " ".join(needs[bill["metadata"]["component"]["bom-ref"]])
    for name in ("uvloop", "aiohttp", "cryptography", "opentelemetry-sdk"):
        assert f"pkg:pypi/{name}@" in ours
    assert "-minimal@" in ours


def test_what_is_linked_into_a_wheel_is_told_as_a_part_of_it(bill: dict[str, Any]) -> None:
    parts = {one["name"]: {part["name"]: part for part in one.get("components", [])} for one in bill["components"]}
    assert parts["cryptography"]["openssl"]["purl"].startswith("pkg:generic/openssl@")
    assert parts["cryptography"]["pyo3"]["licenses"]
    assert parts["watchfiles"]["notify"]["purl"].startswith("pkg:cargo/notify@")


def test_each_debian_package_keeps_its_copyright(image: Built) -> None:
    listed = {path.name for path in (image.root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "zlib1g", "ca-certificates", "base-files"} <= listed
    assert all((image.root / "usr/share/doc" / name / "copyright").is_file() for name in listed)
