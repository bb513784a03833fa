"""How a connection of bytes ends: by both its halves, by being refused or cut, or by a bug of ours.

Owns what the connection holds and gives back, its record, and the guard of last resort; the way there is conduit.py's.
Whatever the ending, it passes `_finish`, once.
"""

from __future__ import annotations

import logging
from math import inf

from sidecar.exchange.decision import Decision
from sidecar.exchange.steps import NOBODY
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.policies.contract import Key
from sidecar.policies.timeout import TimeoutSpec
from sidecar.proxy.environment import Environment
from sidecar.proxy.local_reply import rule_name
from sidecar.proxy.record import RAW_METHOD, connection_record
from sidecar.proxy.states import DONE, HELD, TUNNEL, WAITING
from sidecar.runtime.route import Route
from sidecar.transport.arrival import announcement
from sidecar.transport.byte_connection import ByteConnection
from sidecar.transport.raw_upstream import RawUpstream
from sidecar.transport.stream import Channel, Receiver
from sidecar.wire.proxy_protocol import Version

_log = logging.getLogger("sidecar.proxy")

# In logs and metrics, of a connection that an endpoint has taken, however it ended.
STOOD = 200


class _NoRequest:
    """What a key is told of a request, where there is none: only `client_ip` asks nothing of it."""

    method = RAW_METHOD
    path = b""
    authority = b""

    def header(self, name: bytes) -> bytes | None:
        """There are no fields."""
        return None


NO_REQUEST = _NoRequest()


class Relay(Receiver):
    """One connection's possessions, and its ways to end. The Driver of its decision."""

    # fmt: off
    __slots__ = (
        "bytes_in", "bytes_out", "decision", "detail", "downstream", "environment", "half_closed", "route", "state",
        "timer", "unsent", "upstream",
    )
    # fmt: on

    def __init__(self, environment: Environment, downstream: ByteConnection, route: Route) -> None:
        self.environment = environment
        self.downstream = downstream
        self.route = route
        self.decision = Decision(route, self, downstream.started, inf)
        self.upstream: RawUpstream | None = None
        self.timer = downstream.timer
        self.state = HELD
        self.bytes_in = 0
        self.bytes_out = 0
        self.half_closed = False
        self.unsent = 0  # by both sides, when that was last looked at
        self.detail = ""  # what went wrong, for the log

    # The decision's calls, see Driver.

    def key(self, key: Key) -> str:
        """See Driver."""
        return key.of(NO_REQUEST, self.downstream.origin.peer_ip)

    def announcement(self, version: Version) -> bytes:
        """See Receiver."""
        return announcement(version, self.downstream.ends(), self.downstream.origin.peer_ip)

    def woken(self) -> None:
        """See Driver. In a later turn: it is called inside another exchange's ending."""
        self.environment.wheel.loop.call_soon(self._wake)

    def _wake(self) -> None:
        raise NotImplementedError

    # Endings.

    def _half_close(self) -> None:
        if not self.half_closed:
            self.half_closed = True
            return
        self.upstream = None
        now = self.environment.wheel.turn
        self.decision.completed(now)
        self._finish(now, STOOD)

    def _part(self, now: float, cause: Cause) -> None:
        """It has broken off: the client is not to take what it got for everything."""
        self.decision.parted(now, cause)
        self._finish(now, STOOD)
        self.downstream.reset()

    def _refuse(self, now: float, reason: Reason) -> None:
        decision = self.decision
        decision.reason = reason
        decision.rule = decision.rule or rule_name(self.route.name, reason)
        self.route.observer.rejected(decision.rule, reason)
        self._finish(now, decision.status or reason.status)
        self.downstream.send_end()

    def _release(self, now: float) -> None:
        """Gives back whatever this connection holds or waits for on the upstream side."""
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None
        elif self.state == WAITING:
            endpoint = self.decision.endpoint
            if endpoint is not None and endpoint.channel is not None:
                channel: Channel = endpoint.channel
                channel.forget(self)

    def _finish(self, now: float, status: int) -> None:
        self.state = DONE
        self.environment.wheel.clear(self.timer)
        decision = self.decision
        taken = now - decision.started
        try:
            decision.ended(now)
        finally:
            decision.driver = NOBODY
            if self.route.shadow_timeout is not None:
                self._count_late(now, self.route.shadow_timeout)
            # Whatever a policy's bug: what counts connections in flight is told of the end of each.
            self.route.observer.finished(RAW_METHOD, status, taken, b"", False)
        if self.environment.log.wants(status, decision.reason is not None, taken):
            self.environment.log.exchange(connection_record(self, now, status))

    def _count_late(self, now: float, times: TimeoutSpec) -> None:
        """What a timeout in shadow mode would have cut short."""
        observer, name = self.route.observer, self.route.name
        began = self.decision.started
        if times.request is not None and (self.decision.head_at or now) - began > times.request:
            observer.shadow_rejected(f"{name}/timeout.request", Reason.REQUEST_TIMEOUT)
        elif times.total is not None and now - began > times.total:
            observer.shadow_rejected(f"{name}/timeout.total", Reason.REQUEST_TIMEOUT)

    def _crash(self, error: Exception) -> None:
        """The last resort. It may itself meet a broken stream, so each step stands alone."""
        _log.error("a connection failed inside the proxy", exc_info=error)
        decision = self.decision
        decision.reason = Reason.INTERNAL_ERROR
        decision.rule = ""
        try:
            now = self.environment.wheel.now()
            status = STOOD if self.state == TUNNEL else Reason.INTERNAL_ERROR.status
            try:
                self._release(now)
            finally:
                decision.abandoned(now)
                if self.state == DONE:
                    decision.ended(now)
                else:
                    self._finish(now, status)
        except Exception as again:  # noqa: BLE001 - as above
            _log.error("and so did its ending", exc_info=again)
        self.downstream.reset()
