"""The process's own log as journald reads it."""

from __future__ import annotations

import logging
import os

from sidecar.app.logs import Lines, TextLines, is_journal


def test_for_journald_each_line_begins_with_its_priority(root: logging.Logger) -> None:
    written: list[bytes] = []

    def write(line: bytes) -> bool:
        written.append(line)
        return True

    lines = Lines(write, journalled=True)
    lines.setFormatter(TextLines())
    root.handlers[:] = [lines]
    root.setLevel(logging.DEBUG)
    logger = logging.getLogger("sidecar.x")
    for say_at in (logger.debug, logger.info, logger.warning, logger.error, logger.critical):
        say_at("told")
    assert [line[:3] for line in written] == [b"<7>", b"<6>", b"<4>", b"<3>", b"<2>"]
    try:
        raise OSError("a bug")
    except OSError:
        logger.exception("failed")
    assert all(line.startswith(b"<3>") for line in written[-1].splitlines())
    assert len(written[-1].splitlines()) > 2


def test_journald_reads_where_it_says_that_it_does() -> None:
    reader, writer = os.pipe()
    try:
        found = os.fstat(writer)
        assert is_journal(writer, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(writer, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(writer, {})
    finally:
        os.close(reader)
        os.close(writer)
    assert not is_journal(-1, {"JOURNAL_STREAM": "1:1"})
