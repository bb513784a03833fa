"""A real Prometheus under the configuration that is shipped: it counts what clients counted, and its alerts fire.

Only time is scaled, mechanically: targets are scraped and rules evaluated each second, and in the rules file every
window in brackets, `for` and `interval` is sixty times shorter (5m becomes 5s). Expressions and thresholds stay.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.process import ProxyProcess, process
from tests.doubles.prometheus import LIMIT_SECONDS, Prometheus, prometheus

OBSERVABILITY = Path(__file__).resolve().parents[2] / "deploy" / "observability"
FASTER = 60
_MILLISECONDS = {"s": 1000, "m": 60_000, "h": 3_600_000}

CLIENTS = 8
EACH = 40

# One attempt for a request and no breaker where counts are compared: what the generator saw is then all there was.
COUNTED = """
version: 1
log: {{access: "off"}}
defaults: {{retry: null}}
upstreams:
  app: {{endpoints: ["{url}"], circuit_breaker: null}}
routes:
  - name: limited
    match: {{path: /limited}}
    upstream: app
    rate_limits: [{{name: tight, rate: 1/h, burst: 9}}]
  - {{name: everything, match: {{path: /}}, upstream: app}}
"""
FAULTY = """
version: 1
log: {{access: "off"}}
defaults: {{retry: null}}
upstreams:
  app: {{endpoints: ["{url}"]}}
  gone:
    endpoints: ["{gone}"]
    circuit_breaker: null
    hold: null
    health_check: {{tcp: true, interval: 1s, unhealthy_after: 1}}
  failing: {{endpoints: ["{url}"], circuit_breaker: {{consecutive_failures: 3, open_for: 5m}}}}
routes:
  - {{name: gone, match: {{path: /gone}}, upstream: gone}}
  - {{name: failing, match: {{path: /failing}}, upstream: failing}}
  - name: limited
    match: {{path: /limited}}
    upstream: app
    rate_limits: [{{name: tight, rate: 1/s, burst: 1}}]
  - {{name: fine, match: {{path: /}}, upstream: app}}
"""


WANTED = {
    ("SidecarNoEndpoint", "gone"),
    ("SidecarBreakerOpen", "upstream.failing"),
    ("SidecarErrorsBackend", "failing"),
    ("SidecarRefusalsHigh", "limited/tight"),
}


def scaled(text: str) -> str:
    """The rules file with every window, `for` and `interval` sixty times shorter."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) * _MILLISECONDS[found[3]] // FASTER}ms{found[4]}"

    text = re.sub(r"(\[)(\d+)([smh])(\])", shorter, text)
    return re.sub(r"^( +(?:for|interval): )(\d+)([smh])()$", shorter, text, flags=re.MULTILINE)


