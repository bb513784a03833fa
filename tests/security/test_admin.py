"""The admin address, and a page of another site in the operator's browser; what a neighbour may do there."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.admin.server import AdminServer
from tests.doubles.backend import Backend, Call
from tests.doubles.browser import LIMIT_MS, launched
from tests.doubles.peer import Answer, Peer
from tests.doubles.subject import FakeSubject

PAGES = ("/", "/help", "/livez", "/readyz", "/startupz", "/metrics", "/status", "/config", "/events?format=json")
VERBS = (
    "/reload", "/drain", "/drain?wait=1s", "/breakers/upstream.app/open", "/breakers/upstream.app/auto",
    "/endpoints/app/127.0.0.1:3000/drain",
)  # fmt: skip


@asynccontextmanager
async def serving(subject: FakeSubject, *, loopback: bool = True, token: str | None = None) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    server = AdminServer(subject, loopback=loopback, token=token)
    await server.start([listening])
    try:
        yield port
    finally:
        await server.close()


async def ask(port: int, target: str, *fields: str, method: str = "GET") -> Answer:
    lines = [f"{method} {target} HTTP/1.1", *fields, "Content-Length: 0", "Connection: close", "", ""]
    async with await Peer.connect(port) as peer:
        return await peer.ask("\r\n".join(lines).encode())


def untouched(subject: FakeSubject) -> bool:
    nothing = not (subject.drains or subject.reloads or subject.inspected)
    return nothing and set(subject.breakers.values()) == {"auto"} and set(subject.endpoints.values()) == {"ready"}


@pytest.mark.parametrize(
    "fields",
    [
        ["Host: localhost", "Sec-Fetch-Site: cross-site"],
        ["Host: localhost", "Sec-Fetch-Site: same-site"],
        ["Host: localhost", "Origin: http://evil.example"],
        ["Host: localhost", "Origin: null"],
        ["Host: evil.example"],
        ["Host: 127.0.0.1.evil.example"],
        ["Host: localhost.evil.example:9901"],
        ["Host: localhost@evil.example"],
    ],
)
async def test_no_verb_is_taken_from_another_sites_page_or_by_a_rebound_name(fields: list[str]) -> None:
    subject = FakeSubject()
    async with serving(subject) as port:
        for verb in VERBS:
            assert (await ask(port, verb, *fields, method="POST")).status == 403, verb
        for look in ("/debug/memory", "/debug/tasks", "/debug/loop", "/debug/profile?seconds=1"):
            assert (await ask(port, look, *fields)).status == 403, look
    assert untouched(subject)


@pytest.mark.parametrize(
    "field", ["Authorization: Bearer t0ke", "Authorization: Basic dDprZW4=", "Authorization: Bearer", "X-Token: t0ken"]
)
async def test_a_neighbour_without_the_token_looks_and_does_nothing(field: str) -> None:
    subject = FakeSubject()
    async with serving(subject, loopback=False, token="t0ken") as port:
        for verb in VERBS:
            assert (await ask(port, verb, "Host: a", field, method="POST")).status == 401, verb
        assert (await ask(port, "/debug/tasks", "Host: a", field)).status == 401
        assert (await ask(port, "/status", "Host: a", field)).status == 200
    assert untouched(subject)


async def test_no_method_but_post_is_a_verb() -> None:
    subject = FakeSubject()
    async with serving(subject) as port:
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "post"):
            for verb in VERBS:
                assert (await ask(port, verb, "Host: localhost", method=method)).status in (400, 404, 405), (
                    method,
                    verb,
                )
    assert untouched(subject)


async def test_every_page_forbids_frames_foreign_scripts_and_sniffing_and_allows_no_other_origin() -> None:
    async with serving(FakeSubject()) as port:
        for page in (*PAGES, "/nothing", "/dashboard/app.js"):
            answer = await ask(port, page, "Host: localhost", "Origin: http://localhost")
            policy = answer.get("content-security-policy") or b""
            assert (b"default-src 'self'" in policy, b"frame-ancestors 'none'" in policy) == (True, True), page
            assert b"unsafe" not in policy
            assert answer.get("x-content-type-options") == b"nosniff"
            assert answer.get("access-control-allow-origin") is None
        body = (await ask(port, "/", "Host: localhost")).body.decode()
        assert re.findall(r"<script(?! (?:type=\"module\" )?src=)|\son\w+=|javascript:", body) == []


@pytest.mark.parametrize(
    "name", ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "app.js%00.html"]
)
async def test_no_file_but_the_dashboards_own_is_served(name: str) -> None:
    async with serving(FakeSubject()) as port:
        assert (await ask(port, f"/dashboard/{name}", "Host: localhost")).status in (400, 404)


ATTACK = """
async (admin) => {
  const tried = {};
  const attempt = async (name, act) => { try { tried[name] = await act(); } catch { tried[name] = "blocked"; } };
  const loaded = (tag, address) => new Promise((done) => {
    const node = document.createElement(tag);
    node.onload = () => done("drawn"); node.onerror = () => done("blocked");
    node.src = admin + address; document.body.append(node);
  });
  await attempt("read", async () => (await fetch(admin + "/config")).status);
  await attempt("image", () => loaded("img", "/dashboard/icon.svg"));
  await attempt("script", () => loaded("script", "/dashboard/theme.js"));
  await attempt("verb", async () => (await fetch(admin + "/drain", {method: "POST"})).status);
  await attempt("blind verb", async () => (await fetch(admin + "/drain", {method: "POST", mode: "no-cors"})).status);
  await attempt("beacon", () => String(navigator.sendBeacon(admin + "/reload")));
  await attempt("stream", () => new Promise((done) => {
    const stream = new EventSource(admin + "/events");
    stream.onopen = () => done("open"); stream.onerror = () => done("blocked");
  }));
  const frame = document.createElement("iframe");
  frame.name = "inner"; document.body.append(frame);
  const form = document.createElement("form");
  form.method = "POST"; form.action = admin + "/drain"; form.target = "inner"; document.body.append(form);
  await new Promise((done) => { frame.onload = done; form.submit(); });
  return tried;
}
"""


async def test_a_page_of_another_site_in_a_real_browser_reads_draws_and_does_nothing() -> None:
    async def page(call: Call) -> None:
        body = b"<!doctype html><title>evil</title><link rel=icon href='data:,'><p>hello"
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    subject = FakeSubject()
    async with Backend(page) as evil, serving(subject) as port, launched() as browser:
        context = await browser.new_context()
        context.set_default_timeout(LIMIT_MS)
        tab = await context.new_page()
        await tab.goto(evil.url.replace("127.0.0.1", "localhost"))
        tried = await tab.evaluate(ATTACK, f"http://127.0.0.1:{port}")
        await context.close()
    allowed = {"blind verb": 0, "beacon": "true"}  # that it was sent is all that the page can know
    assert {name: came for name, came in tried.items() if came != "blocked"} == allowed, json.dumps(tried)
    assert untouched(subject)
    assert subject.listeners == []
