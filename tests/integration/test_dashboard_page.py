"""The dashboard as people use it, over a subject whose status the test writes: what it shows, and that it stays put."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.doubles.browser import NETWORK, browsing, launched
from tests.doubles.told_status import Told, breaker, drain, endpoint, failed_reload, route, served, upstream

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


async def test_a_proxy_that_is_well_says_so(chromium: Browser) -> None:
    async with served(Told()) as url, browsing(chromium, url) as page:
        await expect(page.locator("#all-well")).to_have_text(
            "All is well: nothing is refused, 2 endpoints up, 1 breaker closed."
        )
        await expect(page.locator("#announcer")).to_have_text("All is well.")
        await expect(page.locator("#phase")).to_have_text("serving")
        await expect(page.locator("#ready")).to_have_text("ready")
        await expect(page.locator("#facts")).to_contain_text("generation 3 · 3f0c0a3e")
        await expect(page.locator("#facts")).to_contain_text("59 MiB of 217 MiB")
        await expect(page.locator("#facts")).to_contain_text("1 d 2 h")
        await expect(page.locator("#routes tbody tr")).to_have_count(2)
        await expect(page).to_have_title("ready – Sidecar")


async def test_a_listener_tells_who_came_no_further_than_to_it(chromium: Browser) -> None:
    tls = {"handshakes": {"ok": 7, "unknown_name": 2}, "certificates": []}
    one = {"name": "public", "address": ":8443", "connections": 3, "proxy_headers": {"untrusted": 1}, "tls": tls}
    async with served(Told(listeners=[one])) as url, browsing(chromium, url) as page:
        await expect(page.get_by_text(":8443 (TLS)")).to_have_attribute(
            "title", "public at :8443: 3 open, PROXY header untrusted 1, handshakes ok 7, handshakes unknown_name 2"
        )


async def test_what_a_failed_reload_a_drain_and_dead_workers_are_is_on_top(chromium: Browser) -> None:
    subject = Told(
        reload=failed_reload("sidecar.yaml:12:44: error: `20` is not a rate; write `20/s`"),
        phase="draining",
        drain=drain("draining", 12.3, requests=3),
        not_ready=["serving: draining"],
        workers=[
            {"slot": slot, "pid": 7, "phase": phase, "restarts": 1}
            for slot, phase in enumerate(("serving", "starting"))
        ],
    )
    async with served(subject) as url, browsing(chromium, url) as page:
        await expect(page.locator("#phase")).to_have_text(
            "draining: draining, 13 s to the hard stop, 3 requests in flight"
        )
        await expect(page.locator("#alarm-list li").first).to_contain_text("Not ready: serving: draining")
        await expect(page.locator("#alarm-list")).to_contain_text("sidecar.yaml:12:44: error: `20` is not a rate")
        await expect(page.locator("#announcer")).to_contain_text("problems. Not ready")
        await expect(page.locator("#facts")).to_contain_text("1 of 2 serving")


async def test_a_thousand_routes_can_be_found_and_their_rows_are_not_made_anew(chromium: Browser) -> None:
    routes = [route(f"route-{number}", requests=number) for number in range(1000)]
    subject = Told(routes=routes)
    async with served(subject) as url, browsing(chromium, url) as page:
        rows = page.locator("#routes tbody tr")
        await expect(rows).to_have_count(200)
        await page.get_by_role("button", name="Show all").click()
        await expect(rows).to_have_count(1000)
        await page.get_by_placeholder("filter routes").fill("route-99")
        await expect(rows).to_have_count(11)
        await expect(page.locator("#route-count")).to_have_text("11 of 1,000")
        # Focus, selection and the row itself outlive the looks.
        button = page.get_by_role("button", name="route-995", exact=True)
        await button.focus()
        await page.evaluate("document.activeElement.closest('tr').kept = true")
        await page.evaluate("getSelection().selectAllChildren(document.activeElement)")
        for one in routes:
            one["requests"] += 50
        await expect(rows.first.locator("td").first).to_have_text(re.compile("[1-9]"))
        await expect(button).to_be_focused()
        assert await page.evaluate("document.activeElement.closest('tr').kept")
        assert await page.evaluate("String(getSelection())") == "route-995"


class Unequal(Told):
    """One route does nothing, one much, and one nothing well."""

    def status(self) -> Iterator[Mapping[str, Any]]:
        seconds = self.shown
        busy = route("busy", requests=90 * seconds, statuses={"2xx": 90 * seconds})
        failing = route("failing", requests=10 * seconds, statuses={"5xx": 10 * seconds})
        self.changes = {"routes": [route("quiet"), busy, failing]}
        return super().status()


async def test_routes_are_sorted_when_asked_and_only_those_in_trouble_are_shown_when_asked(chromium: Browser) -> None:
    subject = Unequal()
    async with served(subject) as url, browsing(chromium, url) as page:
        names = page.locator("#routes tbody tr th button")
        await expect(names).to_have_text(["quiet", "busy", "failing"])
        await expect(page.locator("#alarm-list")).to_contain_text("100 % of the answers of failing")
        await page.get_by_role("button", name="req/s").click()
        await expect(names).to_have_text(["busy", "failing", "quiet"])
        await expect(page.get_by_role("columnheader", name="req/s")).to_have_attribute("aria-sort", "descending")
        await page.get_by_role("button", name="5xx").click()
        await expect(names).to_have_text(["failing", "quiet", "busy"])
        await page.get_by_role("button", name="Route", exact=True).click()
        await expect(names).to_have_text(["quiet", "busy", "failing"])
        await page.get_by_label("only those in trouble").check()
        await expect(names).to_have_text(["failing"])


class Shadowed(Told):
    """A limit in shadow and one in force, each with a bucket that is empty, and one for each caller."""

    def status(self) -> Iterator[Mapping[str, Any]]:
        limit = {"rate": "20/s", "burst": 20, "remaining": 0}
        limits = {
            "new": {**limit, "mode": "shadow"},
            "old": {**limit, "mode": "enforce"},
            "each": {"rate": "5/s", "burst": 5, "mode": "enforce", "keys": 3, "max_keys": 100000},
        }
        policies = {"api/rate_limits": {"shadow": False, "limits": limits, "waiting": 0}}
        refused = {"rate_limited": 9 * self.shown}
        both = {"refused": {"api/old": refused}, "shadow_refused": {"api/new": refused}}
        self.changes = {"routes": [route("api", requests=9 * self.shown, policies=policies, **both)]}
        return super().status()


async def test_what_only_a_shadow_would_refuse_does_not_look_refused(chromium: Browser) -> None:
    async with served(Shadowed()) as url, browsing(chromium, url) as page:
        refused = page.locator("#routes .refused li")
        await expect(refused.filter(has_text="old")).to_have_attribute("data-tone", "warn")
        await expect(refused.filter(has_text="rate_limited, shadow")).to_contain_text("9.0/s")
        assert await refused.filter(has_text="rate_limited, shadow").get_attribute("data-tone") is None
        limits = page.locator("#routes .limits li")
        await expect(limits.filter(has_text="new")).to_contain_text("shadow: 20/s, 0 of 20 left")
        await expect(limits.filter(has_text="new").locator(".bar-of")).to_have_attribute("data-tone", "note")
        await expect(limits.filter(has_text="old").locator(".bar-of")).to_have_attribute("data-tone", "bad")
        await expect(limits.filter(has_text="each")).to_contain_text("5/s each, 3 keys")
        await expect(limits.filter(has_text="each").locator(".bar-of")).to_be_hidden()


async def test_names_from_anywhere_are_text_and_never_markup(chromium: Browser) -> None:
    routes = [route(HOSTILE, upstream=HOSTILE, refused={HOSTILE: {HOSTILE: 5}}, policies={HOSTILE: {"x": HOSTILE}})]
    subject = Told(
        routes=routes,
        upstreams=[upstream(HOSTILE, endpoints=[endpoint(HOSTILE, down=True, why_down=HOSTILE)])],
        breakers={HOSTILE: breaker("open", breaker=HOSTILE)},
        not_ready=[HOSTILE],
        reload=failed_reload(HOSTILE),
    )
    subject.rules[HOSTILE] = [{"key": HOSTILE, "value": HOSTILE, "from": HOSTILE}]
    async with served(subject) as url, browsing(chromium, url) as page:
        subject.tell("health", HOSTILE, HOSTILE, alarming=True)
        await expect(page.locator("#events .told")).to_have_text(f"{HOSTILE} {HOSTILE}")
        await expect(page.locator("#routes tbody th button")).to_have_text(HOSTILE)
        await page.locator("#routes .refused button").click()
        await expect(page.locator("#rule-title")).to_have_text(HOSTILE)
        await expect(page.locator("#rule-keys td").last).to_have_text(HOSTILE)
        assert await page.locator("img:not(header img)").count() == 0
        await expect(page).to_have_title("not ready – Sidecar")


async def test_a_verb_asks_for_the_token_until_it_is_right_and_keeps_it_for_the_tab(chromium: Browser) -> None:
    subject = Told()
    async with served(subject, token="secret") as url, browsing(chromium, url, allowed=[NETWORK]) as page:
        group = page.get_by_role("group", name="Breaker upstream.app")
        await group.get_by_role("button", name="Hold open").click()
        assert subject.breakers["upstream.app"] == "auto"  # once is not enough
        await group.get_by_role("button", name="Refuse everything?").click()
        dialog = page.get_by_role("dialog", name="The admin token")
        await expect(dialog).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#said")).to_contain_text("Not done: no token was given")
        await group.get_by_role("button", name="Hold closed").click()
        await dialog.get_by_label("Token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(dialog).to_contain_text("That token was refused")
        await dialog.get_by_label("Token").fill("secret")
        await dialog.get_by_role("button", name="Use it").click()
        await expect(page.locator("#said")).to_contain_text("Breaker upstream.app: held closed")
        assert subject.breakers["upstream.app"] == "close"
        await page.get_by_role("group", name="Endpoint app/10.0.0.1:3000").get_by_role("button", name="Drain").click()
        await page.get_by_role("button", name="Drain it?").click()
        await expect(page.locator("#said")).to_contain_text("Not done: there is no endpoint `app/10.0.0.1:3000`")
        assert (
            await page.evaluate("JSON.stringify([{...localStorage}, Object.values(sessionStorage)])")
            == '[{},["secret"]]'
        )


async def test_a_token_of_any_letters_is_sent_as_it_is_written(chromium: Browser) -> None:
    subject = Told()
    async with served(subject, token="se¢ret→") as url, browsing(chromium, url, allowed=[NETWORK]) as page:
        group = page.get_by_role("group", name="Breaker upstream.app")
        await group.get_by_role("button", name="Hold closed").click()
        dialog = page.get_by_role("dialog", name="The admin token")
        await dialog.get_by_label("Token").fill("se¢ret→")
        await dialog.get_by_role("button", name="Use it").click()
        await expect(page.locator("#said")).to_contain_text("Breaker upstream.app: held closed")


async def test_a_double_click_and_a_key_held_down_are_one_press(chromium: Browser) -> None:
    subject = Told()
    async with served(subject) as url, browsing(chromium, url) as page:
        drain = page.locator("#drain")
        await drain.dblclick()
        await expect(drain).to_have_text("Press again to drain")
        await drain.blur()
        await expect(drain).to_have_text("Drain")
        await drain.focus()
        for _ in range(3):  # without a release between: the key repeats
            await page.keyboard.down("Enter")
        await page.keyboard.up("Enter")
        await expect(drain).to_have_text("Press again to drain")
        await page.get_by_role("group", name="Breaker upstream.app").get_by_role("button", name="Auto").click()
        await expect(page.locator("#said")).to_contain_text("follows its rule")
        assert subject.drains == []


async def test_events_that_are_told_again_by_another_stream_are_shown_once(chromium: Browser) -> None:
    subject = Told()
    subject.tell("reload", "rules", "first")
    async with served(subject) as url, browsing(chromium, url) as page:
        await expect(page.locator("#events li")).to_have_count(1)
        async with page.expect_request("**/events"):
            subject.shown -= 3600  # another process: its stream is opened anew
        subject.tell("reload", "rules", "second")
        await expect(page.locator("#events li")).to_have_count(2)
        await expect(page.locator("#events li").first).to_contain_text("second")


async def test_the_rules_are_reloaded_and_the_drain_begins_at_the_second_press(chromium: Browser) -> None:
    subject = Told()
    subject.report = {"result": "failed", "generation": 3, "problems": ["sidecar.yaml:3:7: error: unknown key `rotes`"]}
    async with served(subject) as url, browsing(chromium, url, allowed=[NETWORK]) as page:
        said = page.locator("#said")
        await page.get_by_role("button", name="Reload rules").click()
        await expect(said).to_contain_text("sidecar.yaml:3:7: error: unknown key `rotes`")
        await said.get_by_role("button", name="Dismiss").click()
        await expect(said).to_be_hidden()
        subject.report = {"result": "reloaded", "generation": 4, "changes": ["routes.new: added"], "problems": []}
        await page.get_by_role("button", name="Reload rules").click()
        await expect(said).to_contain_text("Reloaded: generation 4 is in force")
        await expect(said.locator("li")).to_have_text(["routes.new: added"])
        await page.get_by_role("button", name="Drain", exact=True).first.click()
        assert subject.drains == []
        await page.get_by_role("button", name="Press again to drain").click()
        await expect(said).to_contain_text("The drain has begun")
        assert subject.drains == ["POST /drain"]


async def test_events_come_live_the_newest_first_and_can_be_filtered(chromium: Browser) -> None:
    subject = Told()
    subject.tell("reload", "rules", "SIGHUP: generation 3 is in force")
    async with served(subject) as url, browsing(chromium, url) as page:
        events = page.locator("#events li")
        await expect(events).to_have_count(1)
        subject.tell("breaker", "upstream.app", "closed to open: 6 of 10 attempts failed", alarming=True, after=61)
        await expect(events).to_have_count(2)
        await expect(events.first).to_have_text("12:01:01▲breakerupstream.app closed to open: 6 of 10 attempts failed")
        await expect(events.first.get_by_role("img", name="alarming")).to_be_visible()
        subject.tell("ejected", "app/10.0.0.1:3000", "ejected for 30s", alarming=True, worker=2)
        await expect(events.first.locator(".told")).to_have_text("app/10.0.0.1:3000 ejected for 30s (worker 2)")
        await page.get_by_placeholder("filter events").fill("sighup")
        await expect(events.first).to_be_hidden()
        await expect(events.last).to_be_visible()
        for number in range(120):
            subject.tell("command", "x", f"number {number}")
        await page.get_by_placeholder("filter events").fill("")
        await expect(events).to_have_count(100)
        await expect(events.first).to_contain_text("number 119")


async def test_the_colours_are_those_of_the_system_until_others_are_chosen(chromium: Browser) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    async with served(Told()) as url, browsing(chromium, url, scheme="dark") as page:
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        dark = await page.evaluate(colour)
        await page.emulate_media(color_scheme="light")
        await expect(page.locator("html")).to_have_attribute("data-theme", "light")
        assert await page.evaluate(colour) != dark
        await page.get_by_role("button", name="Theme: system").click()
        await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
        await page.reload()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert await page.evaluate(colour) == dark
        await page.get_by_role("button", name="Theme: dark").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "light")


async def test_the_keyboard_leads_from_a_refusal_to_its_rule_and_back(chromium: Browser) -> None:
    routes = [route("login", refused={"login/per-client": {"rate_limited": 7}}), route("api")]
    subject = Told(routes=routes)
    subject.rules["login/per-client"] = [
        {"key": "routes.login.rate_limits.per-client.rate", "value": "10/s", "from": "sidecar.yaml:12"}
    ]
    async with served(subject) as url, browsing(chromium, url) as page:
        await expect(page.locator("#routes tbody tr")).to_have_count(2)
        await page.keyboard.press("/")
        await expect(page.get_by_placeholder("filter routes")).to_be_focused()
        refusal = page.locator("#routes .refused button")
        await tab_to(page, "per-client")
        await expect(refusal).to_be_focused()
        assert await refusal.evaluate("(node) => getComputedStyle(node).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="login/per-client")
        await expect(dialog.locator("#rule-keys td")).to_have_text(
            ["routes.login.rate_limits.per-client.rate", "10/s", "sidecar.yaml:12"]
        )
        await expect(dialog.locator("#rule-reasons")).to_contain_text("rate_limited: a rate limit has no token")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(refusal).to_be_focused()


async def tab_to(page: Page, text: str) -> None:
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent") == text:
            return
    raise AssertionError(f"no Tab led to {text}")
