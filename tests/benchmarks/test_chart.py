"""The chart is well-formed SVG whose bars are as long as their figures."""

from xml.etree import ElementTree

import pytest

from benchmarks import chart
from tests.doubles.benchmark_result import fixed_result

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_proportional_and_sorted() -> None:
    root = ElementTree.fromstring(chart.draw(fixed_result()))
    widths = [float(bar.attrib["width"]) for bar in root.iter(f"{SVG}rect")]
    assert len(widths) == 6
    rates = widths[:3]
    assert rates == sorted(rates, reverse=True)
    assert rates[1] / rates[0] == pytest.approx(41_000 / 51_000, abs=0.01)


def test_every_proxy_is_named_in_both_panels_and_direct_in_none() -> None:
    texts = [text.text for text in ElementTree.fromstring(chart.draw(fixed_result())).iter(f"{SVG}text")]
    assert [texts.count(name) for name in ("nginx", "envoy", "sidecar", "direct")] == [2, 2, 2, 0]


def test_nothing_depends_on_the_page_around_it() -> None:
    drawn = chart.draw(fixed_result())
    assert "<style" not in drawn
    assert "<script" not in drawn
    assert "prefers-color-scheme" not in drawn
    assert '"#000' not in drawn
    assert '"#fff' not in drawn


def test_names_are_escaped() -> None:
    result = fixed_result()
    result.date = "<&>"
    ElementTree.fromstring(chart.draw(result))
    assert "&lt;&amp;&gt;" in chart.draw(result)


def test_without_the_small_load_there_is_nothing_to_draw() -> None:
    result = fixed_result()
    result.samples = [sample for sample in result.samples if sample.load != "small"]
    with pytest.raises(ValueError, match="small"):
        chart.draw(result)
