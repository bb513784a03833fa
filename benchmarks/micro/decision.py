"""The whole decision of one exchange that goes well: every policy of the benchmark's rules asked, and told the end."""

import random

from benchmarks.micro import Calls
from sidecar.exchange.decision import Decision
from sidecar.model.observer import Unobserved
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.contract import Key
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.runtime.build import prepare

_RULES = """
version: 1
listeners: [{address: "127.0.0.1:0"}]
upstreams:
  app:
    endpoints: ["http://127.0.0.1:3000"]
    circuit_breaker: {failure_ratio: 0.5}
    ejection: {consecutive_failures: 5}
routes:
  - name: all
    upstream: app
    rate_limits:
      - {name: per-client, rate: 1000000000/s, key: client_ip}
      - {name: whole, rate: 1000000000/s}
    concurrency: {max: 10000, max_queue: 100}
    timeout: {request: 15s, attempt: 5s, idle: 60s}
    retry: {max_attempts: 3}
"""


class _Caller:
    """The bridge, as the decision sees it."""

    def key(self, key: Key) -> str:
        return "192.0.2.7"

    def woken(self) -> None:
        raise AssertionError("nobody waits here")


def exchange() -> Calls:
    """Made, begun, the request sent, answered 200, complete, ended."""
    loaded = load_text(_RULES, "rules.yaml", Given())
    runtime = prepare(loaded.rules, loaded.digest, None, Unobserved(), random.Random(1))
    route = runtime.routes[0]
    caller = _Caller()

    def calls(count: int) -> None:
        now = 1000.0
        for _ in range(count):
            now += 0.00002
            decision = Decision(route, caller, now, 1e9)
            decision.method = b"GET"
            decision.begin(now)
            decision.request_sent(now)
            decision.answered(now, 200, NO_HINT)
            decision.completed(now)
            decision.ended(now)

    return calls
