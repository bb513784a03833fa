"""Rules answer for their policies by type."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.header_edits import HeaderEditsSpec, ResponseEditsSpec
from sidecar.policies.pool import PoolSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.selection import SelectionSpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.policies.units import Invalid
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from sidecar.rules.schema import RouteRule, RuleSet, SplitRule

TEXT = """\
upstreams:
  app: {endpoints: "http://a:1", pool: null, balance: round_robin}
  web: {endpoints: "http://b:1"}
routes:
  - name: one
    match: {path: /one}
    upstream: app
    request_headers: {set: {x-a: "1"}}
    response_headers: {remove: x-b}
    rate_limits: [{name: x, rate: 1/s}, {name: y, rate: 2/s}]
  - name: two
    split: [{upstream: app, weight: 9}, {upstream: web, weight: 1}]
    timeout: null
"""


def rules() -> RuleSet:
    return load_text(TEXT, "f", Given()).rules


def test_a_policy_is_asked_for_by_its_type() -> None:
    one, two = rules().routes
    assert one.spec(TimeoutSpec) == TimeoutSpec()
    assert two.spec(TimeoutSpec) is None


def test_policies_that_share_a_type_are_told_apart_by_key() -> None:
    one = rules().routes[0]
    assert one.spec(HeaderEditsSpec, "request_headers") == HeaderEditsSpec(set={"x-a": "1"})
    assert one.spec(HeaderEditsSpec, "response_headers") == ResponseEditsSpec(remove=("x-b",))
    assert one.spec(HeaderEditsSpec, "timeout") is None


def test_many_of_a_type_come_in_order() -> None:
    assert [limit.name for limit in rules().routes[0].specs(RateLimitSpec)] == ["x", "y"]


def test_an_upstream_always_has_a_pool_and_a_balance() -> None:
    app = rules().upstreams["app"]
    assert app.spec(PoolSpec) is None
    assert (app.pool, app.balance) == (PoolSpec(), SelectionSpec(strategy="round_robin"))


def test_a_route_names_every_upstream_it_may_choose() -> None:
    assert [route.upstreams for route in rules().routes] == [("app",), ("app", "web")]


@pytest.mark.parametrize("key", ["client_ip", "header:x-user", "cookie:session"])
def test_a_split_may_keep_a_caller_on_its_side(key: str) -> None:
    route = RouteRule(name="a", split=(SplitRule(upstream="app", weight=1),), split_key=key, policies={})
    assert route.split_key == key


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"upstream": "app", "split_key": "client_ip"}, "goes with a `split`"),
        ({"split": (SplitRule(upstream="app", weight=1),), "split_key": "path:id"}, "about who asks"),
    ],
)
def test_a_split_key_needs_a_split_and_a_caller(written: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        RouteRule(name="a", policies={}, **written)
    assert [key for key, _ in caught.value.faults] == ["split_key"]
    assert sentence in caught.value.faults[0][1]


def overload(written: str) -> str:
    try:
        return str(load_text(f"{TEXT}overload: {{max_memory: {written}}}\n", "f", Given()).rules.overload.max_memory)
    except ConfigError as error:
        return "\n".join(str(problem) for problem in error.problems)


def test_memory_is_a_size_or_nothing() -> None:
    assert rules().overload.max_memory is None
    assert overload("512MiB") == str(512 << 20)
    assert overload("0") == "None"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("8MiB", "f:14:24: error: `max_memory` must be at least 16MiB; the proxy itself takes about 60MiB"),
        ("512M", "f:14:24: error: `512M` is not a size; did you mean `512MiB`?"),
        ("85%", "f:14:24: error: `85%` is not a size; write it as 512B, 64KiB or 10MiB"),
    ],
)
def test_a_wrong_size_of_memory_is_told_where_it_stands(written: str, sentence: str) -> None:
    assert overload(written) == sentence


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{share: 1.5}", "f:14:24: error: `1.5` is not a ratio"),
        ("{slow: 1}", "f:14:23: error: `1` has no unit"),
        ("{rate: 2000/s}", "f:14:23: error: `rate` must be from 1/m to 1000/s"),
        ("{rate: 1/h}", "f:14:23: error: `rate` must be from 1/m to 1000/s"),
        ("{every: 3}", "f:14:17: error: unknown key `every`"),
    ],
)
def test_a_sample_of_the_log_that_makes_no_sense_is_told_where_it_stands(written: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(TEXT + f"log: {{sampled: {written}}}\n", "f", Given())
    assert sentence in str(caught.value)


def test_a_log_samples_as_written_and_no_slowness_is_none() -> None:
    log = load_text(TEXT + "log: {access: sampled, sampled: {slow: 0, rate: 30/m}}\n", "f", Given()).rules.log
    assert (log.access, log.sampled.share, log.sampled.slow, log.sampled.rate) == ("sampled", 0.01, None, 0.5)


def test_spans_are_exported_only_where_their_fields_are_sent() -> None:
    text = TEXT + "tracing:\n  headers: false\n  export: {endpoint: 'http://collector:4318'}\n"
    with pytest.raises(ConfigError) as caught:
        load_text(text, "f", Given())
    (problem,) = caught.value.problems
    assert str(problem).startswith("f:16:11: error: `export` needs `headers: true`")
