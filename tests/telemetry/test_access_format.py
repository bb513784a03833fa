"""A line of the access log: the same fields for machines each time, one glance for people, never more than a line."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord
from sidecar.telemetry.access_format import dropped_line, json_line, text_line
from sidecar.telemetry.stream_writer import MAX_LINE_BYTES

MOMENT = "2023-11-14T22:13:20.250Z"
FIELDS = (
    "time", "level", "request_id", "trace_id", "route", "method", "path", "status", "reason", "rule", "duration_ms",
    "upstream", "endpoint", "attempts", "fallback", "bytes_in", "bytes_out", "client", "detail", "logged",
)  # fmt: skip


def record(status: int = 200, reason: Reason | None = None, path: bytes = b"/") -> ExchangeRecord:
    made = ExchangeRecord()
    made.status = status
    made.reason = reason
    made.path = path
    made.method = b"GET"
    made.route = "login"
    made.duration_ms = 1.23456
    return made


def full() -> ExchangeRecord:
    made = record(503, Reason.CIRCUIT_OPEN, b"/login")
    made.request_id, made.trace_id = b"r1", b"t1"
    made.rule, made.upstream, made.endpoint = "login/breaker", "app", "app/127.0.0.1:1"
    made.attempts, made.bytes_in, made.bytes_out, made.client = 2, 3, 4, "192.0.2.7"
    made.detail, made.fallback = 'refused "it"', "static"
    return made


def filled(raw: bytes, text: str, status: int, reason: Reason | None, milliseconds: float) -> ExchangeRecord:
    made = record(status, reason, raw)
    made.method = made.request_id = made.trace_id = raw
    made.route = made.rule = made.endpoint = made.upstream = made.client = made.detail = made.fallback = text
    made.duration_ms = milliseconds
    return made


records = st.builds(
    filled,
    st.binary(max_size=9000),
    st.text(alphabet=st.characters(), max_size=3000),
    st.integers(0, 599),
    st.none() | st.sampled_from(list(Reason)),
    st.floats(0, 1e9),
)


def test_json_has_every_field_in_order() -> None:
    line = json_line(full(), "error", MOMENT)
    assert line.endswith(b"\n")
    told = json.loads(line)
    assert tuple(told) == FIELDS
    assert list(told.values()) == [
        MOMENT, "error", "r1", "t1", "login", "GET", "/login", 503, "circuit_open", "login/breaker", 1.235, "app",
        "app/127.0.0.1:1", 2, "static", 3, 4, "192.0.2.7", 'refused "it"', "error",
    ]  # fmt: skip


def test_an_answer_of_the_backend_has_no_reason() -> None:
    told = json.loads(json_line(record(), "all", MOMENT))
    assert (told["reason"], told["level"], told["logged"]) == (None, "info", "all")


@pytest.mark.parametrize(
    ("status", "reason", "level"),
    [(200, None, "info"), (429, Reason.RATE_LIMITED, "warning"), (502, Reason.RESET, "error"), (500, None, "error")],
)
def test_the_level_tells_failures_from_refusals(status: int, reason: Reason | None, level: str) -> None:
    assert json.loads(json_line(record(status, reason), "error", MOMENT))["level"] == level


@given(records)
def test_no_exchange_can_break_a_line_of_json(made: ExchangeRecord) -> None:
    line = json_line(made, "error", MOMENT)
    assert line.count(b"\n") == 1
    assert line[:-1].isascii()
    assert line[:-1].decode().isprintable()
    assert len(line) <= MAX_LINE_BYTES
    assert tuple(json.loads(line)) == FIELDS


@given(records, st.booleans())
def test_no_exchange_can_break_a_line_of_text_or_steer_a_terminal(made: ExchangeRecord, coloured: bool) -> None:
    line = text_line(made, "slow", MOMENT, coloured)
    assert line.endswith(b"\n")
    assert len(line) <= MAX_LINE_BYTES
    text = line[:-1].decode()
    if coloured:
        text = re.sub(r"\x1b\[(0|2|3[1236])m", "", text)  # our own
    assert text.isprintable()


def test_a_long_path_is_cut() -> None:
    made = record(path=b"/" + b"a" * 5000)
    path = json.loads(json_line(made, "all", MOMENT))["path"]
    assert path.startswith("/aaa")
    assert path.endswith("…")
    assert "a… 1.2ms" in text_line(made, "all", MOMENT, False).decode()


def test_text_says_at_a_glance_what_was_answered_by_what_and_why() -> None:
    assert text_line(full(), "error", MOMENT, False).decode() == (
        f"{MOMENT} 503 GET /login 1.2ms login circuit_open by login/breaker, endpoint app/127.0.0.1:1, 2 attempts, "
        'fallback static, (refused "it"), client 192.0.2.7, id r1\n'
    )


def test_text_of_what_went_well_is_short() -> None:
    made = record(path=b"/a")
    made.client = "192.0.2.7"
    assert text_line(made, "all", MOMENT, False).decode() == f"{MOMENT} 200 GET /a 1.2ms login, client 192.0.2.7\n"


def test_text_of_what_was_no_request_has_dashes() -> None:
    made = ExchangeRecord()
    made.status, made.reason = 400, Reason.BAD_REQUEST
    assert text_line(made, "error", MOMENT, False).decode() == f"{MOMENT} 400 - - 0.0ms - bad_request, client -\n"


@pytest.mark.parametrize(
    ("milliseconds", "shown"), [(0.04, "0.0ms"), (9.96, "10.0ms"), (12.4, "12ms"), (1500, "1.50s")]
)
def test_text_tells_a_duration_in_the_unit_that_fits(milliseconds: float, shown: str) -> None:
    made = record()
    made.duration_ms = milliseconds
    assert f" / {shown} login" in text_line(made, "all", MOMENT, False).decode()


def test_text_says_which_is_there_for_being_slow() -> None:
    assert b", slow, " in text_line(record(), "slow", MOMENT, False)


@pytest.mark.parametrize(("status", "code"), [(200, 32), (302, 36), (404, 33), (502, 31)])
def test_the_status_has_the_colour_of_its_class(status: int, code: int) -> None:
    assert f"\x1b[{code}m{status}\x1b[0m" in text_line(record(status), "all", MOMENT, True).decode()


def test_the_reason_has_the_colour_of_the_status() -> None:
    assert b"\x1b[31mcircuit_open by login/breaker\x1b[0m" in text_line(full(), "error", MOMENT, True)


def test_dropped_lines_are_told_in_the_log_s_own_form() -> None:
    assert json.loads(dropped_line(5, MOMENT, "json")) == {
        "time": MOMENT, "level": "warning", "event": "access_log_dropped", "dropped": 5,
    }  # fmt: skip
    assert dropped_line(5, MOMENT, "text").decode() == f"{MOMENT} 5 lines of the access log were not written\n"
