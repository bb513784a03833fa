"""The access log writes what it was asked for, a bounded number of lines, and never costs a request."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord
from sidecar.telemetry.log import MAX_LINE_BYTES, MAX_LINES_PER_SECOND, Access, AccessLog, StreamWriter
from sidecar.telemetry.stats import Stats

FIELDS = (
    "time", "level", "request_id", "trace_id", "route", "method", "path", "status", "reason", "rule", "duration_ms",
    "upstream", "endpoint", "attempts", "fallback", "bytes_in", "bytes_out", "client", "detail",
)  # fmt: skip


class Log:
    """An access log on a page, at an instant of our choice."""

    def __init__(self, access: Access) -> None:
        self.now = 50.0
        self.works = True
        self.page: list[bytes] = []
        self.stats = Stats()
        self.log = AccessLog(access, self.stats, self._write, lambda: self.now, lambda: 1_700_000_000.25)

    def _write(self, line: bytes) -> bool:
        if self.works:
            self.page.append(line)
        return self.works

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.page]


def record(status: int = 200, reason: Reason | None = None, path: bytes = b"/") -> ExchangeRecord:
    made = ExchangeRecord()
    made.status = status
    made.reason = reason
    made.path = path
    made.method = b"GET"
    return made


def test_a_line_has_every_field_in_order() -> None:
    log = Log("all")
    made = record(503, Reason.CIRCUIT_OPEN, b"/login")
    made.request_id, made.trace_id = b"r1", b"t1"
    made.route, made.rule, made.upstream, made.endpoint = "login", "login/breaker", "app", "app/127.0.0.1:1"
    made.duration_ms, made.attempts, made.bytes_in, made.bytes_out, made.client = 1.23456, 2, 3, 4, "192.0.2.7"
    made.detail, made.fallback = "refused", "static"
    log.log.exchange(made)
    assert log.page[0].endswith(b"\n")
    (line,) = log.lines()
    assert tuple(line) == FIELDS
    assert list(line.values()) == [
        "2023-11-14T22:13:20.250Z", "error", "r1", "t1", "login", "GET", "/login", 503, "circuit_open", "login/breaker",
        1.235, "app", "app/127.0.0.1:1", 2, "static", 3, 4, "192.0.2.7", "refused",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("access", "status", "reason", "wanted"),
    [
        ("errors", 200, None, False),
        ("errors", 404, None, False),
        ("errors", 500, None, True),
        ("errors", 429, Reason.RATE_LIMITED, True),
        ("all", 200, None, True),
        ("off", 500, Reason.RESET, False),
    ],
)
def test_the_rules_say_which_exchanges_are_written(
    access: Access, status: int, reason: Reason | None, wanted: bool
) -> None:
    log = Log(access)
    assert log.log.wants(status, reason is not None, 0.1) is wanted


def test_a_fallbacks_answer_is_written_although_it_is_no_error() -> None:
    log = Log("errors")
    made = record(200)
    made.fallback = "static"
    assert log.log.wants(made.status, True, 0.1)
    log.log.exchange(made)
    assert [line["fallback"] for line in log.lines()] == ["static"]


def test_the_level_tells_failures_from_refusals() -> None:
    log = Log("all")
    for made in (record(200), record(429, Reason.RATE_LIMITED), record(502, Reason.RESET), record(500)):
        log.log.exchange(made)
    assert [line["level"] for line in log.lines()] == ["info", "warning", "error", "error"]


def test_other_rules_are_followed_from_then_on() -> None:
    log = Log("off")
    assert not log.log.wants(500, False, 0.1)
    log.log.follow("errors")
    assert log.log.wants(500, False, 0.1)


@given(st.binary(max_size=9000))
def test_no_request_can_break_a_line(path: bytes) -> None:
    log = Log("all")
    made = record(path=path)
    made.method = made.request_id = made.trace_id = path
    log.log.exchange(made)
    (line,) = log.page
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert len(line) <= MAX_LINE_BYTES
    assert tuple(json.loads(line)) == FIELDS


def test_a_long_path_is_cut() -> None:
    log = Log("all")
    log.log.exchange(record(path=b"/" + b"a" * 5000))
    path = log.lines()[0]["path"]
    assert path.startswith("/aaa")
    assert path.endswith("…")


def test_lines_past_the_second_s_share_are_dropped_counted_and_told() -> None:
    log = Log("all")
    for _ in range(MAX_LINES_PER_SECOND + 5):
        log.log.exchange(record())
    assert len(log.page) == MAX_LINES_PER_SECOND
    assert log.stats.access_log_dropped == 5
    log.now += 1
    log.log.exchange(record())
    told, line = log.lines()[-2:]
    assert (told["event"], told["dropped"], told["level"]) == ("access_log_dropped", 5, "warning")
    assert line["status"] == 200
    log.log.flush()
    assert len(log.page) == MAX_LINES_PER_SECOND + 2, "told once"


def test_lines_that_cannot_be_written_are_counted_and_told_later() -> None:
    log = Log("all")
    log.works = False
    log.log.exchange(record())
    log.log.flush()
    assert log.stats.access_log_dropped == 1
    log.works = True
    log.log.flush()
    assert [line["dropped"] for line in log.lines()] == [1]


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
