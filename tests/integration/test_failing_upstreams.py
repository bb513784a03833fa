"""Endpoints that refuse, die, reset or stall: each gets its own status, in its own time."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

import pytest

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call, GoneError, refusing
from tests.doubles.running import ONE_ATTEMPT, RunningProxy, rules_text, running
from tests.doubles.steps import stall

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

# What becomes of one attempt, and nothing that would help it.
UNAIDED = (*ONE_ATTEMPT, "upstreams.app.hold=null")

# A backend of its own process, so that it can be killed as the kernel kills: it answers half, says so, and waits.
HALF_A_BACKEND = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(sys.argv[1].encode().decode("unicode_escape").encode())
    print("answered", flush=True)
"""


@contextmanager
def frozen() -> Iterator[socket.socket]:
    """Listens with a full backlog: the kernel drops further SYNs, as a frozen machine would."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener


async def receipt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one upload of five bytes with itself."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):  # a filler
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" + body)
    writer.close()


@asynccontextmanager
async def refused() -> AsyncIterator[RunningProxy]:
    """A proxy in front of an endpoint that refuses."""
    with refusing() as port:
        async with running(f"http://127.0.0.1:{port}", sets=UNAIDED) as proxy:
            yield proxy


async def test_a_refused_connection_is_a_502() -> None:
    async with refused() as proxy, proxy.peer() as peer:
        for _ in range(2):
            answer = await peer.get()
            assert (answer.status, answer.problem["reason"]) == (502, "connect_failure")
            assert answer.get("connection") is None


async def test_a_refused_upload_is_answered_before_it_is_complete() -> None:
    async with refused() as proxy, proxy.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        answer = await peer.answer()
        assert (answer.status, answer.problem["reason"]) == (502, "connect_failure")
        assert answer.get("connection") == b"close"


async def test_an_endpoint_that_does_not_accept_is_a_504() -> None:
    with frozen() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        rules = rules_text(url, upstream="connect_timeout: 200ms, hold: null")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            answer = await peer.get()
            assert (answer.status, answer.problem["reason"]) == (504, "connect_timeout")


async def test_a_request_waits_for_an_endpoint_that_does_not_accept_yet() -> None:
    with frozen() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        rules = rules_text(url, upstream="connect_timeout: 200ms, hold: {timeout: 60s}", route="retry: null")
        async with running(rules=rules) as proxy, asyncio.TaskGroup() as client:
            (endpoint,) = proxy.proxy.current.runtime.endpoints()
            asked = client.create_task(proxy.ask("/", method="POST", body=b"order"))
            await proxy.until(lambda: endpoint.down)
            async with await asyncio.start_server(receipt, sock=listener):
                answer = await asked
                assert (answer.status, answer.body) == (200, b"order")
            assert (await proxy.status())["breakers"]["upstream.app"]["failures"] == 0


async def test_a_stall_before_the_head_is_a_504_within_the_attempt_timeout() -> None:
    async with Backend(stall) as backend, running(backend.url, sets=["defaults.timeout.attempt=200ms"]) as proxy:
        async with proxy.peer() as peer:
            began = asyncio.get_running_loop().time()
            answer = await peer.get()
            took = asyncio.get_running_loop().time() - began
            assert (answer.status, answer.problem["reason"]) == (504, "attempt_timeout")
            # A lower bound only: a busy machine may be late, the proxy may not be early.
            assert took >= 0.15
            assert answer.get("connection") is None
        async with asyncio.timeout(LIMIT_SECONDS):
            await backend.connections[0].gone.wait()


async def test_the_deadline_of_the_request_is_a_504() -> None:
    async def half_a_head(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nX-Half: ")
        await call.wait_gone()
        call.close()

    async with Backend(half_a_head) as backend:
        async with (
            running(backend.url, sets=["defaults.timeout.request=200ms"]) as proxy,
            proxy.peer() as peer,
        ):
            answer = await peer.get()
            assert (answer.status, answer.problem["reason"]) == (504, "request_timeout")
        async with running(backend.url) as proxy, proxy.peer() as peer:
            answer = await peer.get("/", "X-Request-Timeout-Ms: 200")
            assert (answer.status, answer.problem["reason"]) == (504, "request_timeout")


async def test_a_stall_in_the_body_cuts_the_answer() -> None:
    async def half_a_body(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await call.wait_gone()
        call.close()

    async with Backend(half_a_body) as backend, running(backend.url, sets=["defaults.timeout.idle=200ms"]) as proxy:
        async with proxy.peer() as peer:
            with pytest.raises(GoneError):
                await peer.ask(GET)
        async with asyncio.timeout(LIMIT_SECONDS):
            await backend.connections[0].gone.wait()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nX-Half:"])
async def test_an_end_before_the_head_is_complete_is_a_502(how: str, begun: bytes) -> None:
    async def die(call: Call) -> None:
        if begun:
            await call.send(begun)
        if how == "reset":
            call.reset()
        call.close()

    async with Backend(die, OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert (answer.status, answer.problem["reason"]) == (502, "reset")
        assert (await peer.get()).status == 200
        assert len(backend.requests) == 2


async def test_a_reset_in_the_middle_of_the_body_cuts_the_answer() -> None:
    async def die(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await call.body()
        call.reset()

    async with Backend(die) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        with pytest.raises(GoneError):
            await peer.ask(GET)
        assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("half", "status"),
    [("HTTP/1.1 200 OK\\r\\nX-Half: ", 502), ("HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhalf", 0)],
    ids=["in the head", "in the body"],
)
async def test_a_backend_that_is_killed_in_mid_answer(half: str, status: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HALF_A_BACKEND, half, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            port = int(await process.stdout.readline())
        async with running(f"http://127.0.0.1:{port}", sets=UNAIDED) as proxy:
            async with proxy.peer() as peer:
                await peer.send(GET)
                async with asyncio.timeout(LIMIT_SECONDS):
                    assert await process.stdout.readline() == b"answered\n"
                if not status:
                    assert (await peer.head()).status == 200
                process.send_signal(signal.SIGKILL)
                if status:
                    answer = await peer.answer()
                    assert (answer.status, answer.problem["reason"]) == (status, "reset")
                else:
                    with pytest.raises(GoneError):
                        await peer.exactly(9)
            async with asyncio.timeout(LIMIT_SECONDS):
                await process.wait()
            async with proxy.peer() as peer:
                answer = await peer.get()
                assert (answer.status, answer.problem["reason"]) == (502, "connect_failure")
    finally:
        if process.returncode is None:
            process.kill()
        async with asyncio.timeout(LIMIT_SECONDS):
            await process.communicate()


async def test_a_backend_that_comes_back_is_used_again() -> None:
    with refusing() as port:
        async with running(f"http://127.0.0.1:{port}", sets=["upstreams.app.hold=null"]) as proxy, proxy.peer() as peer:
            assert (await peer.get()).status == 502
            async with Backend(port=port):
                assert (await peer.get()).status == 200
            assert (await peer.get()).status == 502
