"""Chromium, looking at a page of this machine: it fails the test for whatever the page complains of.

An error or a warning in the console, an exception that nobody caught, and a request to anywhere else than the page's
own address are kept, and fail the test when the context is left. Waiting is Playwright's `expect`, bounded by LIMIT_MS.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright, expect

from tests.doubles.servers import require

LIMIT_MS = 30_000
DESKTOP = (1280, 900)
PHONE = (360, 740)
# What Chromium itself says of an answer that is an error, or of none: the page cannot keep it from saying so.
NETWORK = r"Failed to load resource"

expect.set_options(timeout=LIMIT_MS)


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Chromium, for as many pages as a module's tests look at. Without it: see `require`."""
    path = require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def browsing(
    chromium: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
    allowed: Sequence[str] = (),
) -> AsyncIterator[Page]:
    """The page at `url`, opened in a tab that knows nothing of others. `allowed` are patterns of what the console may
    say."""
    complaints: list[str] = []

    def complain(text: str) -> None:
        if not any(re.search(pattern, text) for pattern in allowed):
            complaints.append(text)

    def console(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            complain(f"{said.type}: {said.text}")

    def request(asked: Request) -> None:
        if not asked.url.startswith(url):
            complain(f"asked for {asked.url}")

    context = await chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale="en-GB", timezone_id="UTC"
    )
    try:
        context.set_default_timeout(LIMIT_MS)
        page = await context.new_page()
        page.on("console", console)
        page.on("pageerror", lambda error: complain(f"uncaught: {error}"))
        page.on("request", request)
        await page.goto(url, wait_until="domcontentloaded")
        yield page
    finally:
        await context.close()
    assert complaints == []


async def width_beyond_the_window(page: Page) -> int:
    """How many pixels of the page lie to the right of the window."""
    beyond = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return int(beyond)
