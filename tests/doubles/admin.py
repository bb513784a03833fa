"""An admin address that answers what a test sets, each path its own, on a thread: its clients block."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any


class Answering:
    """What is answered, `body` where no path of `paths` is asked for; and what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b"{}"
        self.paths: dict[str, Any] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.address = ""

    def answer(self, path: str) -> bytes:
        """The body for this path; a list is answered one after the other, the last for ever."""
        told = self.paths.get(path)
        if told is None:
            return self.body
        if isinstance(told, list):
            told = told.pop(0) if len(told) > 1 else told[0]
        return json.dumps(told).encode()


class _Unix(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)


@contextmanager
def answering(path: Path | None = None) -> Iterator[Answering]:
    """Serves on a port of loopback, or on a unix socket."""
    told = Answering()
    server = HTTPServer(("127.0.0.1", 0), _handler(told)) if path is None else _Unix(str(path), _handler(told))  # type: ignore[arg-type]
    told.address = f"127.0.0.1:{server.server_port}" if path is None else f"unix:{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(told: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append((self.command, self.path, self.headers["Authorization"]))
            body = told.answer(self.path.partition("?")[0])
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

        def address_string(self) -> str:
            return "-"

    return Handler
