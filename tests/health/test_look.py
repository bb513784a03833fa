"""One look at an endpoint, over real sockets: what is asked, and what each way to fail is called."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar import __version__
from sidecar.health.finding import Finding
from sidecar.health.look import MAX_BODY_BYTES, MAX_INTERIM, look, vigil
from sidecar.model.address import Address
from sidecar.model.outcome import Cause
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.runtime.endpoint import Endpoint
from sidecar.tls.failures import TlsFailure
from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call, refusing

pytestmark = pytest.mark.both_loops

# Long for whatever answers, and short for what never does: nothing here depends on how long it is.
PATIENT = 30.0
SHORT = 0.05


def endpoint(port: int, host: str = "127.0.0.1") -> Endpoint:
    return Endpoint("app", Address(host, port))


def http(path: str = "/healthz", timeout: float = PATIENT, expect: tuple[int, int] = (200, 399)) -> HealthCheckSpec:
    return HealthCheckSpec(path=path, timeout=timeout, expect_status=(expect,))


def tcp(timeout: float = PATIENT) -> HealthCheckSpec:
    return HealthCheckSpec(tcp=True, timeout=timeout)


def fails_to_connect(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr("sidecar.health.look.connector_to", lambda *_: Channel(error).connector)


class Channel:
    """A pool's, as far as a look needs it: connections that fail, or are counted."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0
        self.greeting = b"PROXY UNKNOWN\r\n"
        self.greeted: list[bytes] = []

    async def connector(self, factory: Callable[[], Any], preamble: bytes = b"") -> Any:
        self.asked += 1
        self.greeted.append(preamble)
        if self.error is not None:
            raise self.error
        raise AssertionError("no connection is made here")


def talk(expect: str, send: str | None = None, timeout: float = PATIENT) -> HealthCheckSpec:
    return HealthCheckSpec(tcp=True, send=send, expect=expect, timeout=timeout)


def answer(status: str, *fields: str, body: bytes = b"") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""])
    return head.encode() + body


async def test_a_get_says_who_asks_and_for_whom_on_a_connection_of_its_own() -> None:
    async with Backend() as backend:
        for _ in range(2):
            assert await look(endpoint(backend.port), http("/a%2Fb?x=%20y")) == Finding("success", "status 200")
        first, _second = backend.requests
        assert (first.method, first.target) == (b"GET", b"/a%2Fb?x=%20y")
        assert first.get("host") == f"127.0.0.1:{backend.port}".encode()
        assert first.get("user-agent") == f"sidecar-health-check/{__version__}".encode()
        assert first.get("connection") == b"close"
        assert first.get("accept-encoding") is None
        assert len(backend.connections) == 2


async def test_an_address_of_a_name_is_asked_by_that_name() -> None:
    async with Backend() as backend:
        written = Endpoint("app", Address("app.internal", backend.port))
        found = await look(written.resolved(Address("127.0.0.1", backend.port)), http())
        assert found.ok
        assert backend.requests[0].get("host") == f"app.internal:{backend.port}".encode()


@pytest.mark.parametrize(
    ("status", "expect", "found"),
    [
        ("204 No Content", (200, 399), Finding("success", "status 204")),
        ("503 Service Unavailable", (200, 399), Finding("status", "status 503")),
        ("200 OK", (204, 204), Finding("status", "status 200")),
        ("418 Teapot", (400, 499), Finding("success", "status 418")),
    ],
)
async def test_the_status_decides(status: str, expect: tuple[int, int], found: Finding) -> None:
    async with Backend(answer(status)) as backend:
        assert await look(endpoint(backend.port), http(expect=expect)) == found


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with Backend(answer("302 Found", "Location: /elsewhere")) as backend:
        assert await look(endpoint(backend.port), http()) == Finding("success", "status 302")
        assert len(backend.requests) == 1


async def test_interim_answers_are_passed_over() -> None:
    async with Backend(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK) as backend:
        assert await look(endpoint(backend.port), http()) == Finding("success", "status 200")


async def test_an_endpoint_that_only_ever_says_wait_or_never_ends_its_head_is_not_listened_to_for_long() -> None:
    async def waits(call: Call) -> None:
        await call.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * (MAX_INTERIM + 1))
        await call.wait_gone()
        call.close()

    async def head_without_end(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 40_000)
        await call.wait_gone()
        call.close()

    async with Backend(waits, head_without_end) as backend:
        too_many = Finding("protocol_error", "broken answer: too many interim answers")
        assert await look(endpoint(backend.port), http()) == too_many
        found = await look(endpoint(backend.port), http())
        assert found == Finding("protocol_error", "broken answer: head too large")


