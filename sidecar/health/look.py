"""One look at one endpoint: a GET, or a connection that is made and closed again.

Each has a connection of its own, because one that is kept proves nothing about the next to be made. The answer is read
as strictly, and within the same bounds, as those that requests get. Keeps nothing between two looks. Knows no verdict:
what a finding means is the policy's.
"""

from __future__ import annotations

import asyncio
import os
import socket

from sidecar import __version__
from sidecar.health.finding import (
    CONNECT_FAILURE,
    PROTOCOL_ERROR,
    RESET,
    SHORTAGE,
    STATUS,
    SUCCESS,
    TIMEOUT,
    Finding,
)
from sidecar.model.address import Address
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.policies.units import show_duration
from sidecar.runtime.upstream import Endpoint
from sidecar.transport.dialling import is_shortage
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
_LIMITS = HeadLimits()


async def look(endpoint: Endpoint, spec: HealthCheckSpec) -> Finding:
    """Ask the endpoint as the rule says. Never raises."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(spec.timeout):
            await _look(endpoint, spec, found)
    except TimeoutError:
        failure = Finding(TIMEOUT, f"timed out after {show_duration(spec.timeout)}")
    except BadMessage as fault:
        failure = Finding(PROTOCOL_ERROR, f"broken answer: {fault.detail}")
    except OSError as fault:
        failure = Finding(RESET, _said(fault))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the checks go on
        failure = Finding(PROTOCOL_ERROR, _words(error))
    return found[0] if found else failure  # once the status is here, what becomes of the body says nothing


async def _look(endpoint: Endpoint, spec: HealthCheckSpec, found: list[Finding]) -> None:
    try:
        reader, writer = await _connected(endpoint.address)
    except OSError as fault:
        found.append(Finding(SHORTAGE if is_shortage(fault) else CONNECT_FAILURE, _said(fault)))
        return
    try:
        if spec.path is None:
            found.append(Finding(SUCCESS, "accepts connections"))
            return
        writer.write(_request(endpoint, spec.path))
        answer = await _answer(reader)
        if answer is None:
            found.append(Finding(RESET, "closed the connection without an answer"))
            return
        head, rest = answer
        expected = any(low <= head.status <= high for low, high in spec.expect_status)
        found.append(Finding(SUCCESS if expected else STATUS, f"status {head.status}"))
        await _take_body(reader, head, rest)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # its socket closes in the next turn


async def _connected(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.path is not None:
        return await asyncio.open_unix_connection(address.path, limit=_PIECE)
    return await asyncio.open_connection(address.host, address.port, limit=_PIECE)


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


def _said(fault: OSError) -> str:
    """What the operating system or the resolver says, as the end of a sentence."""
    if isinstance(fault, socket.gaierror) or not fault.errno:
        words = fault.strerror or _words(fault)
    else:
        words = os.strerror(fault.errno)
    return words[:1].lower() + words[1:]


def _words(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:_MAX_WORDS]
