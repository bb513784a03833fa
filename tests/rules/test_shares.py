"""What one worker of several keeps to."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.fallback import FallbackSpec
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.retry import RetrySpec
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.schema import RuleSet
from sidecar.rules.shares import share_of

RULES = """
version: 1
log: {sampled: {rate: 100/s}}
listeners: [{name: public, address: ':8080', max_connections: 1000}]
upstreams:
  app:
    endpoints: [http://127.0.0.1:1]
    pool: {max_connections: 10, max_connects: 100/s}
    hold: {max_requests: 50, release: 100/s}
routes:
  - name: all
    upstream: app
    rate_limits: [{name: total, rate: 1000/s}]
    concurrency: {max: 7}
    retry: {budget: {min_per_second: 10}}
    fallback: {on: [503], stale: {max_bytes: 16MiB}}
"""


def rules(text: str = RULES) -> RuleSet:
    return load_text(text, "rules.yaml", Given()).rules


def test_one_worker_keeps_to_the_rules_as_they_are() -> None:
    whole = rules()
    assert share_of(whole, 1) is whole


def test_what_each_keeps_for_itself_is_dealt_out() -> None:
    part = share_of(rules(), 4)
    app, route = part.upstreams["app"], part.routes[0]
    hold, retry = app.spec(HoldSpec), route.spec(RetrySpec)
    assert hold is not None
    assert retry is not None
    assert retry.budget is not None
    assert part.log.sampled.rate == 25.0
    assert (part.listeners[0].max_connections, app.pool.max_connections, app.pool.max_connects) == (250, 2, 25.0)
    assert (hold.max_requests, hold.release, retry.budget.min_per_second) == (12, 25.0, 2.5)
    fallback = route.spec(FallbackSpec)
    assert fallback is not None
    assert fallback.stale is not None
    assert fallback.stale.max_bytes == 4 << 20


def test_memory_is_dealt_out_down_to_what_is_a_limit_at_all() -> None:
    whole = rules(RULES + "overload: {max_memory: 64MiB}\n")
    assert share_of(whole, 2).overload.max_memory == 32 << 20
    assert share_of(whole, 8).overload.max_memory == 16 << 20
    assert share_of(rules(), 2).overload.max_memory is None


def test_what_all_share_stays_whole() -> None:
    whole, part = rules(), share_of(rules(), 4)
    assert part.routes[0].specs(RateLimitSpec) == whole.routes[0].specs(RateLimitSpec)
    assert part.routes[0].policies["concurrency"] == whole.routes[0].policies["concurrency"]
    assert part.upstreams["app"].policies["circuit_breaker"] == whole.upstreams["app"].policies["circuit_breaker"]


def test_an_unpaced_pool_and_an_unbounded_retry_stay_so() -> None:
    text = RULES.replace(", max_connects: 100/s", "").replace("budget: {min_per_second: 10}", "budget: null")
    part = share_of(rules(text), 4)
    retry = part.routes[0].spec(RetrySpec)
    assert retry is not None
    assert (part.upstreams["app"].pool.max_connects, retry.budget) == (None, None)


@given(workers=st.integers(1, 64), connections=st.integers(1, 2000))
def test_together_they_never_have_more_than_the_rules_say_unless_there_is_less_than_one_each(
    workers: int, connections: int
) -> None:
    part = share_of(rules(RULES.replace("max_connections: 10,", f"max_connections: {connections},")), workers)
    each = part.upstreams["app"].pool.max_connections
    assert each >= 1
    assert each * workers <= max(connections, workers)
