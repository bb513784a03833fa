"""A scenario is read as the rules are: every mistake at its place, with a suggestion where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.drill.scenario import ALL, Scenario, Takes, load_scenario, read_scenario
from sidecar.rules.problems import ConfigError

WHOLE = """\
name: backend-dies
about: The backend dies after 10 s and is back after 20.
duration: 40s
load:
  rate: 100/s
  clients: 20
  methods: {GET: 9, post: 1}
  paths: {/: 1, '/items?page=2': 3}
  body: 1KiB
  gives_up: 20s
backend:
  takes: {median: 20ms, p99: 200ms}
  places: 0
  answer: 2KiB
script:
  - {at: 10s, for: 10s, do: refuse, endpoints: all}
  - {at: 10s, do: slow, takes: 2s, endpoints: 2}
  - {at: 12s, for: 1s, do: fail, ratio: 0.3, endpoints: [0, 2]}
expect:
  client_errors: 0.5%
  avoidable: 0
"""


def problems(text: str) -> list[str]:
    """What is said of a scenario, without the file's name."""
    with pytest.raises(ConfigError) as refused:
        load_scenario(text, "s.yaml")
    return [str(problem).removeprefix("s.yaml:") for problem in refused.value.problems]


def small(line: str = "") -> str:
    return f"name: small\nduration: 5s\n{line}\n"


def test_a_whole_scenario_is_read_as_it_is_written() -> None:
    scenario = load_scenario(WHOLE, "s.yaml")
    assert (scenario.name, scenario.duration, scenario.load.gives_up) == ("backend-dies", 40.0, 20.0)
    assert scenario.load.methods == {"GET": 9.0, "POST": 1.0}
    assert scenario.load.paths == {"/": 1.0, "/items?page=2": 3.0}
    assert scenario.backend.takes == Takes(median=0.02, p99=0.2)
    assert [step.endpoints for step in scenario.script] == [(ALL,), (0, 1), (0, 2)]
    assert [step.lasting for step in scenario.script] == [10.0, None, 1.0]
    assert scenario.script[1].takes == Takes(median=2.0)
    assert scenario.script[2].share == 0.3
    assert (scenario.expect.client_errors, scenario.expect.avoidable) == (0.005, 0)


def test_a_name_and_a_duration_are_enough() -> None:
    scenario = load_scenario(small(), "s.yaml")
    assert scenario == Scenario(name="small", duration=5.0)
    assert scenario.backend.takes == Takes(median=0.02)


def test_every_mistake_is_told_at_its_place() -> None:
    text = (
        "name: x\nduration: 3\nscrip: []\nscript:\n - {at: 1s, do: refus, for: 0s}\n - {at: 1s, do: die, ratio: 0.5}\n"
    )
    told = problems(text)
    assert [line.split(":")[:2] for line in told] == [["2", "11"], ["3", "1"], ["5", "17"], ["6", "29"]]
    assert "unknown key `scrip`; did you mean `script`?" in told[1]
    assert "did you mean `refuse`?" in told[2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("script: [{at: 1s, do: slow}]", "`do` of `slow` needs `takes` or `factor`"),
        ("script: [{at: 1s, do: restart}]", "`for` is how long a restart takes"),
        ("script: [{at: 1s, do: stall, status: 500}]", "`status` goes with `do: fail`"),
        ("script: [{at: 5s, do: stall}]", "`script` has a step that begins when the drill is over"),
        ("script: [{at: 1s, do: stall, endpoints: some}]", "`some` does not say which"),
        ("script: [{at: 1s, do: stall, endpoints: 0}]", "`endpoints` names no endpoint"),
        ("script: [{at: 1s, do: stall, lasting: 1s}]", "unknown key `lasting`"),
        ("script: [{at: 1s, do: flap, every: 1us}]", "`script` flaps more often than 1000 times"),
        ("load: {headers: {X-Request-Id: mine}}", "`headers` cannot hold X-Request-Id or X-Drill"),
        ("load: {rate: 1000000/s}", "is 5000000 requests long"),
        ("load: {paths: {items: 1}}", "`items` is not what a request can ask for"),
        ("load: {methods: {GET: 0}}", "`methods` needs a method with a weight"),
        ("load: {headers: {Content-Length: 3}}", "`headers` cannot hold what frames a request"),
        ("backend: {takes: {median: 1s, p99: 1ms}}", "`p99` must be at least `median`"),
        ("expect: {client_errors: 101%}", "`101%` is not a share"),
        ("- a", "s.yaml:3:1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(line: str, said: str) -> None:
    (told, *_) = problems(small(line))
    assert said in f"s.yaml:{told}"


def test_a_list_is_no_scenario() -> None:
    assert problems("- a\n") == ["1:1: error: a scenario is a mapping; it begins with `name:`"]
    assert len(problems("")) == 1


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: error: cannot be read"):
        read_scenario(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "there.yaml").write_text(WHOLE)
    assert read_scenario(str(tmp_path / "there.yaml")).name == "backend-dies"