async def test_a_head_that_comes_byte_by_byte_is_read_all_the_same() -> None:
    async def bytewise(call: Call) -> None:
        for byte in b"HTTP/1.1 103 E\r\n\r\n" + OK:
            await call.send(bytes([byte]))
            await asyncio.sleep(0)

    async with Backend(bytewise) as backend:
        assert await look(endpoint(backend.port), http()) == Finding("success", "status 200")


async def test_a_switch_of_protocols_is_an_answer_that_was_not_asked_for() -> None:
    async with Backend(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n") as backend:
        assert await look(endpoint(backend.port), http()) == Finding("status", "status 101")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
async def test_what_is_short_on_our_own_side_is_no_fault_of_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fails_to_connect(monkeypatch, OSError(number, "no more"))
    for spec in (http(), tcp()):
        assert (await look(endpoint(80), spec)).result == "shortage"


async def test_of_a_body_without_an_end_only_so_much_is_taken() -> None:
    ended = asyncio.Event()

    async def endless(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                await call.send(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        finally:
            ended.set()

    async with Backend(endless) as backend:
        assert (await look(endpoint(backend.port), http())).ok
        async with asyncio.timeout(LIMIT_SECONDS):
            await ended.wait()
    assert MAX_BODY_BYTES < 1 << 20


async def test_a_body_that_never_comes_takes_nothing_from_a_good_status() -> None:
    async def slow(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        await call.wait_gone()
        call.close()

    async with Backend(slow) as backend:
        # Too short to prove that the head came in time on a machine under load: either is a finding, none an error.
        found = await look(endpoint(backend.port), http(timeout=0.2))
        assert found in (Finding("success", "status 200"), Finding("timeout", "timed out after 200ms"))


async def test_a_body_that_breaks_off_takes_nothing_from_a_good_status_either() -> None:
    async def cut(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        call.close()

    async with Backend(cut) as backend:
        assert await look(endpoint(backend.port), http()) == Finding("success", "status 200")


async def test_an_answer_that_never_comes_times_out_and_its_connection_is_closed() -> None:
    async def silent(call: Call) -> None:
        await call.wait_gone()
        call.close()

    async with Backend(silent) as backend:
        assert await look(endpoint(backend.port), http(timeout=SHORT)) == Finding("timeout", "timed out after 50ms")
        async with asyncio.timeout(LIMIT_SECONDS):
            for connection in backend.connections:
                await connection.gone.wait()


async def test_nobody_listening_is_a_connection_refused() -> None:
    with refusing() as port:
        refused = Finding("connect_failure", "connection refused")
        assert await look(endpoint(port), http()) == refused
        assert await look(endpoint(port), tcp()) == refused


async def test_a_name_without_an_address_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_to_connect(monkeypatch, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    found = await look(endpoint(80, "name.invalid"), http())
    assert found == Finding("connect_failure", "name or service not known")


async def test_a_look_that_goes_wrong_in_its_own_way_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_to_connect(monkeypatch, RuntimeError("no more threads"))
    assert await look(endpoint(80), http()) == Finding("protocol_error", "no more threads")


async def test_a_connection_that_is_closed_or_reset_without_an_answer() -> None:
    async def close(call: Call) -> None:
        call.close()

    async def reset(call: Call) -> None:
        call.reset()

    async with Backend(close, reset) as backend:
        assert await look(endpoint(backend.port), http()) == Finding("reset", "closed the connection without an answer")
        assert (await look(endpoint(backend.port), http())).result == "reset"


async def test_what_is_no_http_is_a_broken_answer_in_few_words() -> None:
    async with Backend(b"SSH-2.0-OpenSSH_9.6\r\n" + b"x" * 3000) as backend:
        found = await look(endpoint(backend.port), http())
    assert found.result == "protocol_error"
    assert found.why.startswith("broken answer: ")
    assert "\n" not in found.why
    assert len(found.why) < 250


async def test_tcp_connects_and_says_nothing() -> None:
    async with Backend() as backend:
        assert await look(endpoint(backend.port), tcp()) == Finding("success", "accepts connections")
        async with asyncio.timeout(LIMIT_SECONDS):
            while not backend.connections:
                await asyncio.sleep(0)
            await backend.connections[0].gone.wait()
        assert bytes(backend.connections[0].received) == b""


@pytest.mark.parametrize(
    ("said", "spec", "found"),
    [
        (b"+PONG\r\n", talk("+PONG", "PING\r\n"), Finding("success", "answered '+PONG'")),
        (b"220 ready\r\n", talk("220"), Finding("success", "answered '220'")),
        (b"-NOAUTH\r\n", talk("+PONG", "PING\r\n"), Finding("answer", r"answered '-NOAUTH\r\n', not '+PONG'")),
        (b"\xff\x00", talk("\xff\x00"), Finding("success", r"answered 'ÿ\x00'")),
        (b"y" * 99, talk("x"), Finding("answer", f"answered '{'y' * 40}'…, not 'x'")),
    ],
)
async def test_what_is_answered_has_to_begin_as_expected(said: bytes, spec: HealthCheckSpec, found: Finding) -> None:
    heard: list[bytes] = []
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if spec.send is not None:
            heard.append(await reader.readexactly(len(spec.send)))
        writer.write(said)
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    async with asyncio.timeout(LIMIT_SECONDS), await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert await look(endpoint(server.sockets[0].getsockname()[1]), spec) == found
        await ended.wait()
    assert heard == ([] if spec.send is None else [spec.send.encode("latin-1")])


async def test_an_answer_that_comes_byte_by_byte_is_waited_for() -> None:
    async def bytewise(call: Call) -> None:
        for byte in b"+PONG":
            await call.send(bytes([byte]))
            await asyncio.sleep(0)
        await call.wait_gone()
        call.close()

    async with Backend(bytewise) as backend:
        found = await look(endpoint(backend.port), talk("+PONG", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
        assert found == Finding("success", "answered '+PONG'")


async def test_an_answer_that_ends_before_it_is_whole_is_none() -> None:
    async def breaks_off(call: Call) -> None:
        await call.send(b"+PO")
        call.close()

    async def says_nothing(call: Call) -> None:
        call.close()

    spec = talk("+PONG", "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    async with Backend(breaks_off, says_nothing) as backend:
        assert await look(endpoint(backend.port), spec) == Finding("reset", "broke off its answer")
        assert await look(endpoint(backend.port), spec) == Finding("reset", "closed the connection without an answer")


async def test_who_says_nothing_of_what_is_expected_times_out() -> None:
    async def silent(call: Call) -> None:
        await call.wait_gone()
        call.close()

    async with Backend(silent) as backend:
        found = await look(endpoint(backend.port), talk("+PONG", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", SHORT))
        assert found == Finding("timeout", "timed out after 50ms")


@pytest.mark.parametrize(
    "cause",
    [Cause.TLS_HANDSHAKE_FAILED, Cause.CERTIFICATE_EXPIRED, Cause.CERTIFICATE_WRONG_NAME, Cause.CERTIFICATE_UNTRUSTED],
)
async def test_a_look_goes_the_way_of_requests_and_names_what_tls_failed_of(cause: Cause) -> None:
    one = endpoint(443)
    one.channel = Channel(TlsFailure("word", "Its certificate is bad", cause))
    for spec in (http(), tcp(), vigil(1.0)):
        assert await look(one, spec) == Finding(cause.value, "its certificate is bad")
    assert one.channel.asked == 3


async def test_a_unix_socket_is_asked_too(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    heads: list[bytes] = []
    ended = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(65536))
        writer.write(OK if heads[-1] else b"")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.release()

    one = Endpoint("app", Address(path=path))
    assert await look(one, http()) == Finding("connect_failure", "no such file or directory")
    async with asyncio.timeout(LIMIT_SECONDS), await asyncio.start_unix_server(serve, path):
        assert await look(one, http()) == Finding("success", "status 200")
        await ended.acquire()
        assert (await look(one, tcp())).ok
        await ended.acquire()
    assert b"Host: localhost\r\n" in heads[0]
    assert heads[1] == b""


async def test_a_look_begins_with_the_header_of_nobody_where_the_endpoint_wants_one() -> None:
    endpoint = Endpoint("app", Address("127.0.0.1", 1))
    endpoint.channel = Channel(OSError("no"))
    await look(endpoint, tcp())
    assert endpoint.channel.greeted == [b"PROXY UNKNOWN\r\n"]
