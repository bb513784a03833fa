"""What a panel shows, and that it stays true to its values."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.drill.plot import Band, Bands, Columns, Lines, Panel, Series, Shade, figure, nice_above, plotted


def _svgs(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def _marks(text: str, kind: str) -> list[ElementTree.Element]:
    return [one for svg in _svgs(text) for one in svg.iter() if (one.get("class") or "").split()[:1] == [kind]]


def _titles(text: str) -> list[str]:
    return [one.text or "" for svg in _svgs(text) for one in svg.iter("title")]


def test_columns_stand_on_each_other() -> None:
    panel = Columns("Requests", "/s", [Series("answered", "good", [6, 0]), Series("failed", "bad", [4, 10])])
    answered, failed = _marks(plotted([panel], 2), "area")
    assert answered.get("d") == "M0.00 100.00V40.00h500.00V100.00z"
    assert failed.get("d") == "M0.00 40.00V0.00h500.00V40.00zM500.00 100.00V0.00h500.00V100.00z"


def test_what_lies_under_the_pointer_is_told_with_its_time_and_unit() -> None:
    panel = Columns("Requests", "/s", [Series("answered", "good", [6, 0]), Series("failed", "bad", [4, 0])])
    assert _titles(plotted([panel], 4)) == ["0 s: answered 6, failed 4 /s"]


def test_a_series_of_nothing_is_not_in_the_legend() -> None:
    text = plotted([Columns("Requests", "/s", [Series("answered", "good", [1]), Series("lost", "bad", [0])])], 1)
    assert "answered</li>" in text
    assert "lost</li>" not in text


def test_a_line_is_broken_where_there_is_no_value() -> None:
    panel = Lines("Latency", "ms", [Series("p50", "accent", [5, 5, None, 5])])
    (line,) = _marks(plotted([panel], 4), "line")
    assert (line.get("d") or "").count("M") == 2


def test_a_logarithmic_scale_gives_each_power_of_ten_the_same_room() -> None:
    panel = Lines("Latency", "ms", [Series("p50", "accent", [1, 10, 100, 1000])], log=True)
    (line,) = _marks(plotted([panel], 4), "line")
    heights = [float(found) for found in re.findall(r"L[\d.]+ ([\d.]+)", line.get("d") or "")]
    assert heights == pytest.approx([66.67, 33.33, 0], abs=0.01)


def test_bands_lie_at_their_times_and_say_their_word() -> None:
    panel = Bands("Breakers", [("upstream.app", [Band(0, 5, "good", "closed"), Band(5, 10, "bad", "open")])])
    text = plotted([panel], 10)
    assert [(one.get("x"), one.get("width")) for one in _marks(text, "band")] == [
        ("0.00", "500.00"),
        ("500.00", "500.00"),
    ]
    assert _titles(text) == ["closed, 0 s to 5 s", "open, 5 s to 10 s"]


def test_a_band_of_a_moment_is_still_seen() -> None:
    (band,) = _marks(plotted([Bands("B", [("b", [Band(5, 5, "bad", "open")])])], 10), "band")
    assert float(band.get("width") or 0) > 0


def test_a_fault_is_shaded_in_every_panel() -> None:
    panels: list[Panel] = [Columns("A", "", [Series("a", "good", [1])]), Bands("B", [("b", [])])]
    shades = _marks(plotted(panels, 10, [Shade(2, 4, "the backend refuses")]), "shade")
    assert [(one.get("x"), one.get("width")) for one in shades] == [("200.00", "200.00")] * 2


def test_no_name_becomes_markup() -> None:
    hostile = '<script>&"'
    panels: list[Panel] = [
        Columns(hostile, hostile, [Series(hostile, "good", [1])]),
        Bands(hostile, [(hostile, [Band(0, 1, "bad", hostile)])]),
    ]
    assert "<script>" not in plotted(panels, 1, [Shade(0, 1, hostile)])


def test_the_axis_has_a_tick_at_the_start_and_few_others() -> None:
    assert re.findall(r"<span style=\"left:([\d.]+)%\">(\d+) s", plotted([], 60)) == [
        ("0.00", "0"), ("16.67", "10"), ("33.33", "20"), ("50.00", "30"), ("66.67", "40"), ("83.33", "50"),
        ("100.00", "60"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (0.25, "0.25"), (0.00123, "0.0012"), (12.34, "12.3"), (123.4, "123"), (4321, "4,321"),
     (12345, "12,345"), (1500000, "1.5 M")],
)  # fmt: skip
def test_a_figure_takes_few_characters(value: float, text: str) -> None:
    assert figure(value) == text


@given(st.floats(1e-6, 1e12))
def test_a_scale_ends_at_a_round_number_not_far_above(value: float) -> None:
    top = nice_above(value)
    assert value * (1 - 1e-6) <= top <= value * 2.5


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), min_size=5, max_size=5), min_size=1, max_size=4))
def test_any_values_make_well_formed_marks_within_the_frame(rows: list[list[float | None]]) -> None:
    series = [Series(f"s{place}", "good", row) for place, row in enumerate(rows)]
    text = plotted([Columns("A", "", series), Lines("B", "", series), Lines("C", "", series, log=True)], 5)
    for found in re.findall(r"V(-?[\d.]+)", text):
        assert -0.01 <= float(found) <= 100.01
    assert len(_svgs(text)) == 3
