"""A refusal's rule leads to the keys that were written for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.rules.load import Loaded, load_rules
from sidecar.rules.lookup import keys_of_rule, origin_of

EVERY_KEY = Path(__file__).parents[2] / "config" / "examples" / "every-key.yaml"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_rules(str(EVERY_KEY), allow_faults=True)


@pytest.mark.parametrize(
    ("rule", "key", "value"),
    [
        ("login/per-client", "routes.login.rate_limits.per-client.rate", "10/s"),
        ("login/concurrency", "routes.login.concurrency.max", "64"),
        ("login/timeout.request", "routes.login.timeout.request", "3s"),
        ("login/circuit_breaker", "routes.login.circuit_breaker.failure_ratio", "0.3"),
        ("login/connect_timeout", "upstreams.app.connect_timeout", "1s"),
        ("login/pool.max_connections", "upstreams.app.pool.max_connections", "512"),
        ("app/hold", "upstreams.app.hold.max_requests", "100"),
        ("app/circuit_breaker", "upstreams.app.circuit_breaker.failure_ratio", "0.5"),
        ("upstream.app", "upstreams.app.circuit_breaker.failure_ratio", "0.5"),
        ("route.login", "routes.login.circuit_breaker.failure_ratio", "0.3"),
        ("overload/max_memory", "overload.max_memory", "512MiB"),
        ("login", "routes.login.match.path", "/login"),
    ],
)
def test_a_rule_s_name_leads_to_its_keys_with_their_lines(loaded: Loaded, rule: str, key: str, value: str) -> None:
    found = {one.key: one for one in keys_of_rule(loaded, rule)}
    assert found[key].value == value
    line = int(found[key].origin.rpartition(":")[2])
    assert value.split("/")[0] in EVERY_KEY.read_text().splitlines()[line - 1]


def test_only_the_rule_s_own_keys_are_told(loaded: Loaded) -> None:
    keys = [one.key for one in keys_of_rule(loaded, "login/timeout.request")]
    assert keys == ["routes.login.timeout.request"]


@pytest.mark.parametrize("rule", ["", "/", "nobody", "nobody/per-client", "login/", "login/nothing", "route.", "a/b/c"])
def test_a_name_that_no_rule_has_leads_nowhere(loaded: Loaded, rule: str) -> None:
    assert keys_of_rule(loaded, rule) == []


def test_a_piece_of_a_longer_value_came_from_where_that_is_written() -> None:
    assert origin_of("a.b.0.c", {"a.b": "rules.yaml:3"}) == "rules.yaml:3"
    assert origin_of("x.y", {"a.b": "rules.yaml:3"}) == "default"


def test_secrets_stay_hidden(loaded: Loaded) -> None:
    assert all(one.value == "***" for one in keys_of_rule(loaded, "admin/token"))
