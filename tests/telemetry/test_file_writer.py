"""A file may be slow, full or gone: whoever writes a line to it does not wait, and knows what was lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from sidecar.telemetry.file_writer import MAX_QUEUED_BYTES, MAX_QUEUED_LINES, FileWriter, Notice

PATIENCE = 30.0


def until(holds: Callable[[], bool]) -> None:
    """Waits until the thread has got that far, giving way to it."""
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        os.sched_yield()


class Disk:
    """A disk that writes when it is let, that much at once, or says what is wrong with it."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.may = threading.Semaphore(0)
        self.most = 1 << 30
        self.fault: OSError | None = None
        self.written: list[bytes] = []

    def __call__(self, _descriptor: int, data: memoryview) -> int:
        self.asked.release()
        assert self.may.acquire(timeout=PATIENCE)
        if self.fault is not None:
            raise self.fault
        part = bytes(data[: self.most])
        self.written.append(part)
        return len(part)

    def wait_until_asked(self) -> None:
        assert self.asked.acquire(timeout=PATIENCE)

    def let(self, times: int = 1000) -> None:
        self.may.release(times)


class Losses:
    """What was told of lines that were lost."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.untold: list[int] = []
        self.told = threading.Semaphore(0)

    def __call__(self, count: int, untold: int) -> None:
        self.counts.append(count)
        self.untold.append(untold)
        self.told.release()

    def wait(self) -> None:
        assert self.told.acquire(timeout=PATIENCE)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def losses() -> Losses:
    return Losses()


@pytest.fixture
def writer(file: int, disk: Disk, losses: Losses) -> Iterator[FileWriter]:
    made = FileWriter(file, 0.0, disk)
    made.lost = losses
    yield made
    disk.let(100_000)
    made.close(PATIENCE)
    assert made._thread is None or not made._thread.is_alive()


def test_a_file_takes_every_line(file: int, tmp_path: Path) -> None:
    write = FileWriter(file)
    lines = [b"%d\n" % number for number in range(5000)]
    assert all(map(write, lines))
    write.close(PATIENCE)
    assert (tmp_path / "log").read_bytes() == b"".join(lines)


def test_whoever_writes_does_not_wait_for_a_disk_that_hangs(writer: FileWriter, disk: Disk) -> None:
    assert writer(b"one\n")
    disk.wait_until_asked()
    for _ in range(MAX_QUEUED_LINES - 1):
        assert writer(b"x\n")
    assert not writer(b"too many\n")


def test_what_waits_is_bounded_in_bytes(writer: FileWriter) -> None:
    assert writer(b"x" * MAX_QUEUED_BYTES)
    assert not writer(b"x")


def test_a_disk_that_is_back_takes_what_waits_together(writer: FileWriter, disk: Disk, losses: Losses) -> None:
    assert writer(b"one\n")
    disk.wait_until_asked()
    assert writer(b"two\n")
    assert writer(b"three\n")
    disk.let()
    disk.wait_until_asked()
    writer.close(PATIENCE)
    assert disk.written == [b"one\n", b"two\nthree\n"]
    assert losses.counts == []


def test_there_is_room_again_once_lines_are_written(writer: FileWriter, disk: Disk) -> None:
    assert writer(b"x" * MAX_QUEUED_BYTES)
    disk.wait_until_asked()
    assert not writer(b"one\n")
    disk.let(1)
    until(lambda: writer(b"two\n"))
    disk.wait_until_asked()


def test_lines_that_a_disk_does_not_take_are_told(writer: FileWriter, disk: Disk, losses: Losses) -> None:
    disk.fault = OSError("full")
    assert writer(b"one\n")
    disk.wait_until_asked()
    assert writer(b"two\n")
    assert writer(b"three\n")
    disk.let()
    losses.wait()
    losses.wait()
    assert losses.counts == [1, 2]


def test_a_notice_that_is_lost_is_no_line_but_what_it_told_of_is_untold_again(
    writer: FileWriter, disk: Disk, losses: Losses
) -> None:
    disk.fault = OSError("full")
    assert writer(b"one\n")
    disk.wait_until_asked()
    for line in (Notice.of(5, b"5 lost\n"), b"two\n", Notice.of(2, b"2 lost\n")):
        assert writer(line)
    disk.let()
    losses.wait()
    losses.wait()
    assert (losses.counts, losses.untold) == ([1, 1], [0, 7])


def test_whoever_writes_may_be_led_to_write_in_the_middle_of_it(file: int, tmp_path: Path) -> None:
    writer = FileWriter(file)

    class Last(bytes):
        """As the collector of garbage may find something that logs its end, wherever it runs."""

        def __len__(self) -> int:
            writer(b"inner\n")
            return super().__len__()

    def write() -> None:
        assert writer(Last(b"outer\n"))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    writer.close(PATIENCE)
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert sorted(set(lines)) == [b"inner", b"outer"]


def test_a_line_that_was_cut_is_ended_before_the_next(writer: FileWriter, disk: Disk, losses: Losses) -> None:
    def full_after(parts: int) -> Callable[[int, memoryview], int]:
        def write(_descriptor: int, data: memoryview) -> int:
            if len(disk.written) == parts:
                raise OSError("full")
            return disk(_descriptor, data)

        return write

    disk.most = 6
    disk.let()
    writer._write = full_after(2)
    assert writer(b"long and longer\n")
    losses.wait()
    writer._write = disk
    assert writer(b"next\n")
    writer.close(PATIENCE)
    assert b"".join(disk.written) == b"long and lon\nnext\n"
    assert losses.counts == [1]


def test_of_lines_written_together_only_those_not_whole_are_lost(
    writer: FileWriter, disk: Disk, losses: Losses
) -> None:
    assert writer(b"zero\n")
    disk.wait_until_asked()
    for line in (b"one\n", b"two\n", b"three\n"):
        assert writer(line)
    disk.let(1)
    disk.wait_until_asked()
    disk.most = 6  # the first, and half of the second

    def fail() -> None:
        disk.fault = OSError("full")
        disk.let(1)

    disk.let(1)
    disk.wait_until_asked()
    fail()
    losses.wait()
    assert disk.written == [b"zero\n", b"one\ntw"]
    assert losses.counts == [2]


def test_the_end_waits_no_longer_than_it_may_for_a_disk_that_hangs(file: int, disk: Disk, losses: Losses) -> None:
    writer = FileWriter(file, 0.0, disk)
    writer.lost = losses
    assert writer(b"one\n")
    disk.wait_until_asked()
    assert writer(b"two\n")
    writer.close(0.0)
    assert losses.counts == [2]
    assert not writer(b"three\n")
    disk.let()
    assert writer._thread is not None
    writer._thread.join(PATIENCE)
    os.close(writer._descriptor)


def test_after_the_end_nothing_is_taken_and_all_is_given_back(file: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    writer = FileWriter(file)
    assert writer(b"one\n")
    writer.close(PATIENCE)
    writer.close(PATIENCE)
    assert not writer(b"two\n")
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_a_line_there_is_no_thread(file: int) -> None:
    writer = FileWriter(file)
    assert writer._thread is None
    writer.close()


def test_a_listener_that_is_gone_does_not_stop_the_writing(writer: FileWriter, disk: Disk) -> None:
    told = threading.Event()

    def gone(_count: int, _untold: int) -> None:
        told.set()
        raise RuntimeError("the loop is closed")

    writer.lost = gone
    disk.fault = OSError("full")
    disk.let()
    assert writer(b"one\n")
    assert told.wait(PATIENCE)
    disk.fault = None
    assert writer(b"two\n")
    writer.close(PATIENCE)
    assert disk.written == [b"two\n"]


def test_no_thread_to_be_had_costs_only_the_line(file: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = FileWriter(file)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert not writer(b"lost\n")
    assert writer(b"written\n")
    writer.close(PATIENCE)
    assert (tmp_path / "log").read_bytes() == b"written\n"


def test_a_full_device_loses_lines_and_tells(losses: Losses) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        writer = FileWriter(full)
        writer.lost = losses
        assert writer(b"lost\n")
        writer.close(PATIENCE)
        assert losses.counts == [1]
    finally:
        os.close(full)


def test_a_descriptor_closed_by_others_is_still_ours(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    writer = FileWriter(descriptor)
    os.close(descriptor)
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)  # very likely under the same number
    assert writer(b"one\n")
    writer.close(PATIENCE)
    os.close(other)
    assert (tmp_path / "log").read_bytes() == b"one\n"
    assert (tmp_path / "other").read_bytes() == b""


def test_a_file_that_was_rotated_is_written_on(file: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    writer = FileWriter(file, 0.0)
    assert writer(b"one\n")
    until(lambda: log.read_bytes() == b"one\n")
    os.truncate(log, 0)
    assert writer(b"two\n")
    until(lambda: log.read_bytes() == b"two\n")
    log.rename(tmp_path / "log.1")
    assert writer(b"three\n")
    writer.close(PATIENCE)
    assert (tmp_path / "log.1").read_bytes() == b"two\nthree\n"
