"""What is written is read back as it was meant, in the format that was asked for, and never too much at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from sidecar.telemetry.exposition import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    INFO,
    OPENMETRICS,
    TEXT,
    Family,
    asked_for,
    exemplar,
    in_pieces,
)

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",  # a browser
        "text/plain;version=0.0.4",
        "application/openmetrics-text;q=0,text/plain",
        "application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.9",
        "application/openmetrics-text;version=0.0.1,text/plain;q=0.5",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=many",
        "application/openmetrics-text;q=2",
        ";;,,;q=,=",
    ],
)
def test_who_does_not_ask_for_openmetrics_gets_text(accept: str) -> None:
    assert asked_for(accept) == TEXT


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=1.0.0",
        'application/openmetrics-text;version="1.0.0"',
        # Prometheus 2 and 3.
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "text/plain;q=0.5,application/openmetrics-text;q=0.5",
    ],
)
def test_who_asks_for_openmetrics_gets_it(accept: str) -> None:
    assert asked_for(accept) == OPENMETRICS


@given(st.lists(st.tuples(names, names, st.floats()), unique_by=lambda one: one[:2]))
def test_any_label_and_any_number_is_read_back(told: list[tuple[str, str, float]]) -> None:
    for form, parse, end in ((TEXT, parse_text, ""), (OPENMETRICS, parse_openmetrics, "# EOF\n")):
        family = Family(GAUGE, "heat", "How hot.", ("zone", "area"))
        text = family.head(form) + "".join(family.sample((zone, area), heat) for zone, area, heat in told) + end
        (found,) = parse(text)
        read = {(one.labels["zone"], one.labels["area"]): repr(one.value) for one in found.samples}
        assert read == {(zone, area): repr(heat) for zone, area, heat in told}


def test_each_kind_is_told_as_its_format_wants() -> None:
    heads = {
        (kind, form): Family(kind, name, "What.").head(form).splitlines()[1].removeprefix("# TYPE ")
        for kind, name in ((COUNTER, "a_total"), (GAUGE, "a"), (HISTOGRAM, "a"), (INFO, "a_info"))
        for form in (TEXT, OPENMETRICS)
    }
    assert heads == {
        (COUNTER, TEXT): "a_total counter",
        (COUNTER, OPENMETRICS): "a counter",
        (GAUGE, TEXT): "a gauge",
        (GAUGE, OPENMETRICS): "a gauge",
        (HISTOGRAM, TEXT): "a histogram",
        (HISTOGRAM, OPENMETRICS): "a histogram",
        (INFO, TEXT): "a_info gauge",
        (INFO, OPENMETRICS): "a info",
    }


def test_a_histogram_has_its_buckets_its_count_its_sum_and_its_marks() -> None:
    family = Family(HISTOGRAM, "took", "How long.", ("route",))
    told = family.histogram('a"b', ("1.0", "+Inf"), (2, 5), 7.5, {1: exemplar("f" * 32, 3.25)})
    (found,) = parse_openmetrics(family.head(OPENMETRICS) + told + "# EOF\n")  # type: ignore[no-untyped-call]
    assert [(one.name, one.labels, one.value) for one in found.samples] == [
        ("took_bucket", {"le": "1.0", "route": 'a"b'}, 2.0),
        ("took_bucket", {"le": "+Inf", "route": 'a"b'}, 5.0),
        ("took_count", {"route": 'a"b'}, 5.0),
        ("took_sum", {"route": 'a"b'}, 7.5),
    ]
    marked = found.samples[1].exemplar
    assert marked is not None
    assert (marked.labels, marked.value) == ({"trace_id": "f" * 32}, 3.25)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=600))
def test_pieces_are_the_whole(written: list[str]) -> None:
    assert b"".join(in_pieces(written)) == "".join(written).encode()


def test_a_piece_is_little_work_even_where_nothing_is_written() -> None:
    worked = 0

    def work() -> Iterator[str]:
        nonlocal worked
        for _ in range(10_000):
            worked += 1
            yield ""

    pieces = in_pieces(work())
    next(pieces)
    assert 0 < worked <= 1000
    long = in_pieces("x" * 1000 for _ in range(1000))
    assert len(next(long)) <= 40_000
