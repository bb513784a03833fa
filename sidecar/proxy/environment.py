"""What every exchange of a process shares: clock and timers, ids, the log, and whether the process is leaving."""

from __future__ import annotations

from sidecar.model.record import ExchangeLog
from sidecar.model.trace import ExchangeTracer
from sidecar.policies.stale_store import StaleStore
from sidecar.rules.schema import TracingRule
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.forwarding import DeadlineLine, TrustedNetworks
from sidecar.wire.trace_context import IdSource, TraceTerms


class Environment:
    """One per process. `draining`: every answer closes its connection, as the process leaves or others wait outside for
    the connection's place. `shedding`: new requests are refused for want of memory. `replay_bytes`: how much of a
    request's body is kept for a connection that is not there yet or has to be replaced. `stores` hold the last good
    answers of every route that remembers them: a change made through one route is told to all. `tracer` is told of
    exchanges whose trace is sampled, None when nobody records; `follow_tracing` sets it."""

    # fmt: off
    __slots__ = (
        "deadline_line", "draining", "ids", "log", "replay_bytes", "shedding", "stores", "trace_terms", "tracer",
        "trusted", "wheel",
    )
    # fmt: on

    def __init__(
        self,
        wheel: DeadlineWheel,
        ids: IdSource,
        log: ExchangeLog,
        trusted: TrustedNetworks,
        replay_bytes: int = 65536,
    ) -> None:
        self.wheel = wheel
        self.deadline_line = DeadlineLine()
        self.ids = ids
        self.log = log
        self.trusted = trusted
        self.draining = False
        self.shedding = False
        self.replay_bytes = replay_bytes
        self.stores: tuple[StaleStore, ...] = ()
        self.trace_terms = TraceTerms()
        self.tracer: ExchangeTracer | None = None

    def follow_tracing(self, rule: TracingRule, tracer: ExchangeTracer | None) -> None:
        """Traces requests from now on by this rule; those under way end as they began."""
        self.tracer = tracer
        self.trace_terms = TraceTerms(rule.headers, rule.sample, tracer is not None)
