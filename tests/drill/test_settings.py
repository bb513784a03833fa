"""Values in force, with their places."""

from sidecar.drill.settings import Settings
from tests.doubles.drills import rules, settled_rules

WRITTEN = rules(
    "version: 1\n"
    "listeners: [{name: l, address: ':1'}]\n"
    "upstreams: {app: {endpoints: ['http://127.0.0.1:1']}}\n"
    "routes:\n"
    "  - name: login\n"
    "    upstream: app\n"
    "    rate_limits:\n"
    "      - {name: each, rate: 5/s, key: client_ip}\n"
)


def test_a_value_is_told_with_where_it_was_written() -> None:
    assert str(Settings(WRITTEN).at("routes.login.rate_limits.each.rate")) == (
        "routes.login.rate_limits.each.rate: 5/s (rules.yaml:8)"
    )


def test_what_nobody_has_written_is_null() -> None:
    assert (
        str(Settings(settled_rules()).at("upstreams.app.hold")) == "upstreams.app.hold: null (--set upstreams.app.hold)"
    )


def test_a_refusals_rule_leads_to_its_likeliest_key() -> None:
    found = Settings(WRITTEN).behind("login/each", "rate")
    assert found is not None
    assert (found.key, found.value) == ("routes.login.rate_limits.each.rate", "5/s")
    assert Settings(WRITTEN).behind("nobody/knows", "rate") is None


def test_the_first_below_a_policy_is_the_likeliest_or_any() -> None:
    settings = Settings(settled_rules())
    assert settings.first("upstreams.app.circuit_breaker", "open_for").value == "30s"
    assert settings.first("upstreams.app.circuit_breaker", "none").key == "upstreams.app.circuit_breaker.failure_ratio"
    assert settings.first("upstreams.app.hold", "timeout").key == "upstreams.app.hold"
