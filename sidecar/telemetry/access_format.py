"""One line of the access log, as JSON for machines or as text for people.

ASCII out in JSON, printable characters in text, whatever came in: no byte of a request may end a line or steer a
terminal. A line of either form is at most MAX_LINE_BYTES long.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as quoted

from sidecar.model.printable import printable
from sidecar.model.record import ExchangeRecord
from sidecar.telemetry.stream_writer import MAX_LINE_BYTES

_MAX_TEXT = 1024
_MAX_SHORT = 64
# In text, so that whatever is coloured ends well before the longest line does.
_MAX_SHOWN = 512
_MAX_NAME = 128

_RESET = "\x1b[0m"
_RED, _GREEN, _YELLOW, _CYAN, _DIM = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[2m"
_OF_CLASS = {2: _GREEN, 3: _CYAN, 4: _YELLOW, 5: _RED}


def json_line(record: ExchangeRecord, logged: str, moment: str) -> bytes:
    """The line with its end. `logged` says why it is there, `moment` is when, both of plain ASCII."""
    reason = record.reason
    level = "error" if record.status >= 500 else "warning" if reason is not None else "info"
    code = "null" if reason is None else f'"{reason.code}"'
    # Put together by hand: an encoder of the standard library takes three times as long for the same.
    line = (
        f'{{"time":"{moment}","level":"{level}","request_id":{quoted(_text(record.request_id))},'
        f'"trace_id":{quoted(_text(record.trace_id))},"route":{quoted(record.route)},'
        f'"method":{quoted(_text(record.method))},"path":{quoted(_text(record.path))},"status":{record.status},'
        f'"reason":{code},"rule":{quoted(record.rule)},"duration_ms":{round(record.duration_ms, 3)},'
        f'"upstream":{quoted(record.upstream)},"endpoint":{quoted(record.endpoint)},"attempts":{record.attempts},'
        f'"fallback":{quoted(record.fallback)},"bytes_in":{record.bytes_in},"bytes_out":{record.bytes_out},'
        f'"client":{quoted(record.client)},"detail":{quoted(record.detail)},"logged":"{logged}"}}\n'
    )
    if len(line) > MAX_LINE_BYTES:
        # Only escapes make a line this long (one byte can be six characters): keep it whole, without what came in.
        told = json.loads(line)
        short = {name: value[:_MAX_SHORT] if isinstance(value, str) else value for name, value in told.items()}
        line = json.dumps(short, separators=(",", ":")) + "\n"
    return line.encode("ascii")


def text_line(record: ExchangeRecord, logged: str, moment: str, coloured: bool) -> bytes:
    """The line with its end: when, status, what was asked, how long it took, by which route, and what went wrong."""
    reason = record.reason
    status = f"{record.status:03}"
    said = "" if reason is None else f"{reason.code}{' by ' + _name(record.rule) if record.rule else ''}"
    if coloured:
        colour = _OF_CLASS.get(record.status // 100, "")
        status = f"{colour}{status}{_RESET}"
        said = said and f"{colour}{said}{_RESET}"
        moment = f"{_DIM}{moment}{_RESET}"
    asked = f"{_name(_text(record.method)) or '-'} {_shown(_text(record.path), _MAX_SHOWN) or '-'}"
    parts = [f"{moment} {status} {asked} {_duration(record.duration_ms)} {_name(record.route) or '-'} {said}".rstrip()]
    if record.endpoint:
        parts.append(f"endpoint {_name(record.endpoint)}")
    if record.attempts > 1:
        parts.append(f"{record.attempts} attempts")
    if record.fallback:
        parts.append(f"fallback {_name(record.fallback)}")
    if logged == "slow":
        parts.append("slow")
    if record.detail:
        parts.append(f"({_shown(record.detail, _MAX_SHOWN)})")
    parts.append(f"client {_name(record.client) or '-'}")
    if record.request_id:
        parts.append(f"id {_name(_text(record.request_id))}")
    line = ", ".join(parts).encode("utf-8")
    if len(line) >= MAX_LINE_BYTES:
        line = line[: MAX_LINE_BYTES - 1].decode("utf-8", "ignore").encode("utf-8")
    return line + b"\n"


def dropped_line(count: int, moment: str, form: str) -> bytes:
    """What tells of so many lines that were not written."""
    if form == "text":
        return f"{moment} {count} lines of the access log were not written\n".encode()
    told = {"time": moment, "level": "warning", "event": "access_log_dropped", "dropped": count}
    return json.dumps(told, separators=(",", ":")).encode("ascii") + b"\n"


def _text(raw: bytes) -> str:
    text = raw[: _MAX_TEXT + 1].decode("ascii", "backslashreplace")
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def _shown(text: str, most: int) -> str:
    text = printable(text)
    return text if len(text) <= most else text[:most] + "…"


def _name(text: str) -> str:
    return _shown(text, _MAX_NAME)


def _duration(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f}s"
    return f"{milliseconds:.0f}ms" if milliseconds >= 10 else f"{milliseconds:.1f}ms"
