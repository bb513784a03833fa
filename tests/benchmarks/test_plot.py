"""The plot is well-formed SVG whose lines go where their values are."""

import math
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plot import Panel, plot

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"[ML](-?[\d.]+) (-?[\d.]+)")


def panel(series: Mapping[str, Sequence[float | None]], *, log: bool = False, log_x: bool = False) -> Panel:
    longest = max((len(values) for values in series.values()), default=0)
    x = [float(place + 1) for place in range(longest)]
    return Panel(title="A title", label="requests", x=x, series=series, unit="ms", log=log, log_x=log_x)


def root(*panels: Panel) -> ElementTree.Element:
    return ElementTree.fromstring(plot("All of it", panels))


def line(drawn: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(path for path in drawn.iter(f"{SVG}path") if path.findtext(f"{SVG}title") == name)


def points(drawn: ElementTree.Element, name: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in NUMBER.findall(line(drawn, name).attrib["d"])]


def texts(drawn: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in drawn.iter(f"{SVG}text")]


def test_a_line_rises_in_proportion_to_its_values() -> None:
    (_, a), (_, b), (_, c) = points(root(panel({"one": [10.0, 20.0, 40.0]})), "one")
    assert a > b > c
    assert (b - c) / (a - b) == pytest.approx(2, abs=0.02)


def test_on_a_log_axis_equal_factors_are_equal_steps() -> None:
    drawn = root(panel({"one": [1.0, 10.0, 100.0]}, log=True))
    (_, a), (_, b), (_, c) = points(drawn, "one")
    assert a - b == pytest.approx(b - c, abs=0.2)
    assert {"1 ms", "10 ms", "100 ms"} <= set(texts(drawn))


def test_a_log_axis_across_puts_equal_factors_at_equal_distances() -> None:
    given_panel = Panel(title="t", label="l", x=[0.2, 1, 5], series={"one": [1, 1, 1]}, log_x=True)
    (a, _), (b, _), (c, _) = points(root(given_panel), "one")
    assert b - a == pytest.approx(c - b, abs=0.2)


@pytest.mark.parametrize("gap", [None, math.nan, math.inf])
def test_a_missing_value_is_a_gap_and_not_a_zero(gap: float | None) -> None:
    path = line(root(panel({"one": [1.0, gap, 3.0]})), "one").attrib["d"]
    assert (path.count("M"), path.count("L")) == (2, 0)


def test_what_a_log_axis_cannot_show_is_a_gap() -> None:
    path = line(root(panel({"one": [1.0, 0.0, 3.0, 4.0]}, log=True)), "one").attrib["d"]
    assert (path.count("M"), path.count("L")) == (2, 1)


def test_a_name_looks_the_same_in_every_panel_and_unlike_every_other() -> None:
    names = ["sidecar adaptive", "sidecar fixed", "nginx", "nginx limit", "envoy", "haproxy"]
    series = {name: [1.0, 2.0] for name in names}
    drawn = root(panel(series), panel(series))
    look = [
        (path.findtext(f"{SVG}title"), path.attrib["stroke"], path.get("stroke-dasharray"))
        for path in drawn.iter(f"{SVG}path")
        if path.find(f"{SVG}title") is not None
    ]
    assert len(look) == 12
    assert len(set(look)) == 6
    assert len({(colour, dash) for _, colour, dash in look}) == 6


def test_the_key_is_written_once_while_the_lines_stay_the_same() -> None:
    same = panel({"one": [1.0]})
    assert texts(root(same, same)).count("one") == 1
    assert texts(root(same, panel({"one": [1.0], "two": [2.0]}))).count("one") == 2


def test_a_mark_stands_where_it_was_put_and_widens_the_axis_when_it_must() -> None:
    marked = Panel(title="t", label="l", x=[0.0, 10.0], series={"one": [1.0, 1.0]}, marks={20.0: "drop"})
    drawn = root(marked)
    (start, _), (middle, _) = points(drawn, "one")
    place = next(path.attrib["d"] for path in drawn.iter(f"{SVG}path") if path.get("class") == "mark")
    found = NUMBER.match(place)
    assert found is not None
    assert float(found[1]) - middle == pytest.approx(middle - start, abs=0.2)
    assert "drop" in texts(drawn)


def test_bounds_cut_off_what_lies_beyond() -> None:
    bounded = Panel(title="t", label="l", x=[1, 2], series={"one": [1.0, 900.0]}, bounds=(0, 2))
    drawn = root(bounded)
    assert "2" in texts(drawn)
    assert "900" not in texts(drawn)
    clip = drawn.find(f"{SVG}clipPath")
    assert clip is not None
    assert drawn.find(f"{SVG}g[@clip-path='url(#{clip.attrib['id']})']") is not None


def test_names_are_escaped() -> None:
    given_panel = Panel(title="<&>", label='"', x=[1.0], series={"<a>": [1.0]}, marks={1.0: "<b>"}, unit="<")
    ElementTree.fromstring(plot('"<&>', [given_panel], note="<&>"))


def test_series_of_another_length_than_the_axis_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        plot("t", [Panel(title="t", label="l", x=[1.0, 2.0], series={"one": [1.0]})])


def test_nothing_depends_on_the_page_around_it() -> None:
    drawn = plot("t", [panel({"one": [1.0, 2.0]})])
    for word in ("<style", "<script", "prefers-color-scheme", '"#000', '"#fff'):
        assert word not in drawn


values = st.one_of(st.none(), st.sampled_from([math.nan, math.inf, -math.inf, 0.0]), st.floats(-1e12, 1e12))


@given(st.dictionaries(st.text("abc <&", max_size=5), st.lists(values, min_size=3, max_size=3)), st.booleans())
def test_whatever_the_values_the_document_is_well_formed_and_all_its_places_are_numbers(
    series: dict[str, list[float | None]], log: bool
) -> None:
    drawn = root(panel(series, log=log, log_x=log))
    places = " ".join(path.attrib["d"] for path in drawn.iter(f"{SVG}path"))
    assert re.fullmatch(r"[MLHVvh\d. -]+", places)
