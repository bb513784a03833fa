"""What is said outside of the file reaches every key, and says so when it does not."""

from __future__ import annotations

import pytest

from sidecar.policies.timeout import TimeoutSpec
from sidecar.rules.load import Loaded, load_rules, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError

TEXT = """\
upstreams:
  app: {endpoints: ["http://a:1", {url: "http://b:2"}]}
  other: {endpoints: "http://c:3"}
routes:
  - {name: login, match: {path: /login}, upstream: app}
  - {name: all, upstream: other}
"""


def load(*sets: str) -> Loaded:
    return load_text(TEXT, "f", Given(sets=sets))


def test_items_are_called_by_name_or_by_number() -> None:
    by_name, by_number = load("routes.login.timeout.request=1s"), load("routes.0.timeout.request=1s")
    assert by_name.rules == by_number.rules
    assert by_name.rules.routes[0].spec(TimeoutSpec) == TimeoutSpec(request=1.0)
    assert by_name.provenance["routes.login.timeout.request"] == "--set routes.login.timeout.request"


def test_a_setting_reaches_endpoints_pools_and_the_default_listener() -> None:
    rules = load(
        "upstreams.app.pool.max_connections=4", "upstreams.app.endpoints.1.weight=3", "listeners.0.timeouts.headers=2s"
    ).rules
    assert rules.upstreams["app"].pool.max_connections == 4
    assert [endpoint.weight for endpoint in rules.upstreams["app"].endpoints] == [1, 3]
    assert rules.listeners[0].timeouts.headers == 2.0


def test_lists_and_mappings_can_be_set_and_anything_else_is_text() -> None:
    rules = load(
        "routes.login.match={path: /x, methods: [GET]}",
        "routes.all.match.host=*.example.com",
        "upstreams.app.balance={hash: client_ip}",
    ).rules
    assert (str(rules.routes[0].match.path), rules.routes[0].match.methods) == ("/x", ("GET",))
    assert rules.routes[1].match.host == "*.example.com"
    assert rules.upstreams["app"].balance.hash == "client_ip"


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("drain", "--set: error: `drain` is not dotted.key=value"),
        ("a..b=1", "--set: error: `a..b=1` is not dotted.key=value"),
        ("routes.logn.upstream=app", "--set routes.logn.upstream: error: `routes` has no item `logn`; did you mean"),
        ("routes.7.upstream=app", "--set routes.7.upstream: error: `routes` has no item `7`; there are: login, all"),
        ("drain.deadlin=1s", "--set drain.deadlin: error: unknown key `deadlin`; did you mean `deadline`?"),
        ("drain.deadline=1", "--set drain.deadline: error: `1` has no unit"),
        ("routes.all.upstream.x=1", "--set routes.all.upstream.x: error: `routes.all.upstream` is one value"),
        ("drain={announce", "--set drain: error: a mapping that began with `{`"),
    ],
)
def test_a_wrong_setting_says_which_it_is(setting: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(setting)
    assert any(str(problem).startswith(complaint) for problem in caught.value.problems)


def test_urls_for_a_file_with_several_upstreams_mean_the_one_called_app() -> None:
    rules = load_text(TEXT, "f", Given(upstreams=["http://x:9"])).rules
    assert [str(endpoint.url) for endpoint in rules.upstreams["app"].endpoints] == ["http://x:9"]
    assert [str(endpoint.url) for endpoint in rules.upstreams["other"].endpoints] == ["http://c:3"]


def test_urls_for_a_file_with_several_upstreams_and_no_app_are_ambiguous() -> None:
    with pytest.raises(ConfigError, match="which of the upstreams web, other is meant"):
        load_text(TEXT.replace("app", "web"), "f", Given(upstreams=["http://x:9"]))


def test_a_wrong_url_of_the_command_line_is_told_as_its() -> None:
    with pytest.raises(ConfigError) as caught:
        load_rules(None, upstreams=["localhost:3000"])
    assert [str(problem) for problem in caught.value.problems] == [
        "--upstream: error: `localhost:3000` is not a URL; did you mean `http://localhost:3000`?"
    ]
