"""A real PostgreSQL: a server with a data directory of its own, on a port of loopback that nobody else is given.

`with postgres() as server` is one that serves. It can be stopped and started again meanwhile: its port stays its own,
and refuses until it is back. Everybody is believed to be who they say (`trust`), and nothing is synced to disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.doubles.backend import refusing
from tests.doubles.certificates import Certificate
from tests.doubles.servers import START_SECONDS, Server, require

_READY = "database system is ready to accept connections"
_NOBODY = 65534
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "64",
    "autovacuum": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}


class Postgres:
    """One that serves, or did. `folder` holds its data and its unix socket."""

    def __init__(self, folder: Path, port: int, user: int | None) -> None:
        self.folder = folder
        self.port = port
        self.settings = {**_SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
        self._user = user
        self._server: Server | None = None

    def initialise(self) -> None:
        """Makes its data directory; a second, once."""
        options = ["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(
            [require("initdb"), *options],
            cwd=self.folder,
            check=True,
            capture_output=True,
            timeout=START_SECONDS,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )

    def speak_tls(self, certificate: Certificate) -> None:
        """Gives it a certificate; in force from its next start."""
        files = certificate.write(self.folder)
        if self._user is not None:  # it reads only a key that is its own
            os.chown(files.certificate, self._user, self._user)
            os.chown(files.private_key, self._user, self._user)
        self.settings |= {"ssl": "on", "ssl_cert_file": files.certificate, "ssl_key_file": files.private_key}

    def start(self) -> None:
        """Starts it, and waits until it accepts connections."""
        settings = [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]
        command = [require("postgres"), "-D", "data", *settings]
        self._server = Server(command, _READY, user=self._user, folder=self.folder).__enter__()

    def stop(self) -> None:
        """Stops it as `pg_ctl stop -m fast` does: sessions are cut, the data is whole."""
        if self._server is not None:
            self._server.stop(2)
            self._server = None

    def restart(self) -> None:
        """Stops it and starts it again."""
        self.stop()
        self.start()


@contextmanager
def postgres(certificate: Certificate | None = None) -> Iterator[Postgres]:
    """One that serves, with TLS where it is given a certificate."""
    require("initdb")
    user = _NOBODY if os.getuid() == 0 else None  # it refuses to be root
    folder = Path(tempfile.mkdtemp(prefix="sidecar-pg-"))
    try:
        if user is not None:
            os.chown(folder, user, user)
        with refusing() as port:
            server = Postgres(folder, port, user)
            server.initialise()
            if certificate is not None:
                server.speak_tls(certificate)
            try:
                server.start()
                yield server
            finally:
                server.stop()
    finally:
        shutil.rmtree(folder)
