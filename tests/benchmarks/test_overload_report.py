"""The tables say what was measured, and the plot draws it."""

from xml.etree import ElementTree

import pytest

from benchmarks import machine, overload_report
from tests.doubles.overload_result import fixed_result

SVG = "{http://www.w3.org/2000/svg}"


def line(text: str, begin: str, after: str) -> list[str]:
    """The cells of the first line that begins so, behind a heading."""
    for row in text[text.index(after) :].splitlines():
        cells = [cell.strip() for cell in row.strip("| ").split("|")]
        if cells[0] == begin:
            return cells
    raise AssertionError(f"no line {begin}")


def test_goodput_stands_by_load_and_ends_with_what_was_kept() -> None:
    text = overload_report.tables(fixed_result())
    assert line(text, "nginx", "| goodput") == ["nginx", "50 %", "95 %", "5 %", "5 %"]
    assert line(text, "**sidecar adaptive**", "| goodput") == ["**sidecar adaptive**", "50 %", "94 %", "92 %", "98 %"]


def test_what_lies_beyond_the_capacity_is_told_in_full() -> None:
    text = overload_report.tables(fixed_result())
    assert line(text, "nginx", "| at 2 ×") == ["nginx", "5 %", "20", "1000", "0 %", "–", "–", "98 %", "95 %"]
    assert line(text, "**sidecar told**", "| at 2 ×")[4:7] == ["51 %", "1.0", "5.0"]


def test_the_slowdown_tells_how_long_the_way_back_took() -> None:
    text = overload_report.tables(fixed_result())
    assert line(text, "nginx", "| through a slowdown")[-1] == "> 6 s"
    assert line(text, "**sidecar adaptive**", "| through a slowdown")[-1] == "1 s"


def test_command_date_and_versions_are_there() -> None:
    text = overload_report.tables(fixed_result())
    for words in ("python -m benchmarks.overload", "2026-01-02", "0123456789ab", "nginx 1.22.1", "50 %", "2.0 ms late"):
        assert words in text


def test_a_part_that_was_not_measured_is_left_out() -> None:
    result = fixed_result()
    result.ramp = []
    text = overload_report.tables(result)
    assert "| goodput" not in text
    assert "| through a slowdown" in text
    ElementTree.fromstring(overload_report.draw(result))


def test_the_plot_has_a_line_for_every_row_in_its_panels() -> None:
    root = ElementTree.fromstring(overload_report.draw(fixed_result()))
    drawn = [path.findtext(f"{SVG}title") for path in root.iter(f"{SVG}path")]
    assert (drawn.count("nginx"), drawn.count("sidecar adaptive"), drawn.count("sidecar told")) == (2, 3, 2)


def test_without_a_measurement_there_is_nothing_to_draw() -> None:
    result = fixed_result()
    result.ramp, result.steps = [], []
    with pytest.raises(ValueError, match="nothing"):
        overload_report.draw(result)


def test_the_page_keeps_what_stands_around_the_figures() -> None:
    page = f"before\n{overload_report.BEGIN}\nold\n{overload_report.END}\nafter\n"
    put = overload_report.put_in(page, "new\n")
    assert put == f"before\n{overload_report.BEGIN}\nnew\n{overload_report.END}\nafter\n"
    with pytest.raises(ValueError, match="measured"):
        overload_report.put_in("no marks", "new")


def test_the_documented_figures_are_between_their_marks_and_beside_their_plot() -> None:
    page = (machine.ROOT / "docs" / "overload.md").read_text()
    assert overload_report.put_in(page, "x\n") != page
    assert "(overload.svg)" in page
    ElementTree.parse(machine.ROOT / "docs" / "overload.svg")
