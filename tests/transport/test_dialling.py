"""The sentence for a connection that could not be had comes from who refused it."""

from __future__ import annotations

import errno
import socket

import pytest

from sidecar.model.address import Address
from sidecar.model.outcome import Cause
from sidecar.tls.failures import TlsFailure
from sidecar.transport.dialling import cause_of, is_shortage, sentence


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
