"""The catalogue names every policy there is."""

from __future__ import annotations

import dataclasses
import pkgutil
from typing import get_type_hints

import sidecar.policies
from sidecar.policies.catalogue import CATALOGUE, entries

# What serves the policies and is none itself.
NOT_POLICIES = {
    "backoff",
    "breaker_book",
    "cacheability",
    "catalogue",
    "circuit",
    "contract",
    "ejection",
    "gcra",
    "key_table",
    "retry_budget",
    "slow_start",
    "split",
    "stale_store",
    "units",
    "window",
}


def test_every_module_of_the_package_has_a_spec_in_the_catalogue() -> None:
    modules = {module.name for module in pkgutil.iter_modules(sidecar.policies.__path__)} - NOT_POLICIES
    named = {entry.spec.__module__.rpartition(".")[2] for entry in CATALOGUE}
    assert modules == named


def test_a_key_is_unique_in_its_scope() -> None:
    pairs = [(entry.scope, entry.key) for entry in CATALOGUE]
    assert len(pairs) == len(set(pairs))
    assert len(entries("route")) + len(entries("upstream")) == len(CATALOGUE)


def test_every_spec_is_frozen_and_takes_a_mode() -> None:
    for entry in CATALOGUE:
        assert dataclasses.is_dataclass(entry.spec)
        assert entry.spec.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert "mode" in get_type_hints(entry.spec)


def test_only_what_is_in_force_is_given_by_default() -> None:
    given = {entry.key for entry in CATALOGUE if entry.given}
    assert given == {entry.key for entry in CATALOGUE if entry.by_default and entry.enforced}
    assert {"timeout", "balance", "pool"} <= given
