"""The page: whole, alone, and nobody's markup but its own."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from sidecar.drill.advice import Advice
from sidecar.drill.page import page
from sidecar.drill.report import Report
from tests.doubles.drills import outage, record, request

REPORT = Report.of(outage())
PAGE = page(REPORT, "sidecar drill restart --seed 1 --out page.html")
_VOID = {"meta", "br", "link"}


class _Reader(HTMLParser):
    """Reads tags strictly: each that was opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.wrong += [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_it_is_well_formed_and_needs_nothing_else() -> None:
    reader = _Reader(PAGE)
    assert (reader.open, reader.wrong) == ([], [])
    assert "script" not in reader.tags
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", PAGE)


def test_it_tells_the_verdict_the_expectations_and_how_to_repeat_it() -> None:
    text = "".join(_Reader(PAGE).text)
    assert "150 of 400 requests failed" in text
    assert "client_errors is 37.5%, expected at most 10%" in text
    assert "avoidable is 0, expected at most 0" in text
    assert "sidecar drill restart --seed 1 --out page.html" in text
    assert "upstreams.app.circuit_breaker.open_for: 30s" in text


def test_no_text_becomes_markup() -> None:
    hostile = "<b onload=1>&\"'"
    found = replace(outage(), notes=(hostile,), requests=(request(reason=hostile, status=503), *outage().requests[1:]))
    text = page(Report.of(found), hostile, [Advice((hostile,), hostile, 2, 1)])
    assert "<b onload" not in text
    assert _Reader(text).wrong == []


def test_advice_is_told_with_what_to_set() -> None:
    text = page(
        REPORT,
        "sidecar drill restart",
        [Advice(("upstreams.app.hold.timeout=10s",), "2 instead of 150 errors.", 150, 2)],
    )
    assert "2 instead of 150 errors." in text
    assert "--set upstreams.app.hold.timeout=10s" in text
    assert "What would have done better" not in PAGE


def test_a_drill_without_an_error_has_a_page_too() -> None:
    text = page(Report.of(record([request()])), "sidecar drill quiet")
    assert "All 1 requests were answered." in text
    assert _Reader(text).wrong == []
