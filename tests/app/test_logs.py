"""The process's own log, in both forms."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from sidecar.app.logs import set_up


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_json_is_one_object_a_line_even_with_a_line_break_in_it() -> None:
    stream = io.StringIO()
    set_up("info", "json", stream)
    logging.getLogger("sidecar.x").info("two\nlines %s", "é")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    told = json.loads(lines[0])
    assert (told["level"], told["logger"], told["message"]) == ("info", "sidecar.x", "two\nlines é")
    assert told["time"].endswith("Z")


def test_json_carries_the_fields_of_a_call_and_none_of_them_replaces_what_every_line_has() -> None:
    stream = io.StringIO()
    set_up("info", "json", stream)
    fields = {"event": "breaker", "level": "no level", "subject": "upstream.app"}
    logging.getLogger("sidecar.events").info("opened", extra={"fields": fields})
    told = json.loads(stream.getvalue())
    assert list(told) == ["time", "level", "logger", "message", "event", "subject"]
    assert (told["level"], told["event"], told["subject"]) == ("info", "breaker", "upstream.app")


def test_json_carries_the_traceback_in_its_own_field() -> None:
    stream = io.StringIO()
    set_up("info", "json", stream)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValueError: boom" in json.loads(stream.getvalue())["error"]


def test_text_is_time_level_and_message() -> None:
    stream = io.StringIO()
    set_up("info", "text", stream)
    logging.getLogger("x").warning("careful")
    assert stream.getvalue().split(" ", 1)[1] == "warning careful\n"


def test_text_puts_the_traceback_on_lines_of_its_own() -> None:
    stream = io.StringIO()
    set_up("info", "text", stream)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert stream.getvalue().splitlines()[-1] == "ValueError: boom"


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    set_up("warning", "text", stream)
    logging.getLogger("x").info("chatter")
    assert stream.getvalue() == ""


def test_a_second_set_up_replaces_the_first(root: logging.Logger) -> None:
    set_up("info", "text", io.StringIO())
    last = set_up("info", "json", io.StringIO())
    assert root.handlers == [last]
