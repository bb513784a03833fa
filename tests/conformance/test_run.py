"""The suite as a whole: our own proxy passes every case, and one that understands nothing fails where it must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.conformance.backend import Backend
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.page import told
from tests.conformance.run import conformance, judged, selected, through
from tests.conformance.targets import TARGETS

PATIENCE_SECONDS = 15.0
"""On a busy machine an answer may take long; nothing here waits for what must not come."""

# A pipe adds nothing, removes nothing and understands nothing.
A_PIPE_PASSES = ("chunked/several", "pipelining/five", "bodiless/head-length", "interim/103", "upgrade/websocket")
A_PIPE_FAILS = (
    "request-framing/cl-te", "request-framing/te-cl-short", "request-framing/two-lengths",
    "request-framing/equal-lengths", "request-framing/te-xchunked", "request-framing/te-bare-lf", "chunked/size-plus",
    "chunked/data-longer", "start-line/two-spaces", "hosts/none", "hosts/two", "hosts/absolute-wins",
    "field-syntax/folded", "field-syntax/nul", "field-syntax/bare-lf", "field-syntax/answer-date-added",
    "hop-by-hop/named", "hop-by-hop/via", "hop-by-hop/answer-named", "methods/trace-max-forwards-0",
    "interim/not-to-http-1.0", "persistence/old-no-chunks", "answer-framing/both", "answer-framing/no-http",
    "answer-framing/surplus-answer", "bodiless/head-answer-smuggled", "upgrade/h2c",
)  # fmt: skip


@asynccontextmanager
async def pipe(backend: Backend) -> AsyncIterator[int]:
    """A port whose connections go to the backend byte by byte."""

    async def half(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    async def connected(source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", backend.port)
        await asyncio.gather(half(source, forth), half(back, writer))

    def accepted(source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.get_running_loop().create_task(connected(source, writer)))

    tasks: list[asyncio.Task[None]] = []
    async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_our_own_proxy_passes_every_case() -> None:
    results = await conformance(TARGETS["sidecar"], CASES, PATIENCE_SECONDS)
    assert [one.case.name for one in results] == [case.name for case in CASES]
    assert [one for one in results if one.wrong] == [], told(results, with_bytes=True)


async def test_a_pipe_fails_where_a_proxy_has_duties() -> None:
    by_name = {case.name: case for case in CASES}
    cases = [by_name[name] for name in (*A_PIPE_PASSES, *A_PIPE_FAILS)]
    async with AsyncExitStack() as opened:
        backends = [Backend() for _ in range(4)]
        ports = []
        for backend in backends:
            await backend.open()
            opened.push_async_callback(backend.close)
            ports.append(await opened.enter_async_context(pipe(backend)))
        results = await through(ports, backends, cases, 0.5)
    assert [one.case.name for one in results if not one.wrong] == list(A_PIPE_PASSES), told(results, with_bytes=True)


async def test_a_case_is_judged_by_what_always_holds_first() -> None:
    async with AsyncExitStack() as opened:
        backend = Backend()
        await backend.open()
        opened.push_async_callback(backend.close)
        port = await opened.enter_async_context(pipe(backend))
        (case,) = selected(CASES, "^request-framing/length$")
        (result,) = await through([port], [backend], [case], PATIENCE_SECONDS)
    assert result.wrong == ""
    result.seen.faults.append("the backend nonsense")
    assert judged(case, result.seen).wrong == "sent the backend nonsense"


def test_cases_are_selected_by_name() -> None:
    chosen: list[Case] = selected(CASES, "^upgrade/")
    assert {case.topic for case in chosen} == {"upgrade"}
    assert selected(CASES, "") == list(CASES)
