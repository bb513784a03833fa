"""Sockets are bound where they should be, or the reason is said."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.transport.sockets import BindError, SocketFile, UnixFile, bind, refuse_newcomers


@pytest.fixture
def bound() -> Iterator[list[socket.socket]]:
    """Sockets to be closed after the test."""
    sockets: list[socket.socket] = []
    yield sockets
    for sock in sockets:
        sock.close()


def connects(address: object, family: int = socket.AF_INET) -> bool:
    with socket.socket(family) as sock:
        return sock.connect_ex(address) == 0  # type: ignore[arg-type]


def test_an_ipv4_address_listens_without_blocking(bound: list[socket.socket]) -> None:
    bound += bind(Address("127.0.0.1", 0))
    assert len(bound) == 1
    assert bound[0].getblocking() is False
    assert bound[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) != 0
    assert connects(bound[0].getsockname())


def test_an_ipv6_address_listens(bound: list[socket.socket]) -> None:
    try:
        bound += bind(Address("::1", 0))
    except BindError:
        pytest.skip("this machine has no IPv6")
    assert connects(bound[0].getsockname(), socket.AF_INET6)


def test_an_empty_host_listens_everywhere_on_one_port(bound: list[socket.socket]) -> None:
    bound += bind(Address("", 0))
    ports = {sock.getsockname()[1] for sock in bound}
    assert len(ports) == 1
    assert connects(("127.0.0.1", ports.pop()))
    assert len({sock.family for sock in bound}) == len(bound)


def test_a_name_listens_on_its_addresses(bound: list[socket.socket]) -> None:
    bound += bind(Address("localhost", 0))
    assert bound
    assert connects(bound[0].getsockname(), bound[0].family)


def test_a_taken_port_says_so(bound: list[socket.socket]) -> None:
    bound += bind(Address("127.0.0.1", 0))
    taken = Address("127.0.0.1", bound[0].getsockname()[1])
    with pytest.raises(BindError, match=rf"cannot listen on {taken}: Address already in use"):
        bind(taken)


def test_an_address_of_another_machine_says_so() -> None:
    with pytest.raises(BindError, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign requested address"):
        bind(Address("192.0.2.1", 0))


def test_a_unix_path_listens_for_whoever_may_enter_its_directory(bound: list[socket.socket], tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound += bind(Address(path=str(path)))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    assert connects(str(path), socket.AF_UNIX)


def test_a_stale_unix_socket_is_replaced(bound: list[socket.socket], tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "s"))
    bind(address)[0].close()
    bound += bind(address)
    assert connects(address.path, socket.AF_UNIX)


def test_a_unix_socket_that_somebody_listens_on_is_left_alone(bound: list[socket.socket], tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "s"))
    bound += bind(address)
    with pytest.raises(BindError, match="Address already in use"):
        bind(address)
    assert connects(address.path, socket.AF_UNIX)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(BindError, match="it is not a socket"):
        bind(Address(path=str(path)))
    assert path.read_text() == "precious"


def test_a_missing_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(BindError, match="No such file or directory"):
        bind(Address(path=str(tmp_path / "missing" / "s")))


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_newcomers_are_dropped_and_those_in_the_queue_stay(bound: list[socket.socket], host: str) -> None:
    (sock,) = bind(Address(host, 0))
    bound.append(sock)
    where = sock.getsockname()[:2]
    early = socket.create_connection(where)
    refuse_newcomers(sock)
    with socket.socket(sock.family) as late:
        late.setblocking(False)
        assert late.connect_ex(where) == errno.EINPROGRESS
        taken, _ = sock.accept()
        early.sendall(b"x")
        taken.setblocking(True)
        assert taken.recv(1) == b"x"
        with pytest.raises(BlockingIOError):
            sock.accept()
    taken.close()
    early.close()


def test_a_file_that_is_gone_or_replaced_is_left_alone(bound: list[socket.socket], tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound.extend(bind(Address(path=str(path))))
    file = SocketFile(bound[0])
    path.unlink()
    file.remove()
    path.write_text("another's")
    file.remove()
    assert path.read_text() == "another's"


def test_a_unix_path_listens_for_those_whom_its_mode_lets(bound: list[socket.socket], tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound += bind(Address(path=str(path)), file=UnixFile(0o600, str(os.getuid()), str(os.getgid())))
    found = os.stat(path)
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o600, os.getuid(), os.getgid())
    assert connects(str(path), socket.AF_UNIX)


@pytest.mark.parametrize(
    ("file", "fault", "sentence"),
    [
        (UnixFile(0o660, owner="app"), None, r"the mode 0660 and app: nobody of that name is known"),
        (UnixFile(0o660, group="app"), None, r"the mode 0660 and group app: nobody of that name is known"),
        (UnixFile(0o660, "12345", "54321"), errno.EPERM, r"the mode 0660 and 12345, group 54321: Operation not permit"),
    ],
)
def test_a_file_that_cannot_be_given_away_is_not_left_behind(
    file: UnixFile, fault: int | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chown(*_: object) -> None:
        assert fault is not None
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    monkeypatch.setattr(grp, "getgrnam", {}.__getitem__)
    path = tmp_path / "s"
    with pytest.raises(BindError, match=rf"cannot give unix:{path} {sentence}"):
        bind(Address(path=str(path)), file=file)
    assert not path.exists()
