"""Clients that speak TLS as Python does: raw peers, and one that comes back with its session."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.certificates import Files
from tests.doubles.peer import Peer

NAME = "app.test"


def terms(files: Files, *more: str) -> str:
    """What a listener's rule says of TLS: `terms(files, "strict_sni: true")`."""
    pair = f"certificate: '{files.certificate}', private_key: '{files.private_key}'"
    return f"tls: {{{', '.join([pair, *more])}}}"


def trusting(
    ca: str,
    files: Files | None = None,
    *,
    version: ssl.TLSVersion | None = None,
    alpn: Sequence[str] = (),
) -> ssl.SSLContext:
    """A client that trusts this authority, shows this certificate, and speaks this version where one is given."""
    context = ssl.create_default_context(cafile=ca)
    if files is not None:
        context.load_cert_chain(files.certificate, files.private_key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


async def dial(port: int, context: ssl.SSLContext, name: str | None = NAME) -> Peer:
    """A raw client on TLS, once its handshake is done. Raises ssl.SSLError or ConnectionError."""
    async with asyncio.timeout(LIMIT_SECONDS):
        return Peer(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or ""))


@dataclass(frozen=True)
class Visit:
    """What a client that came once has seen. `fingerprint` is of the certificate that was shown (SHA-256 in
    hex), `session` what it may come back with."""

    answer: bytes
    fingerprint: str
    resumed: bool
    version: str
    session: ssl.SSLSession | None


async def visit(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None, name: str = NAME) -> Visit:
    """One GET on a connection of its own, with the session of an earlier visit where one is given."""
    # asyncio has no way to bring a session; a thread's blocking socket has.
    return await asyncio.to_thread(_visit, port, context, session, name)


def _visit(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None, name: str) -> Visit:
    with (
        socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as plain,
        # An end without a goodbye is an error: it might be an attacker's, who cuts an answer short.
        context.wrap_socket(plain, server_hostname=name, session=session, suppress_ragged_eofs=False) as sock,
    ):
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := sock.recv(65536):
            answer += data
        shown = sha256(sock.getpeercert(binary_form=True) or b"").hexdigest()
        seen = Visit(answer, shown, sock.session_reused or False, sock.version() or "", sock.session)
        # Both sides say goodbye: a session of a connection that was cut is not to be resumed.
        with suppress(OSError):
            sock.unwrap()
        return seen
