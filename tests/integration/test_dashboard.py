"""The dashboard of a proxy that runs: an outage from its beginning to its end, a refusal that leads to its rule, the
verbs, the end of the process, and the pictures of docs/images."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect
from playwright.async_api import TimeoutError as NotSeenError

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.browser import LIMIT_MS, NETWORK, PHONE, browsing, launched, width_beyond_the_window
from tests.doubles.process import ProxyProcess, process
from tests.doubles.shop import shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = """\
version: 1
upstreams:
  app:
    endpoints: [{url}]
    circuit_breaker: {{failure_ratio: 0.5, min_requests: 3, window: 10s, open_for: 1s, max_open_for: 2s}}
routes:
  - name: login
    match: {{path: /login}}
    upstream: app
    rate_limits:
      - {{name: per-client, rate: 1/m, burst: 1, key: client_ip}}
  - name: everything-else
    match: {{path: /}}
    upstream: app
    retry: {{max_attempts: 1}}
"""
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
# How long a look at the page may take before the next request is sent.
BETWEEN_MS = 200
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
PICTURE = (1280, 800)
MOST_BYTES = 200 * 1024


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


class Application:
    """A backend that answers, or fails once it is told to."""

    def __init__(self) -> None:
        self.fails = False

    async def __call__(self, call: Call) -> None:
        await call.body()
        await call.send(FAILED if self.fails else OK)


def written(folder: Path, url: str) -> Path:
    rules = folder / "sidecar.yaml"
    rules.write_text(RULES.format(url=url))
    return rules


def page_of(proxy: ProxyProcess) -> str:
    return f"http://{proxy.admin_host}:{proxy.admin_port}/"


async def ask_until(proxy: ProxyProcess, seen: Locator) -> None:
    """Sends requests, one after another, until the page shows this."""
    async with asyncio.timeout(LIMIT_MS / 1000), proxy.peer() as peer:
        while True:
            await peer.get("/")
            try:
                await seen.wait_for(timeout=BETWEEN_MS)
            except NotSeenError:
                continue
            return


async def test_an_outage_is_seen_from_its_beginning_to_its_end(chromium: Browser, tmp_path: Path) -> None:
    application = Application()
    async with (
        Backend(application) as backend,
        process(rules=written(tmp_path, backend.url)) as proxy,
        browsing(chromium, page_of(proxy)) as page,
    ):
        await expect(page.locator("#all-well")).to_be_visible()
        breaker = page.locator("#breakers [data-breaker='upstream.app']")
        await expect(breaker).to_have_attribute("data-state", "closed")
        application.fails = True
        await ask_until(proxy, page.locator("#breakers [data-state='open']"))
        await ask_until(proxy, page.locator("#alarm-list").get_by_text("Breaker upstream.app is open"))
        await ask_until(proxy, page.locator("#alarm-list").get_by_text("by app/circuit_breaker: circuit_open"))
        await expect(page.locator("#events")).to_contain_text("closed to open")
        because = (await proxy.status())["breakers"]["upstream.app"]["why_open"]
        assert "failed" in because
        await expect(breaker).to_contain_text(because)
        await expect(page.locator("#events li[data-tone='bad']").first).to_be_visible()
        application.fails = False
        await ask_until(proxy, page.locator("#breakers [data-state='closed']"))
        await expect(page.locator("#events")).to_contain_text("half_open to closed")
        # The alarms of the last ten seconds leave one by one.
        await expect(page.locator("#all-well")).to_be_visible()
        assert (await proxy.status())["routes"][1]["refused"]["app/circuit_breaker"]["circuit_open"] > 0


async def test_a_refusal_leads_to_the_line_of_its_rule(chromium: Browser, tmp_path: Path) -> None:
    async with (
        Backend(OK) as backend,
        process(rules=written(tmp_path, backend.url)) as proxy,
        browsing(chromium, page_of(proxy)) as page,
        proxy.peer() as peer,
    ):
        await expect(page.locator("#live")).to_have_text("live")
        assert [(await peer.get("/login")).status for _ in range(4)] == [200, 429, 429, 429]
        await page.get_by_role("button", name="The rule login/per-client").click()
        dialog = page.get_by_role("dialog", name="login/per-client")
        line = 1 + RULES.splitlines().index("      - {{name: per-client, rate: 1/m, burst: 1, key: client_ip}}")
        rate = dialog.get_by_role("row").filter(has_text="routes.login.rate_limits.per-client.rate")
        await expect(rate).to_contain_text("1/m")
        await expect(rate).to_contain_text(f"sidecar.yaml:{line}")
        await expect(dialog).to_contain_text("a rate limit has no token for this caller")
        await expect(dialog.locator("#rule-figures")).to_contain_text("3 since the start")
        assert [(await peer.get("/login")).status for _ in range(2)] == [429, 429]
        await expect(dialog.locator("#rule-figures")).to_contain_text("5 since the start")
        await dialog.get_by_role("button", name="Close").click()
        await expect(page.locator("#routes .refused")).to_contain_text(["rate_limited"])


async def test_the_verbs_are_obeyed_and_shown(chromium: Browser, tmp_path: Path) -> None:
    rules = written(tmp_path, "http://127.0.0.1:1")
    async with process(rules=rules) as proxy, browsing(chromium, page_of(proxy), allowed=[NETWORK]) as page:
        breaker = page.locator("#breakers [data-breaker='upstream.app']")
        await twice(breaker.get_by_role("button", name="Hold open"), page)
        await expect(breaker).to_have_attribute("data-forced", "open")
        await expect(breaker).to_contain_text("by hand, until Auto")
        assert (await proxy.status())["breakers"]["upstream.app"]["forced"] == "open"
        await breaker.get_by_role("button", name="Auto").click()
        await expect(breaker).to_have_attribute("data-state", "closed")
        endpoint = page.locator("[data-endpoint]")
        await twice(endpoint.get_by_role("button", name="Drain"), page)
        await expect(endpoint.locator(".stands")).to_contain_text("drained")
        await expect(page.locator("#ready")).to_have_text("not ready")
        await endpoint.get_by_role("button", name="Ready").click()
        await expect(endpoint.locator(".stands")).to_contain_text("up")
        await expect(page.locator("#events")).to_contain_text("POST /endpoints/…/ready")
        rules.write_text("version: 1\nrotes: []\n")
        await page.get_by_role("button", name="Reload rules").click()
        await expect(page.locator("#said")).to_contain_text("sidecar.yaml:2:1: error: unknown key `rotes`")
        await expect(page.locator("#alarm-list")).to_contain_text("sidecar.yaml:2:1: error: unknown key `rotes`")


async def twice(button: Locator, page: Page) -> None:
    await button.click()
    await page.locator("button[data-armed]").click()


async def test_a_page_whose_process_is_gone_says_so_and_comes_back_with_the_next(
    chromium: Browser, tmp_path: Path
) -> None:
    rules = written(tmp_path, "http://127.0.0.1:1")
    async with process(rules=rules) as first:
        url, admin = page_of(first), f"{first.admin_host}:{first.admin_port}"
        async with browsing(chromium, url, allowed=[NETWORK]) as page:
            await expect(page.locator("#live")).to_have_text("live")
            await expect(page.locator("#live")).to_have_attribute("data-tone", "good")
            first.signal(signal.SIGKILL)
            await first.ended()
            await expect(page.locator("#live")).to_contain_text("stale: no answer for")
            await expect(page.locator("body")).to_have_attribute("data-stale", "")
            await expect(page.locator("#breakers")).to_contain_text("upstream.app")  # what was is still to be read
            async with process(rules=rules, admin=admin) as second:
                await expect(page.locator("#live")).to_have_text("live")
                await second.admin("POST", "/breakers/upstream.app/open")
                await expect(page.locator("#events")).to_contain_text("POST /breakers/…/open")


async def test_pictures_of_an_outage_show_peace_and_what_is_wrong_and_its_rule(
    chromium: Browser, tmp_path: Path
) -> None:
    kept = os.environ.get("SIDECAR_SCREENSHOTS") == "1"
    folder, before, into, open_for = (IMAGES, 6000, 1500, "30s") if kept else (tmp_path, 60, 10, "1s")
    async with (
        shop(tmp_path, open_for) as visited,
        browsing(chromium, page_of(visited.proxy), size=PICTURE) as page,
    ):
        orders = page.locator("#breakers [data-breaker='upstream.orders']")
        endpoint = page.locator("[data-endpoint^='orders/']")
        refusals = page.locator("#routes .refused")
        await visited.more(before)
        await expect(orders).to_have_attribute("data-state", "closed")
        await expect(page.locator("#facts")).to_contain_text("filesidecar.yaml")
        await expect(refusals).to_contain_text(["rate_limited"])
        await picture(page, folder / "dashboard-light.png", kept)
        await page.emulate_media(color_scheme="dark")
        await picture(page, folder / "dashboard-dark.png", kept)
        visited.fail(True)
        await expect(orders).to_have_attribute("data-state", "open")
        await expect(endpoint).to_contain_text("status 503")
        await visited.more(into)
        await expect(page.locator("#alarm-list")).to_contain_text("by orders/circuit_breaker: circuit_open")
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await picture(page, folder / "dashboard-phone.png", kept)
        await page.set_viewport_size({"width": PICTURE[0], "height": PICTURE[1]})
        await page.emulate_media(color_scheme="light")
        await picture(page, folder / "dashboard-outage.png", kept)
        await refusals.get_by_role("button", name="circuit_breaker", exact=True).click()
        await expect(page.locator("#rule-keys .place").first).to_have_text("sidecar.yaml:12")
        await picture(page, folder / "dashboard-rule.png", kept)
        await page.keyboard.press("Escape")
        visited.fail(False)
        await expect(orders).to_have_attribute("data-state", "closed")
        await expect(endpoint.locator(".stands")).to_contain_text("up")
        await expect(page.locator("#events")).to_contain_text("half_open to closed")


async def picture(page: Page, path: Path, kept: bool) -> None:
    """A picture of the page, which must fit its window. Other machines have other fonts: only what is kept in the
    repository has to be small."""
    assert await width_beyond_the_window(page) == 0
    taken = await page.screenshot(path=path, animations="disabled")
    assert not kept or len(taken) < MOST_BYTES, f"{path.name}: {len(taken)} bytes"
