"""The process's own log, in both forms."""

import io
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sidecar.app.logs import Lines, TextLines, count_in, except_names, is_for_people, line_writer, say, set_up
from sidecar.telemetry.file_writer import FileWriter
from sidecar.telemetry.stats import Stats
from sidecar.telemetry.stream_writer import StreamWriter
from sidecar.tls.contexts import Identity, server_context
from sidecar.tls.session import Session
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.certificates import server_certificate
from tests.tls.hands import End

pytestmark = pytest.mark.usefixtures("root")

ROOT = Path(__file__).parents[2]


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


def test_no_word_of_others_ends_a_line_or_steers_a_terminal() -> None:
    stream = io.StringIO()
    set_up("info", "text", stream)
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logging.getLogger("x").exception("it said %s", "gone\n2026 error forged \x9b31m\u202e")
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith(r"it said gone\n2026 error forged \x9b31m\u202e")
    assert lines[-1] == r"ValueError: \x1b[2J"
    stream = io.StringIO()
    set_up("info", "json", stream)
    logging.getLogger("x").info("it said %s", "\x9b31m\u2028")
    assert stream.getvalue().rstrip("\n").isprintable()
    assert json.loads(stream.getvalue())["message"] == "it said \x9b31m\u2028"


@pytest.mark.parametrize(("level", "code"), [("error", 31), ("warning", 33), ("debug", 2)])
def test_at_a_terminal_the_level_is_in_colour(level: str, code: int) -> None:
    record = logging.LogRecord("x", getattr(logging, level.upper()), "", 0, "careful", (), None)
    assert f"\x1b[{code}m{level:7}\x1b[0m careful" in TextLines(coloured=True).format(record)
    assert "\x1b" not in TextLines().format(record)


def test_what_is_as_usual_has_no_colour() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "fine", (), None)
    assert "\x1b" not in TextLines(coloured=True).format(record)


def test_colours_are_for_terminals_that_want_them() -> None:
    leader, follower = os.openpty()
    reader, writer = os.pipe()
    try:
        assert is_for_people(follower, {"TERM": "xterm"})
        assert is_for_people(follower, {"NO_COLOR": ""})
        assert not is_for_people(follower, {"NO_COLOR": "1"})
        assert not is_for_people(follower, {"TERM": "dumb"})
        assert not is_for_people(writer, {"TERM": "xterm"})
    finally:
        for one in (leader, follower, reader, writer):
            os.close(one)


def test_at_a_terminal_text_is_coloured_and_still_is_under_other_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = os.openpty()
    with open(leader, "rb", buffering=0) as screen, open(follower, "w") as stream:
        set_up("info", "json", stream)
        set_up("info", "text")
        logging.getLogger("x").error("wrong")
        assert b"\x1b[31merror  \x1b[0m wrong" in screen.read(4096)


def test_each_line_of_one_of_several_processes_says_which_it_is() -> None:
    stream = io.StringIO()
    set_up("info", "json", stream, {"worker": 3})
    logging.getLogger("sidecar.x").info("one", extra={"fields": {"worker": 9}})
    assert json.loads(stream.getvalue())["worker"] == 3
    set_up("info", "text", stream, {"worker": 3})
    logging.getLogger("sidecar.x").info("two")
    assert stream.getvalue().endswith(" info    worker 3: two\n")


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    set_up("warning", "text", stream)
    logging.getLogger("x").info("chatter")
    assert stream.getvalue() == ""


def test_a_second_set_up_replaces_the_first(root: logging.Logger) -> None:
    set_up("info", "text", io.StringIO())
    last = set_up("info", "json", io.StringIO())
    assert root.handlers == [last]


class Page:
    """Takes lines, or does not."""

    def __init__(self) -> None:
        self.works = True
        self.lines: list[str] = []

    def __call__(self, line: bytes) -> bool:
        if self.works:
            self.lines.append(line.decode())
        return self.works


