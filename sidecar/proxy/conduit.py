"""One connection of bytes driven: performs what the decision says, until both halves have ended.

The bridge without HTTP: a connection is its own request, which is answered when an endpoint has taken it. How it ends
is relay.py's. Judges nothing (exchange/decision.py does) and names no policy that admits. Every method that a stream
calls is guarded: a bug in here ends this connection, and touches no other.

    HELD     --admitted-->    WAITING (for an endpoint)   --refused-->  DONE
    WAITING  --leased-->      TUNNEL                      --failed, tried again-->  HELD, WAITING
    any      --both halves ended, a refusal, a cut-->     DONE
"""

from __future__ import annotations

from sidecar.exchange.steps import ATTEMPT, WAIT
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.proxy.record import RAW_METHOD
from sidecar.proxy.relay import STOOD, Relay
from sidecar.proxy.states import DONE, HELD, TUNNEL, WAITING
from sidecar.transport.raw_upstream import RawUpstream
from sidecar.transport.stream import Channel, UpstreamStream


class Conduit(Relay):
    """Both ears of one connection."""

    __slots__ = ()

    def begin(self, now: float) -> None:
        """Asks whether it may go on, and starts the first attempt or refuses at once."""
        self.decision.method = RAW_METHOD
        try:
            self.route.observer.started()
            self._perform(self.decision.begin(now), now)
        except Exception as error:  # noqa: BLE001 - guarded, as the file's head says
            self._crash(error)

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
            self.unsent = self._left()
            self._touch()
            self.upstream.resume()

    # The upstream side, see Receiver.

    def leased(self, stream: UpstreamStream) -> None:
        try:
            now = self.environment.wheel.now()
            self.decision.lent(stream.since(now))
            self._couple(stream, now)
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
            self.unsent = self._left()
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
            elif self._left() != self.unsent:
                # Nothing new was read, but one side may still take what the other has said before.
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
