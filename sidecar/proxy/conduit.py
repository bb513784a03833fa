"""One connection of bytes driven: performs what the decision says, until both halves have ended.

The bridge without HTTP: a connection is its own request, which is answered when an endpoint has taken it. Judges
nothing (exchange/decision.py does) and names no policy that admits. Every method that a stream calls is guarded: a bug
in here ends this connection, and touches no other.

    HELD     --admitted-->    WAITING (for an endpoint)   --refused-->  DONE
    WAITING  --leased-->      TUNNEL                      --failed, tried again-->  HELD, WAITING
    any      --both halves ended, a refusal, a cut-->     DONE
"""

from __future__ import annotations

import logging
from math import inf

from sidecar.exchange.decision import Decision
from sidecar.exchange.steps import ATTEMPT, NOBODY, WAIT
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
from sidecar.transport.stream import Channel, Receiver, UpstreamStream
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


class Conduit(Receiver):
    """Both ears of one connection, and the Driver of its decision."""

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
        self.unsent = 0  # by both sides, when one of them was last seen not to keep up
        self.detail = ""  # what went wrong, for the log

    def begin(self, now: float) -> None:
        """Asks whether it may go on, and starts the first attempt or refuses at once."""
        self.decision.method = RAW_METHOD
        try:
            self.route.observer.started()
            self._perform(self.decision.begin(now), now)
        except Exception as error:  # noqa: BLE001 - guarded, as the file's head says
            self._crash(error)

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

    # The downstream side, see Receiver for what each means.

    def request_data(self, data: bytes) -> None:
        try:
            if self.upstream is not None:
                self.bytes_in += len(data)
                self._touch()
                self.upstream.send_data(data)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def request_bulk(self, view: memoryview) -> None:
        try:
            if self.upstream is not None:
                self.bytes_in += len(view)
                self._touch()
                self.upstream.send_bulk(view)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def request_end(self, trailers: bytes) -> None:
        try:
            if self.upstream is not None:
                self._touch()
                self.upstream.send_end()
                self._half_close()
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def request_broken(self, reason: Reason, detail: str) -> None:
        if self.state == DONE:
            return
        try:
            self.detail = detail
            now = self.environment.wheel.now()
            stood = self.state == TUNNEL
            self._release(now)
            if stood:
                self.decision.parted(now, Cause.DOWNSTREAM_GONE)
                self.decision.reason = reason
                self._finish(now, STOOD)
                self.downstream.reset()
            else:
                self.decision.abandoned(now)
                self.decision.status = 0
                self.decision.rule = ""
                self._refuse(now, reason)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def downstream_gone(self) -> None:
        if self.state == DONE:
            return
        try:
            now = self.environment.wheel.now()
            stood = self.state == TUNNEL
            self._release(now)
            if stood:
                self.detail = "the client broke the connection off"
                self.decision.parted(now, Cause.DOWNSTREAM_GONE)
                self._finish(now, STOOD)
                return
            self.decision.abandoned(now)
            self.decision.reason = Reason.DOWNSTREAM_GONE
            self._finish(now, Reason.DOWNSTREAM_GONE.status)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def downstream_paused(self) -> None:
        if self.upstream is not None:
            self.unsent = self._left()
            self.upstream.pause()

    def downstream_resumed(self) -> None:
        if self.upstream is not None:
            self._touch()
            self.upstream.resume()

    # The upstream side, see Receiver.

    def leased(self, stream: UpstreamStream) -> None:
        try:
            self._couple(stream, self.environment.wheel.now())
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def lease_failed(self, cause: Cause, detail: str) -> None:
        self.upstream_failed(cause, detail)

    def response_data(self, data: bytes) -> None:
        try:
            self.bytes_out += len(data)
            self._touch()
            self.downstream.send_data(data)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def response_bulk(self, view: memoryview) -> None:
        try:
            self.bytes_out += len(view)
            self._touch()
            self.downstream.send_bulk(view)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def response_end(self, trailers: bytes) -> None:
        try:
            self._touch()
            self.downstream.send_end()
            self._half_close()
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def upstream_failed(self, cause: Cause, detail: str) -> None:
        if self.state == DONE:
            return
        try:
            self.upstream = None
            self.detail = detail
            now = self.environment.wheel.now()
            if self.state == TUNNEL:
                self._part(now, cause)
            else:
                self._perform(self.decision.failed(now, cause), now)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def upstream_paused(self) -> None:
        self.unsent = self._left()
        self.downstream.pause()

    def upstream_resumed(self) -> None:
        if self.state == TUNNEL:
            self._touch()
            self.downstream.resume()

    # Time.

    def expired(self) -> None:
        """The end of a wait; once it stands, the idle timeout or that of the whole."""
        if self.state == DONE:
            return
        try:
            now = self.environment.wheel.now()
            decision = self.decision
            if self.state != TUNNEL:
                self._perform(decision.resumed(now), now)
            elif now >= decision.total_deadline:
                decision.overdue(now)
                self._release(now)
                self._finish(now, STOOD)
                self.downstream.reset()
            elif self._left() < self.unsent:
                # Nothing new was read, but one side still takes what the other has said before.
                self.unsent = self._left()
                self._touch()
            else:
                self.detail = "neither side has said anything for the time that `timeout.idle` allows"
                self._release(now)
                self._part(now, Cause.IDLE_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def _wake(self) -> None:
        if self.state != HELD:
            return
        try:
            now = self.environment.wheel.now()
            self._perform(self.decision.resumed(now), now)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def _touch(self) -> None:
        wheel = self.environment.wheel
        deadline = wheel.turn + self.route.idle_timeout
        if self.decision.total_deadline < deadline:
            deadline = self.decision.total_deadline
        wheel.set(self.timer, deadline)

    def _left(self) -> int:
        upstream = self.upstream
        return self.downstream.unsent() + (0 if upstream is None else upstream.unsent())

    # What is done.

    def _perform(self, step: int, now: float) -> None:
        decision = self.decision
        wheel = self.environment.wheel
        if step == WAIT:
            self.state = HELD
            wheel.set(self.timer, decision.wait_until)
            return
        if step != ATTEMPT:
            self.state = HELD  # nothing is under way any more
            self._refuse(now, decision.reason or Reason.INTERNAL_ERROR)
            return
        decision.request_sent(now)  # an attempt's time is that of its connecting
        self.state = WAITING
        wheel.clear(self.timer)
        endpoint = decision.endpoint
        if endpoint is None or endpoint.channel is None:
            raise RuntimeError("an attempt without a way to its endpoint")
        channel: Channel = endpoint.channel
        stream = channel.lease(self, decision.attempt_deadline)
        if stream is not None:
            self._couple(stream, now)

    def _couple(self, stream: UpstreamStream, now: float) -> None:
        """The endpoint has taken the connection: from here on what one side says goes to the other."""
        upstream: RawUpstream = stream  # type: ignore[assignment]  # what the pool of a tcp endpoint lends
        self.upstream = upstream
        self.state = TUNNEL
        decision = self.decision
        decision.sent = True
        decision.switched(now)
        upstream.open_tunnel(self)
        self.downstream.open_tunnel()
        self._touch()

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