def shipped(proxy: ProxyProcess, folder: Path) -> dict[str, Any]:
    """The scrape configuration as it is shipped, for this proxy, and in a hurry."""
    config: dict[str, Any] = yaml.safe_load((OBSERVABILITY / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    (targets,) = job["static_configs"]
    targets["targets"] = [f"{proxy.admin_host}:{proxy.admin_port}"]
    rules = folder / "alerts.yaml"
    rules.write_text(scaled((OBSERVABILITY / "alerts" / "sidecar.yaml").read_text()))
    return config | {"rule_files": [str(rules)]}


def rules_file(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(text)
    return path


async def answering(call: Call) -> None:
    """Answers by the path."""
    lines = {b"/missing": b"404 Not Found", b"/failing": b"500 Ill"}
    line = lines.get(call.request.target)
    await call.send(OK if line is None else b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n")


class Counted:
    """Clients that count what they are answered."""

    def __init__(self) -> None:
        self.statuses: Counter[tuple[str, ...]] = Counter()
        self.refusals: Counter[tuple[str, ...]] = Counter()
        self.traces: set[str] = set()

    async def client(self, proxy: ProxyProcess) -> None:
        """One connection, and requests of every kind on it."""
        async with proxy.peer() as peer:
            for place in range(EACH):
                trace = secrets.token_hex(16)
                self.traces.add(trace)
                target = ("/", "/missing", "/failing", "/limited")[place % 4]
                answer = await peer.get(target, f"traceparent: 00-{trace}-{secrets.token_hex(8)}-01")
                self.statuses[(str(answer.status),)] += 1
                if answer.get("content-type") == b"application/problem+json":
                    self.refusals[answer.problem["rule"], answer.problem["reason"]] += 1


@pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")
async def test_it_counts_what_clients_and_backend_counted_and_knows_their_traces(tmp_path: Path) -> None:
    counted = Counted()
    async with Backend(answering) as backend:
        rules = rules_file(tmp_path, COUNTED.format(url=backend.url))
        async with (
            process(rules=rules, workers=2) as proxy,
            prometheus(shipped(proxy, tmp_path), tmp_path) as told,
        ):
            await proxy.until(lambda status: all(one["phase"] == "serving" for one in status["workers"]))
            began = time.time()
            async with asyncio.TaskGroup() as group:
                for _ in range(CLIENTS):
                    group.create_task(counted.client(proxy))
            await proxy.until(lambda status: not status["drain"]["in_flight"]["requests"])
            await told.scraped_after(time.time())

            sent = CLIENTS * EACH
            assert counted.statuses.total() == sent
            assert set(counted.statuses) == {("200",), ("404",), ("500",), ("429",)}
            assert await told.by("status", expr="sum by (status) (sidecar_requests_total)") == counted.statuses
            by_rule = await told.by("rule", "reason", expr="sum by (rule, reason) (sidecar_rejections_total)")
            assert by_rule == counted.refusals == {("limited/tight", "rate_limited"): sent // 4 - 9}
            attempts = await told.by("outcome", expr="sum by (outcome) (sidecar_attempts_total)")
            assert sum(attempts.values()) == len(backend.requests) == sent - counted.refusals.total()
            assert attempts[("5xx",)] == counted.statuses[("500",)]
            assert await told.by(expr="sum(sidecar_request_duration_seconds_count)") == {(): sent}
            assert await told.by(expr="sum(sidecar_worker_up)") == {(): 2}
            assert await told.by("job", "app", expr="up") == {("sidecar", "example"): 1}

            found = await told.ask(
                "query_exemplars",
                query='sidecar_request_duration_seconds_bucket{route="everything"}',
                start=began - 1,
                end=time.time() + 1,
            )
            traces = {one["labels"]["trace_id"] for series in found for one in series["exemplars"]}
            assert traces
            assert traces <= counted.traces


async def keeps_asking(proxy: ProxyProcess, pace: float = 0.05) -> None:
    """A client that asks for everything in turn, until it is cancelled."""
    async with await Peer.connect(proxy.port) as peer:
        while True:
            for target in ("/gone", "/failing", "/limited", "/"):
                await peer.get(target)
            await asyncio.sleep(pace)


async def alerts_of(told: Prometheus) -> dict[tuple[str, str], dict[str, Any]]:
    """What fires now, by alert and upstream, breaker, rule or route."""
    found = {}
    for alert in (await told.ask("alerts"))["alerts"]:
        labels = alert["labels"]
        about = next((labels[name] for name in ("upstream", "breaker", "rule", "route") if name in labels), "")
        if alert["state"] == "firing":
            found[labels["alertname"], about] = alert
    return found


async def test_alerts_fire_for_a_backend_that_is_gone_one_that_fails_and_a_limit_that_is_met(tmp_path: Path) -> None:
    async with Backend(answering) as backend, Backend(OK) as gone:
        rules = rules_file(tmp_path, FAULTY.format(url=backend.url, gone=gone.url))
        async with process(rules=rules) as proxy, prometheus(shipped(proxy, tmp_path), tmp_path) as told:
            async with proxy.peer() as peer:
                assert (await peer.get("/gone")).status == 200
            await told.scraped_after(time.time())
            assert not WANTED & (await alerts_of(told)).keys()

            await gone.stop()
            asking = asyncio.create_task(keeps_asking(proxy))
            try:
                await told.fires("SidecarNoEndpoint", upstream="gone", severity="P0")
                await told.fires("SidecarBreakerOpen", breaker="upstream.failing", severity="P1")
                await told.fires("SidecarErrorsBackend", route="failing", severity="P1")
                await told.fires("SidecarRefusalsHigh", rule="limited/tight", reason="rate_limited", severity="P2")
                found = await all_at_once(told)
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            # Nothing about what is well, and every text is made of what the alert is about.
            well = {
                ("SidecarErrorsBackend", "fine"),
                ("SidecarErrorsBackend", "limited"),
                ("SidecarErrorsOwn", "limited"),
                ("SidecarBreakerOpen", "upstream.app"),
                ("SidecarNoEndpoint", "app"),
            }
            assert not well & found.keys()
            assert "error expanding" not in json.dumps([alert["annotations"] for alert in found.values()])
            (failing,) = [alert for key, alert in found.items() if key == ("SidecarErrorsBackend", "failing")]
            assert 'circuit_open by "failing/circuit_breaker"' in failing["annotations"]["description"]
            assert failing["annotations"]["summary"] == "The backend fails 100% of route failing"


async def all_at_once(told: Prometheus) -> dict[tuple[str, str], dict[str, Any]]:
    """Asks until all of them fire together, and their texts can be told."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not (found := await alerts_of(told)).keys() >= WANTED:
            await asyncio.sleep(0.1)
    return found


def test_time_is_scaled_and_nothing_else() -> None:
    text = (OBSERVABILITY / "alerts" / "sidecar.yaml").read_text()
    before, after = text.splitlines(), scaled(text).splitlines()
    changed = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    assert ("        for: 30s", "        for: 500ms") in changed
    assert all(re.search(r"\[\d+ms\]|(for|interval): \d+ms$", other) for _, other in changed)
    assert not re.search(r"\[\d+[smh]\]|for: \d+[smh]$", scaled(text))
