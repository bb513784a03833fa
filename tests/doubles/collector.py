"""A collector: it takes OTLP over HTTP on a real socket, decodes it by the published schema, and keeps every span.

`status` and `gate` are what it does with the next request: it answers so, once the gate is open. Waiting is bounded.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.doubles.backend import LIMIT_SECONDS

SERVER = Span.SPAN_KIND_SERVER
CLIENT = Span.SPAN_KIND_CLIENT


@dataclass(frozen=True)
class Received:
    """One span, as it was sent. Identifiers in hexadecimal digits, as traceparent has them."""

    span: Span
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: str

    @property
    def name(self) -> str:
        """What people see first."""
        return str(self.span.name)

    @property
    def trace_id(self) -> bytes:
        """Of the whole trace."""
        return bytes(self.span.trace_id).hex().encode()

    @property
    def span_id(self) -> bytes:
        """Its own."""
        return bytes(self.span.span_id).hex().encode()

    @property
    def parent_id(self) -> bytes:
        """Of the span that it is part of, empty for none."""
        return bytes(self.span.parent_span_id).hex().encode()

    @property
    def is_error(self) -> bool:
        """Whether it is told as an error."""
        return bool(self.span.status.code == self.span.status.STATUS_CODE_ERROR)


class Collector:
    """Serves while its context is open. `headers` are those of each request."""

    def __init__(self) -> None:
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = 0
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.spans: list[Received] = []
        self.url = ""
        self._grew = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.gate.set()
        await self._runner.cleanup()

    async def received(self, count: int) -> list[Received]:
        """Waits until so many spans are there."""
        async with asyncio.timeout(LIMIT_SECONDS), self._grew:
            await self._grew.wait_for(lambda: len(self.spans) >= count)
        return self.spans

    async def asked(self, count: int) -> None:
        """Waits until so many requests have arrived, answered or not."""
        async with asyncio.timeout(LIMIT_SECONDS), self._grew:
            await self._grew.wait_for(lambda: self.arrived >= count)

    async def _take(self, request: web.Request) -> web.Response:
        # aiohttp has undone a content coding, but not for a body that it does not know the length of.
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        async with self._grew:
            self.arrived += 1
            self._grew.notify_all()
        await self.gate.wait()
        if self.status == 200:
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            self.paths.append(request.path)
            self.spans += _decoded(body)
            async with self._grew:
                self._grew.notify_all()
        return web.Response(status=self.status, content_type="application/x-protobuf")


def _decoded(body: bytes) -> Iterable[Received]:
    told = ExportTraceServiceRequest.FromString(body)
    for resource in told.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(span, _plain(span.attributes), _plain(resource.resource.attributes), scope.scope.name)


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}
