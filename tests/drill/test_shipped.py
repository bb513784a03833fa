"""The scenarios that the product comes with."""

import re
from pathlib import Path
from typing import get_args

from sidecar.drill.scenario import Do, load_scenario
from sidecar.drill.shipped import names, scenario
from tests.doubles.drills import shipped


def test_there_are_ten_each_named_as_its_file_with_a_sentence_and_an_expectation() -> None:
    assert len(names()) == 10
    for name in names():
        one = scenario(name)
        assert one.name == name
        assert one.about.endswith(".")
        assert one.expect.avoidable == 0
        assert one.script


def test_all_of_the_folder_are_named() -> None:
    assert names() == [path.stem for path in shipped()]


def test_the_manuals_scenario_can_be_drilled_and_its_table_names_every_fault() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "drill.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    assert load_scenario(text, "drill.md").name == "slow-mornings"
    rows = [line.split("|")[1] for line in manual.splitlines() if line.startswith("| `")]
    told = {word for row in rows for word in re.findall(r"`([a-z-]+)`", row)}
    assert {*get_args(Do), *names()} <= told
