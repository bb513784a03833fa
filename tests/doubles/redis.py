"""A real Redis, in memory only, on a port of loopback that nobody else is given and on a unix socket."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.doubles.backend import refusing
from tests.doubles.servers import Server, require


class Redis:
    """One that serves, or did. `path` is its unix socket."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.path = folder / "redis.sock"
        self._server: Server | None = None

    def start(self) -> None:
        """Starts it, empty, and waits until it accepts connections."""
        settings = {"bind": "127.0.0.1", "port": self.port, "unixsocket": self.path, "save": "", "appendonly": "no"}
        words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
        self._server = Server([require("redis-server"), *words], "eady to accept connections", folder=self.folder)
        self._server.__enter__()

    def kill(self) -> None:
        """Ends it as a crash does."""
        if self._server is not None:
            self._server.kill()
            self._server = None


@contextmanager
def redis() -> Iterator[Redis]:
    """One that serves; it may be killed and started again meanwhile."""
    require("redis-server")
    folder = Path(tempfile.mkdtemp(prefix="sidecar-redis-"))  # a unix socket's path is short
    try:
        with refusing() as port:
            server = Redis(folder, port)
            try:
                server.start()
                yield server
            finally:
                server.kill()
    finally:
        shutil.rmtree(folder)
