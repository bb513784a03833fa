"""Texts of operators, and lines for them: every mistake at its place, and nothing that came in steers a reader."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable

from sidecar.drill.scenario import load_scenario
from sidecar.inject.asked import Asked
from sidecar.inject.documents import documents
from sidecar.inject.injection import inject, uninject
from sidecar.model.observer import Unobserved
from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord
from sidecar.rules.effective import effective
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError, Problem
from sidecar.runtime.build import prepare
from sidecar.telemetry.access_format import json_line, text_line
from sidecar.telemetry.stream_writer import MAX_LINE_BYTES

_FILE = "rules.yaml"
_GIVEN = Given(environ={"NAME": "value", "PORT": "8080"}, allow_faults=True)
_LINE_ENDS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_REASONS = (None, *Reason)
_MOST_OF_A_MESSAGE = 16384


def _no_file(path: str) -> str:
    raise ValueError(f"cannot be read: {path}")


def _no_credential(path: str) -> bytes:
    raise ValueError(f"cannot be read: {path}")


def rules(data: bytes) -> object:
    """Rules: a set that can be built and is read again as itself, or problems, each at a place in the text."""
    text = data.decode("utf-8", "replace")
    try:
        loaded = load_text(text, _FILE, _GIVEN, _no_file, _no_credential)
    except ConfigError as error:
        return _shown(error.problems, text)
    runtime = prepare(loaded.rules, loaded.digest, None, Unobserved(), random.Random(0))
    assert len(runtime.routes) == len(loaded.rules.routes), "what is taken can be built"
    written = json.dumps(effective(loaded.rules))
    if "$" not in written:
        again = load_text(written, _FILE, _GIVEN, _no_file, _no_credential)
        assert again.digest == loaded.digest, "what is in effect, written down, is the same rules"
    return [loaded.digest, *(_shown(loaded.warnings, text) if loaded.warnings else ())]


def _shown(problems: Iterable[Problem], text: str) -> list[str]:
    lines = _LINE_ENDS.split(text)
    found = []
    for problem in problems:
        assert problem.message, "a problem is a sentence"
        assert len(problem.message) <= _MOST_OF_A_MESSAGE, "and not a book"
        assert str(problem).isprintable(), "that steers no terminal"
        if problem.file == _FILE and problem.line:
            assert problem.line <= len(lines) + 1, "on a line of the text"
            length = len(lines[problem.line - 1]) if problem.line <= len(lines) else 0
            assert 1 <= problem.column <= length + 2, "at a column of that line"
        found.append(str(problem))
    assert found, "a refusal says why"
    return found


def scenarios(data: bytes) -> object:
    """Scenarios of drills: one that can be run, or problems, each at a place in the text."""
    text = data.decode("utf-8", "replace")
    try:
        return repr(load_scenario(text, _FILE))
    except ConfigError as error:
        return _shown(error.problems, text)


def manifests(data: bytes) -> object:
    """Kubernetes manifests: a sidecar is put in and taken out again, or the text is refused at its place."""
    text = data.decode("utf-8", "replace")
    try:
        made = inject([(_FILE, text)], Asked(), "9.9.9")
    except ConfigError as error:
        return _shown(error.problems, text)
    for note in made.notes:
        assert str(note).isprintable(), "what is said steers no terminal"
    again = inject([(_FILE, made.text)], Asked(), "9.9.9")
    assert again.text == made.text, "a second time changes nothing"
    undone = uninject([(_FILE, made.text)])
    once_more = inject([(_FILE, undone.text)], Asked(), "9.9.9")
    assert _objects(once_more.text) == _objects(made.text), "out and in again it says the same"
    return made.text


def _objects(text: str) -> list[object]:
    return [one.root.value for one in documents(text, _FILE) if one.root.value is not None]


def log_lines(data: bytes) -> object:
    """A line of the access log: one line, whatever was asked, and in JSON the words that came."""
    request_id, method, path, host, *_ = (*data.split(b"\n", 3), b"", b"", b"", b"")
    record = ExchangeRecord()
    record.request_id, record.method, record.path = request_id, method, path
    record.detail = record.upstream = record.endpoint = host.decode("utf-8", "surrogateescape")
    record.status = len(data) % 600
    record.reason = _REASONS[len(path) % len(_REASONS)]
    record.attempts = len(method)
    record.duration_ms = len(data) * 1.5
    as_json = json_line(record, "error", "2026-01-01T00:00:00.000Z")
    assert as_json.isascii(), "plain ASCII"
    assert as_json.endswith(b"}\n"), "one line"
    assert as_json.count(b"\n") == 1, "one line"
    assert len(as_json) <= MAX_LINE_BYTES, "of bounded length"
    told = json.loads(as_json)
    assert told["status"] == record.status, "with its facts"
    assert not method.isascii() or told["method"].startswith(method.decode()[:64]), "in its own words"
    for coloured in (False, True):
        as_text = text_line(record, "slow", "2026-01-01T00:00:00.000Z", coloured)
        assert len(as_text) <= MAX_LINE_BYTES, "of bounded length"
        assert as_text.endswith(b"\n"), "one line"
        shown = as_text[:-1].decode("utf-8")
        assert coloured or shown.isprintable(), "nothing that steers a terminal"
        assert shown.count("\x1b") <= 6, "but our own colours"
    return as_json
