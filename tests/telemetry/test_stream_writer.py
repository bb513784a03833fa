"""Lines go to pipes, terminals, sockets and devices whole or not at all, and nobody waits for a reader."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from sidecar.telemetry.stream_writer import MAX_LINE_BYTES, StreamWriter


def test_a_file_takes_every_line(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    try:
        write = StreamWriter(descriptor)
        assert write(b"one\n")
        assert write(b"two\n")
    finally:
        os.close(descriptor)
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


@pytest.fixture
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Both ends of a pipe; as file objects, because those may be closed twice."""
    reader, writer = os.pipe()
    with FileIO(reader, "r") as readable, FileIO(writer, "w") as writable:
        yield readable, writable


def test_a_reader_that_stopped_does_not_stop_the_writer(pipe: tuple[FileIO, FileIO]) -> None:
    reader, writer = pipe
    write = StreamWriter(writer.fileno())
    line = b"x" * (MAX_LINE_BYTES - 1) + b"\n"
    written = 0
    while write(line):
        written += 1
    assert written > 0
    assert reader.read(MAX_LINE_BYTES) == line
    assert write(line), "it reads again"


def test_a_reader_that_left_costs_only_the_line(pipe: tuple[FileIO, FileIO]) -> None:
    reader, writer = pipe
    write = StreamWriter(writer.fileno())
    reader.close()
    assert not write(b"lost\n")


def test_a_descriptor_that_was_closed_costs_only_the_line(tmp_path: Path) -> None:
    with FileIO(str(tmp_path / "log"), "w") as file:
        write = StreamWriter(file.fileno())
    assert not write(b"lost\n")


def test_a_pipe_stays_as_it_was_for_those_who_share_it(pipe: tuple[FileIO, FileIO]) -> None:
    _, writer = pipe
    write = StreamWriter(writer.fileno())
    assert write(b"line\n")
    assert os.get_blocking(writer.fileno())


def test_two_writers_at_a_pipe_with_room_for_one_do_not_wait(pipe: tuple[FileIO, FileIO]) -> None:
    reader, writer = pipe
    first, second = StreamWriter(writer.fileno()), StreamWriter(writer.fileno())
    line = b"x" * (MAX_LINE_BYTES - 1) + b"\n"
    while first(line):
        pass
    reader.read(MAX_LINE_BYTES)
    # Both have seen that there is room, as processes do that ask at the same time.
    assert (first._put(line), second._put(line)) == (len(line), 0)


def test_a_writer_gives_back_what_it_opened(pipe: tuple[FileIO, FileIO]) -> None:
    _, writer = pipe
    before = len(os.listdir("/proc/self/fd"))
    write = StreamWriter(writer.fileno())
    assert write(b"line\n")
    del write
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_long_line_goes_in_parts_and_a_torn_one_is_ended_before_the_next(pipe: tuple[FileIO, FileIO]) -> None:
    reader, writer = pipe
    write = StreamWriter(writer.fileno())
    long = b"y" * (3 * MAX_LINE_BYTES) + b"\n"
    assert write(long)
    assert reader.read(len(long)) == long
    huge = b"z" * (1 << 22)
    assert not write(huge)
    received = b""
    while not write(b"next\n"):
        received += reader.read(1 << 16)
    received += reader.read(1 << 20)
    torn, after = received.split(b"\n")[:2]
    assert set(torn) == {ord("z")}
    assert after == b"next"


def test_a_rotated_file_is_written_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)  # as `>>` opens it
    try:
        write = StreamWriter(descriptor)
        assert write(b"one\n")
        os.truncate(log, 0)
        assert write(b"two\n")
        assert log.read_bytes() == b"two\n"
        log.rename(tmp_path / "log.1")
        assert write(b"three\n")
        assert (tmp_path / "log.1").read_bytes() == b"two\nthree\n"
    finally:
        os.close(descriptor)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_costs_only_the_line() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        assert not StreamWriter(descriptor)(b"lost\n")
    finally:
        os.close(descriptor)


def test_a_socket_that_is_full_costs_only_the_line() -> None:
    reader, writer = socket.socketpair()
    with reader, writer:
        write = StreamWriter(writer.fileno())
        line = b"x" * (MAX_LINE_BYTES - 1) + b"\n"
        written = 0
        while write(line):
            written += 1
        assert written > 0
        assert reader.recv(1 << 22)
        # There is room, but not for so much: as where others write too.
        assert 0 < write._put(b"x" * (1 << 22)) < 1 << 22
        assert writer.getblocking(), "those who share it notice nothing"
        write.close()


def test_a_socket_that_another_process_has_half_filled_takes_a_line() -> None:
    reader, writer = socket.socketpair()
    with reader, writer:
        ready = select.poll()
        ready.register(writer, select.POLLOUT)
        while ready.poll(0):
            writer.send(b"x")
        assert StreamWriter(writer.fileno())(b"worker 1: was killed\n")


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    with FileIO(str(tmp_path / "log"), "w") as file:
        write = StreamWriter(file.fileno())
        write.close()
        write.close()
        assert not write(b"late\n")
    assert (tmp_path / "log").read_bytes() == b""
