"""The page as a browser shows it: on a desk, on a phone, in both colours; and its picture in the manual."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser

from sidecar.drill.page import page
from sidecar.drill.report import Report
from sidecar.drill.run import run_drill
from sidecar.drill.shipped import scenario
from tests.doubles.browser import PHONE, browsing, launched
from tests.doubles.drills import default_rules, outage

IMAGE = Path(__file__).resolve().parents[2] / "docs" / "images" / "drill.png"
FOR_THE_MANUAL = os.environ.get("SIDECAR_SCREENSHOTS") == "1"
WIDTH = 1000


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """For one test."""
    async with launched() as browser:
        yield browser


@pytest.fixture
def whole() -> str:
    """The page of a drill: for the manual of one that ran, made without a loop, for a drill has its own."""
    report = Report.of(run_drill(scenario("connections-reset"), default_rules()) if FOR_THE_MANUAL else outage())
    return page(report, "sidecar drill connections-reset --out page.html")


async def test_it_fits_on_a_desk_and_on_a_phone_in_both_colours(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(Report.of(outage()), f"sidecar drill {'restart ' * 30}"))
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    backs = set()
    for size, scheme in ((size, scheme) for size in (PHONE, (1120, 800)) for scheme in schemes):
        async with browsing(chromium, file.as_uri(), size=size, scheme=scheme) as tab:
            assert await tab.evaluate("document.documentElement.scrollWidth") == size[0]
            backs.add(await tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            narrow = await tab.evaluate("[...document.querySelectorAll('.plot svg')].map(one => one.clientWidth)")
            assert min(narrow) > size[0] / 2
    assert len(backs) == 2


async def test_a_picture_of_a_drill_shows_the_verdict_and_the_timeline(
    chromium: Browser, tmp_path: Path, whole: str
) -> None:
    file = tmp_path / "page.html"
    file.write_text(whole)
    picture = IMAGE if FOR_THE_MANUAL else tmp_path / "drill.png"
    async with browsing(chromium, file.as_uri(), size=(WIDTH, 800)) as tab:
        timeline = await tab.locator(".plot").bounding_box()
        assert timeline is not None
        height = timeline["y"] + timeline["height"] + 24
        await tab.screenshot(path=picture, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    assert picture.stat().st_size > 20_000
