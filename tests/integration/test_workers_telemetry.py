"""What several workers tell as one: the sum of what their clients met, whatever becomes of a worker."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.crew import RunningCrew, crew
from tests.doubles.peer import Peer
from tests.doubles.process import process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")

EACH = 20


async def counters(one: RunningCrew) -> dict[tuple[str, str], float]:
    """Every counter of /metrics, by its name and labels."""
    text = (await one.proxy.admin("GET", "/metrics")).body.decode()
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.type in ("counter", "histogram")
    }


def total(counts: dict[tuple[str, str], float], name: str, label: str = "") -> float:
    return sum(value for (found, labels), value in counts.items() if found == name and label in labels)


async def test_metrics_are_what_the_clients_counted_and_never_go_down_over_a_death() -> None:
    async def backing(call: Call) -> None:
        missing = call.request.target == b"/missing"
        await call.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" if missing else OK)

    async def client(peer: Peer) -> None:
        for _ in range(EACH):
            assert (await peer.get()).status == 200
            assert (await peer.get("/missing")).status == 404

    async with Backend(backing) as backend, crew(backend.url) as one:
        clients = [peers[0] for peers in (await one.peers(each=2)).values()]
        before = await counters(one)
        async with asyncio.TaskGroup() as group:
            for peer in clients:
                group.create_task(client(peer))
        after = await counters(one)
        sent = len(clients) * EACH
        for status in ("200", "404"):
            grown = [total(counts, "sidecar_requests_total", f"'{status}'") for counts in (before, after)]
            assert grown[1] - grown[0] == sent
        assert total(after, "sidecar_requests_total") == len(backend.requests)
        assert total(after, "sidecar_request_duration_seconds_count", "everything") == len(backend.requests)
        assert total(after, "sidecar_attempts_total") == len(backend.requests)
        told = await one.proxy.status()
        assert sum(route["requests"] for route in told["routes"]) == len(backend.requests)
        assert sum(told["connections"]["downstream"].values()) == sum(one["connections"] for one in told["workers"])

        await one.kill(0)
        await one.replaced(0)
        later = await counters(one)
        lower = {key: (value, later.get(key)) for key, value in after.items() if later.get(key, 0.0) < value}
        assert lower == {}
        assert total(later, "sidecar_requests_total") == len(backend.requests)
        assert total(later, "sidecar_worker_restarts_total") == 1


async def test_status_readiness_and_events_say_which_worker(tmp_path: Path) -> None:
    async def ill(call: Call) -> None:
        await call.send(b"HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n")

    sets = ("upstreams.app.circuit_breaker={consecutive_failures: 3}", "defaults.retry=null")
    async with Backend(ill) as backend, crew(backend.url, sets=sets, workers=2) as one:
        told = await one.proxy.status()
        members = [(member["slot"], member["pid"], member["phase"], member["restarts"]) for member in told["workers"]]
        assert members == [(slot, one.pids[slot], "serving", 0) for slot in range(2)]
        verbose = (await one.proxy.admin("GET", "/readyz?verbose")).body.decode()
        assert re.findall(r"^\[\+\] ([a-z ]+):", verbose, re.MULTILINE) == ["rules", "serving", "upstream app"]
        peer = await one.peer()
        for _ in range(4):
            await peer.get()
        await one.proxy.status()
        slot = one.pids.index(one.server_of(peer) or 0)
        events = json.loads((await one.proxy.admin("GET", "/events?format=json")).body)["events"]
        (opened,) = [event for event in events if event["kind"] == "breaker"]
        assert (opened["subject"], opened["fields"]["worker"]) == ("upstream.app", slot)
        (line,) = [json.loads(line) for line in one.proxy.lines if '"event": "breaker"' in line]
        assert (line["subject"], line["worker"]) == ("upstream.app", slot)


async def test_an_address_that_somebody_has_ends_it_with_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sets = (f"listeners.0.address='127.0.0.1:{port}'",)
        async with process("http://127.0.0.1:1", sets=sets, workers=2, wait=False) as proxy:
            assert await proxy.ended() == 3
            await proxy.said(f"127.0.0.1:{port}.*in use")


async def test_rules_that_cannot_be_used_end_it_with_1(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("upstreams: {app: {endpoints: ['http://127.0.0.1:1']}}\nroutes: [{name: all, upstream: nobody}]\n")
    async with process(rules=file, workers=2, wait=False) as proxy:
        assert await proxy.ended() == 1
        await proxy.said("rules.yaml:2:32: error: there is no upstream `nobody`")
