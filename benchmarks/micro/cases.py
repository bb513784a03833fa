"""What is timed: one line of CASES for each call, with a function that sets it up.

`prepare` returns a function that makes the call so many times; the loop belongs to it, so that only one plain `for`
stands around what is measured. To add a case, write its `prepare` in a file of its own policy and add one line here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.micro import Calls, admissions, decision, rate_limit, routing, tls


@dataclass(frozen=True, slots=True)
class Case:
    """One call: what it is called in the table, the module that says whether it is compiled, how it is set up."""

    name: str
    module: str
    prepare: Callable[[], Calls]


_RATE_LIMIT = "sidecar.policies.rate_limit"
_ROUTING = "sidecar.runtime.routing"
_TLS = "sidecar.tls.session"
_TABLES = (1, 10, 100, 10_000)

CASES: tuple[Case, ...] = (
    Case("rate_limits, one bucket", _RATE_LIMIT, rate_limit.one_bucket),
    Case("rate_limits, known key", _RATE_LIMIT, rate_limit.known_key),
    Case("rate_limits, new key", _RATE_LIMIT, rate_limit.new_key),
    Case("rate_limits, refused", _RATE_LIMIT, rate_limit.refused),
    Case("rate_limits, three limits", _RATE_LIMIT, rate_limit.three_limits),
    Case("rate_limits, fields of one bucket", _RATE_LIMIT, rate_limit.fields_of_one_bucket),
    Case("rate_limits, fields of a known key", _RATE_LIMIT, rate_limit.fields_of_a_known_key),
    Case("concurrency, taken and settled", "sidecar.policies.bulkhead", admissions.bulkhead),
    Case("circuit_breaker, closed, settled", "sidecar.policies.circuit_breaker", admissions.breaker),
    Case("retry, deposit", "sidecar.policies.retry", admissions.deposit),
    Case("retry, a status not repeated", "sidecar.policies.retry", admissions.repeats_status),
    Case("ejection, a success settled", "sidecar.policies.ejection", admissions.ejection),
    Case("all admissions of one request", _RATE_LIMIT, admissions.one_request),
    Case("the decision of one exchange, whole", "sidecar.exchange.decision", decision.exchange),
    Case("route, without a condition", _ROUTING, routing.anything),
    *[Case(f"route, first of {count}", _ROUTING, routing.first(count)) for count in _TABLES],
    *[Case(f"route, last of {count}", _ROUTING, routing.last(count)) for count in _TABLES],
    *[Case(f"route, none of {count}", _ROUTING, routing.none(count)) for count in _TABLES],
    Case("route, of 10000 on 1000 hosts", _ROUTING, routing.mixed),
    Case("route, of 10000 by one header", _ROUTING, routing.tenants),
    Case("TLS, a message and its answer, both ends", _TLS, tls.message),
    Case("TLS, a handshake, both ends", _TLS, tls.handshake),
)
