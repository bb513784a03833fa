"""A policy that is one class and one line of the catalogue, written as docs/adding-a-policy.md says: everything else
comes by itself. It refuses every n-th request."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from sidecar.cli.main import main
from sidecar.model.reason import Reason
from sidecar.policies import catalogue
from sidecar.policies.catalogue import CATALOGUE, Entry
from sidecar.policies.contract import ADMITTED, REFUSED, Admission, Applicant, Binding
from sidecar.policies.units import Count, Mode, demand
from sidecar.rules.json_schema import json_schema
from sidecar.rules.keys import keys_of
from sidecar.rules.problems import ConfigError
from sidecar.rules.reference import reference
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Current
from tests.doubles.backend import Backend
from tests.doubles.limited_applicant import LimitedApplicant
from tests.doubles.running import loaded, rules_text, running
from tests.runtime.requests import Observers


@dataclass(frozen=True, slots=True, kw_only=True)
class TitheSpec:
    """Refuse every n-th request."""

    every: Annotated[Count, "how many requests pay with one of them"] = 10
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(("every", self.every >= 1, "must be at least 1"))


class Tithe(Admission):
    """The machine of one route."""

    __slots__ = ("_every", "_seen")

    def __init__(self, name: str, spec: TitheSpec) -> None:
        super().__init__(name, Reason.OVERLOADED, spec.mode == "shadow")
        self._every = spec.every
        self._seen = 0

    @classmethod
    def bound(cls, binding: Binding) -> Tithe:
        """See Admission."""
        return cls(binding.name, binding.specs[0])

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """See Admission."""
        self._seen += 1
        return REFUSED if self._seen % self._every == 0 else ADMITTED

    def snapshot(self, now: float) -> Mapping[str, object]:
        """See Admission."""
        return {"seen": self._seen}

    def inherit(self, before: Admission, now: float) -> None:
        """See Admission."""
        if isinstance(before, Tithe):
            self._seen = before._seen


@pytest.fixture(autouse=True)
def _in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entry = Entry("tithe", "route", TitheSpec, machine=Tithe)
    monkeypatch.setattr(catalogue, "CATALOGUE", (*CATALOGUE, entry))
    keys_of.cache_clear()
    yield
    monkeypatch.undo()
    keys_of.cache_clear()


def rules(tithe: str, backend: str = "http://127.0.0.1:1") -> str:
    return rules_text(backend, route=f"tithe: {tithe}")


def test_its_rule_is_read_and_each_mistake_in_it_is_told_at_its_place() -> None:
    (route,) = loaded(rules=rules("{every: 3}")).rules.routes
    assert route.policies["tithe"] == TitheSpec(every=3)
    with pytest.raises(ConfigError) as caught:
        loaded(rules=rules("{every: 0}"))
    assert "rules.yaml:9:" in str(caught.value)
    assert "`every` must be at least 1" in str(caught.value)
    with pytest.raises(ConfigError, match="unknown key `evry`; did you mean `every`"):
        loaded(rules=rules("{evry: 3}"))


def test_the_schema_and_the_reference_have_it() -> None:
    definitions: dict[str, Any] = json_schema()["$defs"]
    assert definitions["TitheSpec"]["properties"]["every"]["default"] == 10
    assert "tithe" in definitions["RouteRule"]["properties"]
    assert "| `every` | how many requests pay with one of them | whole number | `10` |" in reference()


def test_explain_says_which_line_it_came_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(rules("{every: 3}"))
    assert main(["explain", "-c", str(file), "GET", "/"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["tithe.every", "3", f"{file}:9"] in lines
    assert ["tithe.mode", "enforce", "default"] in lines


async def test_it_decides_and_its_refusals_are_answered_counted_and_shown() -> None:
    async with Backend() as backend, running(rules=rules("{every: 2}", backend.url)) as proxy:
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 200
            refused = await peer.get("/")
        assert (refused.status, refused.problem["rule"]) == (503, "everything/tithe")
        status = await proxy.status()
        metrics = (await proxy.admin("GET", "/metrics")).body.decode()
        (route,) = status["routes"]
        assert route["policies"]["everything/tithe"] == {"shadow": False, "seen": 2}
        assert route["rejected_by"] == {"everything/tithe": 1}
        (counted,) = [line for line in metrics.splitlines() if line.startswith("sidecar_rejections_total{")]
        assert 'rule="everything/tithe"' in counted
        assert counted.endswith(" 1.0")


async def test_in_shadow_mode_it_counts_and_lets_everyone_go_on() -> None:
    text = rules("{every: 1, mode: shadow}")
    assert loaded(rules=text).warnings == ()
    async with Backend() as backend, running(rules=rules("{every: 1, mode: shadow}", backend.url)) as proxy:
        async with proxy.peer() as peer:
            assert (await peer.get("/")).status == 200
        await proxy.quiet()
        assert proxy.stats.routes["everything"].shadow_rejections == {("everything/tithe", "overloaded"): 1}


def test_a_reload_keeps_what_it_remembers_under_its_new_rule() -> None:
    first = prepare(loaded(rules=rules("{every: 5}")).rules, "1", None, Observers(), random.Random(1))
    for _ in range(3):
        first.routes[0].admissions[0].try_acquire(0.0, LimitedApplicant())
    second = prepare(loaded(rules=rules("{every: 4}")).rules, "2", first, Observers(), random.Random(1))
    Current(first).swap(second, 1.0)
    assert second.routes[0].admissions[0].try_acquire(1.0, LimitedApplicant()) == REFUSED
