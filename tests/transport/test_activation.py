"""Sockets come from a service manager, and it is told how we are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sidecar.transport.activation import (
    READY,
    failed,
    inherited,
    main_pid,
    more_time,
    notify,
    reloading,
    service_pid,
    status,
    watchdog_seconds,
)
from sidecar.transport.sockets import BindError

ROOT = Path(__file__).resolve().parents[2]
# What a service manager does between fork and exec: descriptors from 3, and variables that name the very process.
MANAGER = """
import os, sys
given, count, names, program = [int(fd) for fd in sys.argv[1].split(",") if fd], sys.argv[2], sys.argv[3], sys.argv[4]
above = [os.dup2(fd, 100 + place) for place, fd in enumerate(given)]
for place, fd in enumerate(above):
    os.dup2(fd, 3 + place)
os.closerange(3 + len(above), 200)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": names}
os.execv(sys.executable, [sys.executable, "-c", program])
"""
SERVICE = """
import os
from sidecar.transport.activation import inherited
from sidecar.transport.sockets import BindError
try:
    inlets = inherited(os.environ, os.getpid())
except BindError as error:
    print(error.strerror)
    raise SystemExit(3)
for role, sock, lent in inlets:
    port = sock.getsockname()[1] if sock.family != 1 else "-"
    print(role, port, lent, sock.getblocking(), sock.get_inheritable(), sock.fileno())
print(sorted(name for name in os.environ if name.startswith("LISTEN_")))
"""


def test_the_service_is_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert service_pid() == os.getpid()
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/sidecar/_internal", raising=False)
    assert service_pid() == os.getpid()


def test_of_a_one_file_executable_it_is_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", "/var/tmp/_MEI0000a1b2Xy3_9z", raising=False)
    assert service_pid() == 0xA1B2


def activated(sockets: Sequence[socket.socket], *, count: str | None = None, names: str = "") -> tuple[int, list[str]]:
    """The exit code and the lines of a service that was started with these sockets."""
    fds = [sock.fileno() for sock in sockets]
    told = str(len(fds)) if count is None else count
    ran = subprocess.run(
        [sys.executable, "-c", MANAGER, ",".join(map(str, fds)), told, names, SERVICE],
        check=False,
        pass_fds=fds,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        timeout=60,
    )
    return ran.returncode, ran.stdout.decode().splitlines()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_a_service_gets_its_sockets_by_name(listening: socket.socket, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "s"))
        local.listen()
        code, lines = activated([listening, local], names="web:admin")
    port = listening.getsockname()[1]
    assert (code, lines) == (0, [f"web {port} True False False 3", "admin - True False False 4", "[]"])


def test_sockets_without_a_name_are_unknown(listening: socket.socket) -> None:
    code, lines = activated([listening])
    assert code == 0
    assert lines[0].startswith("unknown ")


def test_a_datagram_socket_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        assert activated([sock], names="dns") == (
            3,
            ["descriptor 3 (`dns`) from the service manager is no stream socket"],
        )


def test_a_connection_is_refused() -> None:
    with socket.socket() as sock:
        code, lines = activated([sock], names="web")
    assert code == 3
    assert "descriptor 3 (`web`) from the service manager does not listen" in lines[0]


@pytest.mark.parametrize(("count", "names", "name"), [("2", "web:more", "more"), ("9" * 12, "web", "unknown")])
def test_a_descriptor_that_is_not_there_is_refused(listening: socket.socket, count: str, names: str, name: str) -> None:
    code, lines = activated([listening], count=count, names=names)
    assert code == 3
    assert lines[0].startswith(f"descriptor 4 (`{name}`) from the service manager is no socket: ")


def test_a_count_that_is_no_number_is_refused() -> None:
    with pytest.raises(BindError, match="LISTEN_FDS is `x`, not a number of sockets"):
        inherited({"LISTEN_PID": "7", "LISTEN_FDS": "x"}, 7)


@pytest.mark.parametrize("variables", [{}, {"LISTEN_PID": "8", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "1"}])
def test_sockets_of_another_process_are_left_alone(variables: dict[str, str]) -> None:
    environ = {**variables, "LISTEN_FDNAMES": "web", "PATH": "/bin"}
    assert inherited(environ, 7) == []
    assert environ == {"PATH": "/bin"}, "children must not take them for theirs"


def stand_in(where: str | bytes) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(where)
    sock.settimeout(10)
    return sock


def test_the_service_manager_hears_what_it_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with stand_in(path) as manager:
        assert notify({"NOTIFY_SOCKET": path}, READY)
        assert notify({"NOTIFY_SOCKET": path}, main_pid(4711))
        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"MAINPID=4711"]


def test_its_socket_may_be_an_abstract_one() -> None:
    name = f"sidecar-test-notify-{os.getpid()}"
    with stand_in(f"\0{name}") as manager:
        assert notify({"NOTIFY_SOCKET": f"@{name}"}, READY)
        assert manager.recv(100) == b"READY=1"


def test_a_status_is_one_line_and_no_order_of_somebody_else() -> None:
    assert status("cannot listen:\nMAINPID=1\n") == "STATUS=cannot listen: MAINPID=1"


def test_a_status_leaves_room_for_what_else_the_message_says() -> None:
    told = status("x" * 5_000)
    assert told == f"STATUS={'x' * 499}…"


def test_what_is_no_text_is_told_all_the_same(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with stand_in(path) as manager:
        assert notify({"NOTIFY_SOCKET": path}, "\n".join([READY, status("of \udcff")]))
        assert manager.recv(100) == b"READY=1\nSTATUS=of ?"


def test_a_failure_says_what_the_system_refused_where_it_did() -> None:
    assert failed("no room", 3, 98) == "STATUS=no room\nEXIT_STATUS=3\nERRNO=98"
    assert failed("no rules", 1, None) == "STATUS=no rules\nEXIT_STATUS=1"
    assert failed("no such name", 3, socket.EAI_NONAME) == "STATUS=no such name\nEXIT_STATUS=3"


def test_time_is_asked_for_in_microseconds() -> None:
    assert more_time(30.5) == "EXTEND_TIMEOUT_USEC=30500000"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_PID": "7"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "nonsense", "WATCHDOG_PID": "8"}, None),
    ],
)
def test_a_watchdog_is_for_the_process_that_it_names(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ, 7) == seconds


@pytest.mark.parametrize("period", ["0", "-1", "soon", "1.5"])
def test_a_watchdog_that_makes_no_sense_is_refused(period: str) -> None:
    with pytest.raises(ValueError, match=f"WATCHDOG_USEC is `{period}`, not a number of microseconds"):
        watchdog_seconds({"WATCHDOG_USEC": period}, 7)


def test_a_reload_is_told_with_its_instant() -> None:
    before = time.monotonic()
    first, second = reloading().splitlines()
    assert first == "RELOADING=1"
    name, _, microseconds = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert int(before * 1e6) <= int(microseconds) <= time.monotonic() * 1e6


@pytest.mark.parametrize("where", ["", "relative", "vsock:2:1", "/nowhere/at/all", "@" + "x" * 200, "/a\0b"])
def test_nobody_to_tell_is_no_failure(where: str) -> None:
    assert not notify({"NOTIFY_SOCKET": where}, READY)
    assert not notify({}, READY)


def test_a_service_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with stand_in(path):
        told = [notify({"NOTIFY_SOCKET": path}, "x" * 10_000) for _ in range(1_000)]
    assert told[0]
    assert not told[-1]
