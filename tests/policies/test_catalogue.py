"""The catalogue names every policy there is, and each has a page and an example."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

import sidecar.policies
from sidecar.policies.catalogue import CATALOGUE, Entry, entries
from sidecar.policies.contract import Admission
from sidecar.policies.hold import Hold

ROOT = Path(__file__).parents[2]
# Where a policy is explained on a page that is not named after its key.
PAGES = {
    "request_headers": "policies/headers.md",
    "response_headers": "policies/headers.md",
    "balance": "upstreams.md",
    "pool": "upstreams.md",
}


def _classes() -> set[type]:
    """Every class that a module of the package defines."""
    modules = [import_module(f"sidecar.policies.{one.name}") for one in pkgutil.iter_modules(sidecar.policies.__path__)]
    return {
        value
        for module in modules
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__
    }


def _takes_a_mode(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) and "mode" in get_type_hints(kind)


def test_whatever_takes_a_mode_is_a_policy_of_the_catalogue() -> None:
    assert {kind for kind in _classes() if _takes_a_mode(kind)} == {entry.spec for entry in CATALOGUE}


def test_whatever_admits_is_a_machine_of_the_catalogue() -> None:
    # Over memory that workers share the same machine stands once more, as a kind of itself.
    admissions = {kind for kind in _classes() if Admission in kind.__bases__}
    admissions.remove(Hold)  # asked by the upstream itself, when it has no endpoint
    assert admissions == {entry.machine for entry in CATALOGUE if entry.machine is not None}


def test_a_key_is_unique_in_its_scope() -> None:
    pairs = [(entry.scope, entry.key) for entry in CATALOGUE]
    assert len(pairs) == len(set(pairs))
    assert len(entries("route")) + len(entries("upstream")) == len(CATALOGUE)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: f"{entry.scope}-{entry.key}")
def test_every_spec_is_frozen_and_takes_a_mode(entry: Entry) -> None:
    assert dataclasses.is_dataclass(entry.spec)
    assert entry.spec.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "mode" in get_type_hints(entry.spec)


def test_only_what_never_surprises_is_on_without_being_written() -> None:
    given = {(entry.scope, entry.key) for entry in CATALOGUE if entry.by_default}
    assert given == {
        ("route", "timeout"),
        ("route", "retry"),
        ("upstream", "hold"),
        ("upstream", "balance"),
        ("upstream", "circuit_breaker"),
        ("upstream", "pool"),
    }


def test_a_request_is_limited_before_it_takes_a_place_and_each_attempt_asks_the_breaker() -> None:
    stages = [(entry.key, entry.stage) for entry in entries("route") if entry.machine is not None]
    assert stages == [
        ("rate_limits", "request"),
        ("concurrency", "request"),
        ("fault", "request"),
        ("circuit_breaker", "attempt"),
    ]


def test_what_admits_counts_in_shadow_mode_and_so_does_what_decides_and_counts() -> None:
    counting = {entry.key for entry in CATALOGUE if entry.shadows}
    admitting = {entry.key for entry in CATALOGUE if entry.machine is not None}
    assert counting == admitting | {"timeout", "retry", "fallback", "ejection", "hold", "health_check"}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: f"{entry.scope}-{entry.key}")
def test_a_policy_has_a_page_and_an_example_beside_the_one_of_every_key(entry: Entry) -> None:
    page = ROOT / "docs" / PAGES.get(entry.key, f"policies/{entry.key}.md")
    assert entry.key in page.read_text()
    examples = [file for file in (ROOT / "config" / "examples").glob("*.yaml") if file.stem != "every-key"]
    assert [file.name for file in examples if f"{entry.key}:" in file.read_text()], f"no example has `{entry.key}`"
