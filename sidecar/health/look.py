"""One look at one endpoint: a GET, or a connection that is made and closed again.

Each has a connection of its own, because one that is kept proves nothing about the next to be made. Keeps nothing
between two looks. Knows no verdict: what a finding means is the policy's.
"""

from __future__ import annotations

import asyncio
import os
import socket

import aiohttp
from yarl import URL

from sidecar import __version__
from sidecar.health.finding import CONNECT_FAILURE, PROTOCOL_ERROR, RESET, STATUS, SUCCESS, TIMEOUT, Finding
from sidecar.model.address import Address
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.policies.units import show_duration
from sidecar.runtime.upstream import Endpoint

USER_AGENT = f"sidecar-health-check/{__version__}"
# Of a body so much is taken, for a backend that would complain of one that nobody took; the status says all.
MAX_BODY_BYTES = 16 << 10
_MAX_WORDS = 200
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class _FirstFailure(Exception):  # noqa: N818 - reads as what it holds
    """Holds what the client would hide."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def look(endpoint: Endpoint, spec: HealthCheckSpec) -> Finding:
    """Ask the endpoint as the rule says. Never raises."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(spec.timeout):
            if spec.path is None:
                await _connect(endpoint.address)
                return Finding(SUCCESS, "accepts connections")
            await _get(endpoint, spec, spec.path, found)
    except TimeoutError:
        late = Finding(TIMEOUT, f"timed out after {show_duration(spec.timeout)}")
        return found[0] if found else late  # the status had come, only its body is slow
    except (OSError, aiohttp.ClientError) as error:
        return found[0] if found else _failure(error)
    except _FirstFailure as failure:
        return _failure(failure.error)
    except Exception as error:  # noqa: BLE001 - whatever an endpoint makes a library do, its checks go on
        return found[0] if found else Finding(PROTOCOL_ERROR, _words(error))
    return found[0]


async def _connect(address: Address) -> None:
    loop = asyncio.get_running_loop()
    transport: asyncio.BaseTransport
    if address.path is not None:
        transport, _ = await loop.create_unix_connection(asyncio.Protocol, address.path)
    else:
        transport, _ = await loop.create_connection(asyncio.Protocol, address.host, address.port)
    transport.close()
    await asyncio.sleep(0)  # its socket closes in the next turn


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The client would send a GET that was cut off again by itself, and one failure in two would go unseen."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _FirstFailure(error) from error


async def _get(endpoint: Endpoint, spec: HealthCheckSpec, path: str, found: list[Finding]) -> None:
    headers = {"Host": endpoint.authority.decode("ascii"), "User-Agent": USER_AGENT, "Accept": "*/*"}
    address = endpoint.address
    connector: aiohttp.BaseConnector
    if address.path is not None:
        connector, where = aiohttp.UnixConnector(address.path, force_close=True), "localhost"
    else:
        connector, where = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), force_close=True), str(address)
    async with (
        aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUT,
            auto_decompress=False,
            middlewares=(_once,),
        ) as session,
        # `encoded`: the path goes out byte for byte as the rule has it.
        session.get(
            URL(f"http://{where}{path}", encoded=True),
            headers=headers,
            allow_redirects=False,
            skip_auto_headers=("Accept-Encoding",),
        ) as response,
    ):
        status = response.status
        expected = any(low <= status <= high for low, high in spec.expect_status)
        found.append(Finding(SUCCESS if expected else STATUS, f"status {status}"))
        left = MAX_BODY_BYTES
        while left > 0 and (taken := await response.content.read(left)):
            left -= len(taken)


def _failure(error: Exception) -> Finding:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Finding(RESET, "closed the connection without an answer")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Finding(CONNECT_FAILURE, _said(error.os_error))
    if isinstance(error, ConnectionRefusedError | socket.gaierror | FileNotFoundError):
        return Finding(CONNECT_FAILURE, _said(error))
    if isinstance(error, ConnectionError | aiohttp.ClientOSError):
        return Finding(RESET, _said(error))
    if isinstance(error, OSError):
        return Finding(CONNECT_FAILURE, _said(error))
    return Finding(PROTOCOL_ERROR, f"broken answer: {_words(error)}")


def _said(fault: OSError) -> str:
    """What the operating system or the resolver says, as the end of a sentence."""
    if isinstance(fault, socket.gaierror) or not fault.errno:
        words = fault.strerror or _words(fault)
    else:
        words = os.strerror(fault.errno)
    return words[:1].lower() + words[1:]


def _words(error: Exception) -> str:
    text = getattr(error, "message", "") or str(error) or type(error).__name__
    return " ".join(str(text).split())[:_MAX_WORDS]