def test_lines_that_could_not_be_written_are_told_of_later(root: logging.Logger) -> None:
    page = Page()
    handler = set_up("info", "json", io.StringIO())
    assert isinstance(handler, Lines)
    handler.write = page
    log = logging.getLogger("x")
    page.works = False
    log.info("lost")
    log.info("lost too")
    page.works = True
    log.info("written")
    log.info("and on")
    told = [json.loads(line) for line in page.lines]
    assert [line["message"] for line in told] == ["2 lines of this log could not be written", "written", "and on"]
    assert (told[0]["event"], told[0]["dropped"], told[0]["level"]) == ("log_dropped", 2, "warning")


def test_a_line_that_cannot_be_made_is_told_and_breaks_nothing() -> None:
    stream = io.StringIO()
    set_up("info", "text", stream)
    logging.getLogger("x").info("%d of them", "many")
    assert "a line of x could not be made: TypeError" in stream.getvalue()


def test_text_that_is_no_unicode_is_written_all_the_same() -> None:
    stream = io.StringIO()
    set_up("info", "json", stream)
    logging.getLogger("x").info("path \udcff")
    assert "path " in json.loads(stream.getvalue())["message"]


def test_a_second_set_up_keeps_the_handler_and_takes_the_form(root: logging.Logger) -> None:
    first = set_up("info", "json", io.StringIO())
    assert set_up("warning", "text") is first
    assert root.handlers == [first]
    assert root.level == logging.WARNING


def test_a_full_disk_costs_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        handler = set_up("info", "json", full)
        logging.getLogger("x").error("lost")
        monkeypatch.setattr(sys, "stderr", full)
        say("lost, too")
    assert isinstance(handler, Lines)
    assert handler.dropped == 1


def test_a_pipe_that_nobody_reads_costs_lines_only() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as readable, open(writer, "w") as writable:
        set_up("info", "text", writable)
        for _ in range(200):
            logging.getLogger("x").error("y" * 1000)
        os.set_blocking(readable.fileno(), False)
        taken = readable.read()
        assert 0 < taken.count(b"\n") < 200
        logging.getLogger("x").error("heard again")
        assert b"lines of this log could not be written\n" in (rest := readable.read())
        assert rest.endswith(b"heard again\n")


def test_without_a_standard_error_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    logging.getLogger().handlers.clear()
    set_up("info", "json")
    logging.getLogger("x").error("to nobody")
    say("to nobody")
    assert capfd.readouterr() == ("", "")


def test_closed_standard_streams_are_not_given_to_a_connection() -> None:
    code = (
        "import os, socket, sys\n"
        "from sidecar.app.logs import hold_standard_streams\n"
        "hold_standard_streams()\n"
        "print('to nobody', flush=True)\n"
        "print('to nobody', file=sys.stderr, flush=True)\n"
        "with socket.socket() as one: found = one.fileno()\n"
        "raise SystemExit(0 if found > 2 and os.write(2, b'x') == 1 else 1)\n"
    )
    closing = "import os, sys; os.close(1); os.close(2); os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    found = subprocess.run([sys.executable, "-c", closing, code], cwd=ROOT, timeout=30, check=False)
    assert found.returncode == 0


def test_a_file_is_written_by_a_thread_and_everything_else_at_once(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as file, open("/dev/null", "wb") as device:
        to_file, to_device = line_writer(file.fileno()), line_writer(device.fileno())
        assert isinstance(to_file, FileWriter)
        assert isinstance(to_device, StreamWriter)
        to_file.close()
    assert not line_writer(99_999)(b"to nobody\n")


def test_a_log_in_a_file_is_whole_when_the_process_has_ended(tmp_path: Path) -> None:
    code = (
        "import logging\n"
        "from sidecar.app.logs import say, set_up\n"
        "set_up('info', 'text')\n"
        "for number in range(3000): logging.getLogger('x').info('line %d', number)\n"
        "say('the end')\n"
    )
    with open(tmp_path / "log", "wb") as file:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=file, timeout=60, check=True)
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.rpartition("line ")[2] for line in lines] == [*map(str, range(3000)), "the end"]


