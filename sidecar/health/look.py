"""One look at one endpoint: a GET, some bytes and their answer, or a connection that is made and closed again.

Each has a connection of its own, because one that is kept proves nothing about the next to be made. The answer is read
as strictly, and within the same bounds, as those that requests get. Keeps nothing between two looks. Knows no verdict:
what a finding means is the policy's.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import cast

from sidecar import __version__
from sidecar.health.finding import (
    ANSWER,
    CONNECT_FAILURE,
    PROTOCOL_ERROR,
    RESET,
    SHORTAGE,
    STATUS,
    SUCCESS,
    TIMEOUT,
    TLS_FAILURES,
    Finding,
)
from sidecar.model.outcome import Cause
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.policies.units import show_duration
from sidecar.runtime.endpoint import Endpoint
from sidecar.transport.dialling import Dial, cause_of, connector_to, said
from sidecar.wire.body import reader_for
from sidecar.wire.errors import UPSTREAM_PROTOCOL_ERROR, BadMessage
from sidecar.wire.head import parse_response
from sidecar.wire.message import HeadLimits, ResponseHead

USER_AGENT = f"sidecar-health-check/{__version__}"
# Of a body so much is taken, for a backend that would complain of one that nobody took; the status says all.
MAX_BODY_BYTES = 16 << 10
MAX_INTERIM = 32
_PIECE = 16 << 10
_MAX_WORDS = 200
_MAX_SHOWN = 40
_LIMITS = HeadLimits()
# What a failed connection is called.
_RESULT_OF: dict[Cause, str] = {cause: cause.value for cause in Cause if cause.value in TLS_FAILURES}
_RESULT_OF |= {Cause.CONNECT_FAILURE: CONNECT_FAILURE, Cause.POOL_FULL: SHORTAGE}


@cache
def vigil(connect_timeout: float) -> HealthCheckSpec:
    """How an endpoint is looked at that was lost and has no check to bring it back: whether a connection such as
    requests have comes about in the time that theirs have, in seconds."""
    return HealthCheckSpec(tcp=True, interval=0.1, timeout=connect_timeout, healthy_after=1, unhealthy_after=1)


async def look(endpoint: Endpoint, spec: HealthCheckSpec) -> Finding:
    """Ask the endpoint as the rule says, over a connection such as requests have. Never raises."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(spec.timeout):
            await _look(endpoint, spec, found)
    except TimeoutError:
        failure = Finding(TIMEOUT, f"timed out after {show_duration(spec.timeout)}")
    except BadMessage as fault:
        failure = Finding(PROTOCOL_ERROR, f"broken answer: {fault.detail}")
    except OSError as fault:
        cause = cause_of(fault).value
        failure = Finding(cause if cause in TLS_FAILURES else RESET, _words(said(fault)))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the checks go on
        failure = Finding(PROTOCOL_ERROR, _words(str(error) or type(error).__name__))
    return found[0] if found else failure  # once the status is here, what becomes of the body says nothing


async def _look(endpoint: Endpoint, spec: HealthCheckSpec, found: list[Finding]) -> None:
    try:
        reader, writer = await _connected(endpoint, spec)
    except OSError as fault:
        found.append(Finding(_RESULT_OF[cause_of(fault)], _words(said(fault))))
        return
    try:
        if spec.path is not None:
            await _get(endpoint, spec, reader, writer, found)
        elif spec.expect is not None:
            found.append(await _talk(spec.send or "", spec.expect, reader, writer))
        else:
            found.append(Finding(SUCCESS, "accepts connections"))
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # its socket closes in the next turn


async def _connected(endpoint: Endpoint, spec: HealthCheckSpec) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    channel = endpoint.channel
    dial: Dial = connector_to(loop, endpoint.address) if channel is None else channel.connector
    greeting: bytes = b"" if channel is None else channel.greeting
    reader = asyncio.StreamReader(limit=_PIECE, loop=loop)
    protocol = await dial(lambda: _Ends(reader, loop=loop), greeting)
    return reader, asyncio.StreamWriter(protocol.transport, protocol, reader, loop)


class _Ends(asyncio.StreamReaderProtocol):
    """What connects a reader with the transport under it."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # with TLS, one that only looks like it
        super().connection_made(transport)


async def _get(
    endpoint: Endpoint,
    spec: HealthCheckSpec,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    found: list[Finding],
) -> None:
    writer.write(_request(endpoint, spec.path or "/"))
    answer = await _answer(reader)
    if answer is None:
        found.append(Finding(RESET, "closed the connection without an answer"))
        return
    head, rest = answer
    expected = any(low <= head.status <= high for low, high in spec.expect_status)
    found.append(Finding(SUCCESS if expected else STATUS, f"status {head.status}"))
    await _take_body(reader, head, rest)


async def _talk(send: str, expect: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Finding:
    """Says the one, and hears whether the answer begins with the other."""
    writer.write(send.encode("latin-1"))
    wanted = expect.encode("latin-1")
    answer = b""
    while len(answer) < len(wanted) and wanted.startswith(answer) and (piece := await reader.read(_PIECE)):
        answer += piece
    if answer.startswith(wanted):
        return Finding(SUCCESS, f"answered {_shown(wanted)}")
    if wanted.startswith(answer):
        return Finding(RESET, "closed the connection without an answer" if not answer else "broke off its answer")
    return Finding(ANSWER, f"answered {_shown(answer)}, not {_shown(wanted)}")


def _shown(data: bytes) -> str:
    text = repr(data[:_MAX_SHOWN].decode("latin-1"))
    return text if len(data) <= _MAX_SHOWN else f"{text}…"


def _request(endpoint: Endpoint, path: str) -> bytes:
    host = endpoint.authority.decode("ascii")
    lines = f"GET {path} HTTP/1.1", f"Host: {host}", f"User-Agent: {USER_AGENT}", "Accept: */*", "Connection: close"
    return "\r\n".join((*lines, "", "")).encode("ascii")


async def _answer(reader: asyncio.StreamReader) -> tuple[ResponseHead, bytes] | None:
    """The final head and the bytes behind it; None when the connection ends before it.

    :raises BadMessage: what comes is no answer.
    """
    data = b""
    searched = interim = 0
    while piece := await reader.read(_PIECE):
        data += piece
        while (head := parse_response(data, _LIMITS, b"GET", searched)) is not None:
            data = data[head.size :]
            searched = 0
            if head.status >= 200 or head.status == 101:
                return head, data
            interim += 1
            if interim > MAX_INTERIM:
                raise BadMessage(UPSTREAM_PROTOCOL_ERROR, "too many interim answers")
        searched = len(data)
    return None


async def _take_body(reader: asyncio.StreamReader, head: ResponseHead, data: bytes) -> None:
    body = reader_for(head.framing, head.content_length, _LIMITS, UPSTREAM_PROTOCOL_ERROR)
    body.feed(data, 0)
    while not body.done and body.received < MAX_BODY_BYTES and (data := await reader.read(_PIECE)):
        body.feed(data, 0)


def _words(text: str) -> str:
    """As the end of a sentence."""
    words = " ".join(text.split())[:_MAX_WORDS]
    return words[:1].lower() + words[1:]
