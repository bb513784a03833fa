"""The scenarios that the product comes with, by their names."""

from __future__ import annotations

from importlib.resources import files

from sidecar.drill.scenario import Scenario, load_scenario

_ENDS = ".yaml"


def names() -> list[str]:
    """All of them, in order."""
    here = files("sidecar.drill").joinpath("scenarios")
    return sorted(one.name.removesuffix(_ENDS) for one in here.iterdir() if one.name.endswith(_ENDS))


def scenario(name: str) -> Scenario:
    """The one of this name, which has to be among them."""
    file = files("sidecar.drill").joinpath("scenarios", f"{name}{_ENDS}")
    return load_scenario(file.read_text("utf-8"), f"{name}{_ENDS}")
