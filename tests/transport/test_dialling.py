"""The sentence for a connection that could not be had comes from who refused it."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.model.outcome import Cause
from sidecar.tls.failures import TlsFailure
from sidecar.transport.dialling import Forerunner, cause_of, connector_to, is_shortage, sentence


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (OSError(errno.EMFILE, "x"), "Too many open files"),
        (FileNotFoundError(errno.ENOENT, "x"), "No such file or directory"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (TlsFailure("failed", "it does not speak TLS"), "it does not speak TLS"),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_the_sentence_names_the_address_and_the_cause(fault: OSError, said: str) -> None:
    text = sentence(Address("h", 80), fault)
    assert text.startswith("h:80: ")
    assert text.endswith(said)


def test_only_what_the_machine_lacks_is_a_shortage() -> None:
    assert is_shortage(OSError(errno.EMFILE, "x"))
    assert not is_shortage(OSError(errno.ECONNREFUSED, "x"))
    assert not is_shortage(OSError("Multiple exceptions: a, b"))


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (OSError(errno.ECONNREFUSED, "x"), Cause.CONNECT_FAILURE),
        (OSError(errno.EMFILE, "x"), Cause.POOL_FULL),
        (TlsFailure("failed", "it does not speak TLS"), Cause.TLS_HANDSHAKE_FAILED),
        (TlsFailure("failed", "its certificate has expired", Cause.CERTIFICATE_EXPIRED), Cause.CERTIFICATE_EXPIRED),
    ],
)
def test_a_failed_connection_counts_as_what_it_failed_of(fault: OSError, cause: Cause) -> None:
    assert cause_of(fault) is cause


class Unwilling:
    """A transport whose socket takes nothing any more."""

    def __init__(self) -> None:
        self.aborted = False

    def get_extra_info(self, _name: str) -> None:
        return None

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_a_preamble_is_the_first_that_is_sent(family: str, tmp_path: Path) -> None:
    received: list[bytes] = []
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()
        done.set()

    if family == "tcp":
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = Address(*server.sockets[0].getsockname()[:2])
    else:
        server = await asyncio.start_unix_server(serve, tmp_path / "s")
        address = Address(path=str(tmp_path / "s"))

    class Speaker(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"second")
            transport.write_eof()

    made = await connector_to(asyncio.get_running_loop(), address)(Speaker, b"first, ")
    assert isinstance(made, Speaker)
    async with asyncio.timeout(10):
        await done.wait()
    assert received == [b"first, second"]
    server.close()
    await server.wait_closed()


def test_a_preamble_that_is_not_taken_whole_is_a_failed_connection() -> None:
    forerunner, transport = Forerunner(lambda: pytest.fail, b"first"), Unwilling()
    forerunner.connection_made(transport)  # type: ignore[arg-type]
    assert transport.aborted
    with pytest.raises(ConnectionAbortedError) as caught:
        forerunner.successor()
    assert sentence(Address("h", 80), caught.value) == "h:80: Software caused connection abort"
