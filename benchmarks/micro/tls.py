"""A session of TLS 1.3 without I/O: a message and its answer, and a handshake; the client's end is in the figures."""

import ssl
import time
from functools import cache
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.life.authority import Authority
from benchmarks.micro import Calls
from sidecar.tls.contexts import Identity, client_context, server_context
from sidecar.tls.session import Session

_REQUEST = b"q" * 200
_ANSWER = b"a" * 300


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's, which have read their files."""
    now = time.time()
    with TemporaryDirectory() as room:
        authority = Authority(Path(room))
        authority.renew()
        server = server_context([Identity(str(authority.certificate), str(authority.private_key))], now=now)
        return server.context, client_context(ca=str(authority.path), now=now).context


def _shaken() -> tuple[Session, Session]:
    server, client = _contexts()
    ours, theirs = Session(server, True), Session(client, False, "127.0.0.1")
    theirs.handshake(b"")
    ours.handshake(theirs.take())
    theirs.handshake(ours.take())
    ours.handshake(theirs.take())
    return ours, theirs


def message() -> Calls:
    """A small request that is read, and a small answer that is written."""
    ours, theirs = _shaken()

    def calls(count: int) -> None:
        for _ in repeat(None, count):
            theirs.write(_REQUEST)
            ours.receive(theirs.take())
            ours.read()
            ours.write(_ANSWER)
            theirs.receive(ours.take())
            theirs.read()

    return calls


def handshake() -> Calls:
    """A full one: nobody comes back with a ticket."""
    _contexts()

    def calls(count: int) -> None:
        for _ in repeat(None, count):
            _shaken()

    return calls
