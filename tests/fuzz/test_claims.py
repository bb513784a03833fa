"""Each claim is alive: a product with the fault that it is about is caught, by an input that is in the corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sidecar.rules.problems import ConfigError
from sidecar.transport.upstream import UpstreamConnection
from sidecar.wire.chunked import ChunkedBody
from sidecar.wire.edits import FieldEdits
from sidecar.wire.errors import BadMessage
from sidecar.wire.head import parse_request
from sidecar.wire.message import CHUNKED, HeadLimits, RequestHead
from sidecar.wire.websocket import Frames
from tests.fuzz import corpus
from tests.fuzz.table import TARGETS
from tests.fuzz.targets import bodies, connections, fields, heads, paths, texts, values
from tests.transport.clients import Client

Fault = Callable[[Any], Any]


def _without_limit(right: Any) -> Any:
    return lambda data, limits, *more: right(data, HeadLimits(1 << 20, 10_000, 1 << 16), *more)


def _in_pieces_more(right: Any) -> Any:
    # The bug of a parser that looks at the newest bytes alone.
    return lambda data, limits, *more: right(data[more[0] if more else 0 :], limits)


def _changed(name: str, value: object) -> Fault:
    def fault(right: Any) -> Any:
        def wrong(*arguments: Any) -> Any:
            head = right(*arguments)
            if head is not None:
                setattr(head, name, value)
            return head

        return wrong

    return fault


def _result(change: Callable[[Any], Any]) -> Fault:
    return lambda right: lambda *arguments, **named: change(right(*arguments, **named))


class _Stand:
    """Stands in for an object whose class, once compiled, has no subclasses."""

    def __init__(self, right: Any) -> None:
        self._right = right

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)


class _Greedy(_Stand):
    """Takes what follows for a part of the payload."""

    def __init__(self, *words: Any) -> None:
        super().__init__(ChunkedBody(*words))

    def feed(self, data: bytes, start: int = 0) -> bytes:
        payload: bytes = self._right.feed(data, start)
        return payload + (b"x" if len(data) > 3 else b"")


class _Hasty(_Stand):
    """Overlooks the first byte of every piece but the first one."""

    def __init__(self, *words: Any) -> None:
        super().__init__(Frames(*words))

    def follow(self, data: bytes) -> None:
        self._right.follow(data if self._right.at_boundary else data[1:])


class _Deaf(Client):
    """Loses a piece of a single byte."""

    def sends(self, data: bytes) -> None:
        if len(data) > 1 or data.isalpha():
            super().sends(data)


class _Generous(UpstreamConnection):
    """Takes an answer for whole when its connection ends."""

    def eof_received(self) -> bool:
        self.data_received(b"0\r\n\r\n")
        return bool(super().eof_received())


def _told_elsewhere(right: Any) -> Any:
    def wrong(*arguments: Any) -> Any:
        try:
            return right(*arguments)
        except ConfigError as error:
            raise ConfigError([replace(problem, line=problem.line + 9) for problem in error.problems]) from None

    return wrong


FAULTS: list[tuple[str, Any, str, Fault]] = [
    ("request-head", heads, "parse_request", _changed("fields", b"Host: a\r\nKeep-Alive: 5\r\n")),
    ("request-head", heads, "parse_request", _changed("fields", b"Host: a\r\nX-A: 1\0\r\n")),
    ("request-head", heads, "parse_request", _changed("fields", b"Host: a\r\nHost: b\r\n")),
    ("request-head", heads, "parse_request", _changed("fields", b"Host: a\r\nTransfer-Encoding: x\r\n")),
    ("request-head", heads, "parse_request", _changed("framing", CHUNKED)),
    ("request-head", heads, "parse_request", _changed("origin_target", b"/a b")),
    ("request-head", heads, "parse_request", _changed("authority", b"elsewhere")),
    ("request-head", heads, "request_head", _result(lambda sent: sent.replace(b"X-A: 1\r\n", b"X-A: 1\r\n more\r\n"))),
    ("response-head", heads, "parse_response", _changed("content_length", 7)),
    ("response-head", heads, "response_head", _result(lambda sent: sent + b"\r\n")),
    ("head-in-pieces", heads, "parse_request", _in_pieces_more),
    (
        "requests",
        bodies,
        "request_head",
        _result(lambda sent: sent.replace(b"Content-Length: 5", b"Content-Length: 4")),
    ),
    ("requests", bodies, "_sent_body", _result(lambda sent: sent.replace(b"0\r\n", b""))),
    ("answers", bodies, "_sent_body", _result(lambda sent: sent + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
    ("chunks", bodies, "ChunkedBody", lambda right: _Greedy),
    ("trailers", bodies, "forwardable_trailers", lambda right: lambda section, *more: section[:-2]),
    ("targets", paths, "matching_path", lambda right: lambda path: path),
    ("addresses", fields, "client_ip", lambda right: lambda origin, head, trusted: "203.0.113.1"),
    ("addresses", fields, "forwarded_fields", _result(lambda block: block + b"X-Forwarded-For: 1.1.1.1\r\n")),
    (
        "traces",
        fields,
        "forwarded_fields",
        _result(lambda block: block.replace(b"traceparent: 00-", b"traceparent: ff-")),
    ),
    ("keys", fields, "RequestKey", lambda right: lambda *words: type("Key", (), {"of": lambda self, *of: "a" * 65})()),
    ("edits", fields, "EDITS", lambda right: FieldEdits(["x-b"])),
    ("values", values, "parse_http_date", _result(lambda date: date + 0.5)),
    ("values", values, "retry_after_seconds", _result(lambda seconds: -2.0)),
    ("proxy-header", values, "read", _result(lambda found: found and found._replace(source="::ffff:1.2.3.4"))),
    ("frames", values, "Frames", lambda right: _Hasty),
    ("rules", texts, "load_text", _told_elsewhere),
    ("rules", texts, "effective", _result(lambda told: {**told, "routes": told["routes"] * 2})),
    (
        "manifests",
        texts,
        "inject",
        _result(lambda made: type(made)(made.text + "\n---\n" * len(made.notes), made.notes)),
    ),
    ("client", connections, "Client", lambda right: _Deaf),
    ("endpoint", connections, "UpstreamConnection", lambda right: _Generous),
    ("scenarios", texts, "load_scenario", _told_elsewhere),
    ("log-lines", texts, "json_line", _result(lambda line: line.replace(b",", b",\n", 1))),
    ("log-lines", texts, "text_line", _result(lambda line: b"\x1b[2J" + line)),
]


@pytest.mark.parametrize(("name", "module", "part", "fault"), FAULTS, ids=[f"{one[0]}-{one[2]}" for one in FAULTS])
def test_a_fault_in_a_part_is_caught(
    name: str, module: Any, part: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, part, fault(getattr(module, part)))
    run = TARGETS[name].load()
    caught = []
    for path in corpus.staying(name):
        try:
            run(path.read_bytes())
        except (AssertionError, ConfigError, BadMessage) as error:
            caught.append(error)
    assert caught, "no input of the corpus shows this fault"


def test_every_target_has_a_fault_that_it_catches() -> None:
    assert {name for name, *_ in FAULTS} == set(TARGETS)


def test_a_head_that_is_never_refused_for_its_size_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "parse_request", _without_limit(parse_request))
    with pytest.raises(AssertionError, match="not waited for without end"):
        heads.request(b"GET / HTTP/1.1\r\nA: " + b"a" * 2000)


def test_what_a_target_answers_says_how_an_input_was_read() -> None:
    # The builds are compared by it.
    data = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"
    assert heads.request(data) == heads.request(data)
    assert heads.request(data) != heads.request(data.replace(b"b", b"c"))
    assert isinstance(parse_request(data, heads.LIMITS), RequestHead)