def test_lines_that_were_not_written_are_counted_from_the_first_on(root: logging.Logger) -> None:
    page, stats = Page(), Stats()
    handler = set_up("info", "json", io.StringIO())
    assert isinstance(handler, Lines)
    handler.write = page
    page.works = False
    logging.getLogger("x").info("lost before anybody counted")
    count_in(stats)
    assert stats.log_dropped == 1
    logging.getLogger("x").info("lost")
    handler.lost(3)  # as a file tells later of what it had taken
    page.works = True
    logging.getLogger("x").info("written")
    assert stats.log_dropped == 5
    assert json.loads(page.lines[0])["dropped"] == 5


def test_lines_that_a_full_file_took_and_lost_are_counted(root: logging.Logger, tmp_path: Path) -> None:
    def full(_descriptor: int, _data: memoryview) -> int:
        raise OSError("full")

    stats = Stats()
    with open(tmp_path / "log", "wb") as file:
        handler = Lines(FileWriter(file.fileno(), 0.0, full))
        root.handlers[:] = [handler]
        count_in(stats)
        logging.getLogger("x").error("lost")
        handler.close()
    assert stats.log_dropped == 1


def test_a_full_file_does_not_hold_up_the_end_of_the_process(root: logging.Logger, tmp_path: Path) -> None:
    def full(_descriptor: int, _data: memoryview) -> int:
        raise OSError("full")

    with open(tmp_path / "log", "wb") as file:
        writer = FileWriter(file.fileno(), 0.0, full)
        handler = Lines(writer)
        root.handlers[:] = [handler]
        handler.acquire()  # as logging does at the end
        try:
            logging.getLogger("x").error("lost")
            writer.close(LIMIT_SECONDS)
        finally:
            handler.release()
        assert handler.dropped == 1
        handler.close()


def test_what_a_full_file_lost_is_counted_once_and_told_once_there_is_room(
    root: logging.Logger, tmp_path: Path
) -> None:
    is_full = True
    lost: list[int] = []
    told = threading.Semaphore(0)

    def write(descriptor: int, data: memoryview) -> int:
        if is_full:
            raise OSError("full")
        return os.write(descriptor, data)

    with open(tmp_path / "log", "wb") as file:
        writer = FileWriter(file.fileno(), 0.0, write)
        handler = Lines(writer)

        def count(lines: int, untold: int) -> None:
            handler.lost(lines, untold)
            lost.append(lines)
            told.release()

        writer.lost = count
        root.handlers[:] = [handler]
        for expected in range(1, 4):  # from the second on a notice goes before it, and is lost with it
            logging.getLogger("x").error("lost")
            while sum(lost) < expected:
                assert told.acquire(timeout=LIMIT_SECONDS)
        is_full = False
        logging.getLogger("x").error("written")
        handler.close()
    assert handler.dropped == 3
    assert "3 lines of this log could not be written" in (tmp_path / "log").read_text()


def test_without_a_log_of_ours_nothing_is_counted(root: logging.Logger) -> None:
    root.handlers.clear()
    stats = Stats()
    count_in(stats)
    assert stats.log_dropped == 0


def test_a_name_of_tls_that_is_not_ascii_is_not_printed_and_other_faults_nobody_can_be_told_of_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", except_names(told.append))
    files = server_certificate().write(tmp_path)
    strict = server_context([Identity(files.certificate, files.private_key)], strict_sni=True, now=time.time())
    theirs = End(ssl.create_default_context(), False, "app.test")
    theirs.step()
    session = Session(strict.context, True)
    with pytest.raises(ssl.SSLError) as fault:
        session.handshake(theirs.outgoing.read().replace(b"app.test", b"\xff" * len("app.test")))
    assert fault.value.reason == "CALLBACK_FAILED"
    assert told == []
    _Failing()
    assert len(told) == 1


class _Failing:
    def __del__(self) -> None:
        raise ValueError
