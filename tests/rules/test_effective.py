"""What is in effect can be written back and read again, and hides its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sidecar.policies.retry import RetrySpec
from sidecar.rules.effective import describe, effective, flattened, notation
from sidecar.rules.load import load_rules, load_text
from sidecar.rules.overlay import Given

FILES = sorted((Path(__file__).parents[2] / "config").rglob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_the_effective_rules_read_back_as_the_same_rules(file: Path) -> None:
    loaded = load_rules(str(file), allow_faults=True)
    again = load_text(yaml.safe_dump(effective(loaded.rules)), "again", Given(allow_faults=True))
    assert (again.rules.listeners, again.rules.upstreams, again.rules.routes) == (
        loaded.rules.listeners,
        loaded.rules.upstreams,
        loaded.rules.routes,
    )
    assert again.digest == loaded.digest


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_every_effective_value_has_a_provenance(file: Path) -> None:
    loaded = load_rules(str(file), allow_faults=True)
    unexplained = [
        path
        for path, value in flattened(effective(loaded.rules)).items()
        if path not in loaded.provenance and value is not None
    ]
    assert unexplained == []


def test_a_switched_off_part_stays_off_when_read_again() -> None:
    text = (
        "upstreams: {app: {endpoints: 'http://a:1', pool: {idle_timeout: 0s}}}\n"
        "routes: [{name: a, upstream: app, timeout: null, retry: {budget: null}}]\n"
    )
    loaded = load_text(text, "f", Given())
    plain = effective(loaded.rules)
    assert plain["routes"][0]["timeout"] is None
    assert plain["routes"][0]["retry"]["budget"] is None
    assert plain["upstreams"]["app"]["pool"]["idle_timeout"] == "0s"
    assert load_text(yaml.safe_dump(plain), "f", Given()).digest == loaded.digest


def test_secrets_are_hidden_wherever_they_stand() -> None:
    text = (
        "upstreams: {app: {endpoints: '${file:/url}'}}\n"
        "admin: {token: abc}\nlisteners: [{address: '${file:/address}'}]\n"
        "routes: [{name: a, upstream: app, match: {headers: {x-key: '${file:/key}'}}}]\n"
    )
    files = {"/url": "http://a:1", "/key": "k3y", "/address": ":1"}
    loaded = load_text(text, "f", Given(), files.__getitem__)
    shown = effective(loaded.rules, loaded.secrets)
    assert shown["admin"]["token"] == "***"
    assert shown["upstreams"]["app"]["endpoints"][0]["url"] == "***"
    assert shown["listeners"][0]["address"] == "***"
    assert shown["routes"][0]["match"]["headers"] == {"x-key": "***"}


def test_one_policy_can_be_described_in_the_words_of_the_file() -> None:
    assert describe(RetrySpec(), RetrySpec)["backoff"] == {"base": "25ms", "max": "1s"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "null"), ("", '""'), ("a\nb", '"a\\nb"'), ([1, {"a": "b"}], "[1, {a: b}]")],
)
def test_values_stand_on_one_line_as_in_a_file(value: object, text: str) -> None:
    assert notation(value) == text
