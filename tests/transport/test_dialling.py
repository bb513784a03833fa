"""The sentence for a connection that could not be had comes from who refused it."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from sidecar.model.address import Address
from sidecar.transport.dialling import is_shortage, sentence


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (OSError(errno.EMFILE, "x"), "Too many open files"),
        (FileNotFoundError(errno.ENOENT, "x"), "No such file or directory"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "wrong version number"),
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
    assert not is_shortage(ssl.SSLError(errno.ENOMEM, "its numbers are its own"))
