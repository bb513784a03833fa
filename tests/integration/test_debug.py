"""The inside of a proxy that serves, looked at from outside: one process, and several workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.doubles import leaking
from tests.doubles.backend import Backend
from tests.doubles.process import START_SECONDS, ProxyProcess, process
from tests.doubles.running import rules_text

_LEAKING = (sys.executable, str(Path(leaking.__file__)))
_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")


async def looked(proxy: ProxyProcess, target: str) -> dict[str, Any]:
    """What each process tells, by its name."""
    answer = await proxy.admin("GET", target)
    assert answer.status == 200, answer.body
    told: dict[str, Any] = json.loads(answer.body)["processes"]
    return told


async def test_one_process_tells_of_its_tasks_its_loop_and_its_memory() -> None:
    async with Backend() as backend, process(backend.url) as proxy:
        tasks = (await looked(proxy, "/debug/tasks"))["sidecar"]
        assert tasks["count"] == len(tasks["tasks"])
        assert any("asyncio/" in line for task in tasks["tasks"] for line in task["stack"])
        assert [one["loop"] for one in tasks["threads"] if one["name"] == "MainThread"] == [True]
        told = (await looked(proxy, "/debug/loop?seconds=0.1"))["sidecar"]
        assert told["lag"]["period"] == 0.25
        assert told["deadlines"] >= 0
        assert told["collector_pauses"]["count"] >= 0
        memory = (await looked(proxy, "/debug/memory?top=3"))["sidecar"]
        assert memory["resident_bytes"] is None or memory["resident_bytes"] > 1 << 20
        assert len(memory["objects"]["types"]) == 3
        assert (await looked(proxy, "/debug/memory"))["sidecar"]["objects"]["growing"] is not None
        text = await proxy.admin("GET", "/debug/tasks?format=text")
        assert text.body.startswith(b"sidecar:\n  count: ")


async def test_a_leak_shows_as_growth_by_its_line() -> None:
    async with process("http://127.0.0.1:1", through=_LEAKING) as proxy:
        await proxy.admin("GET", "/debug/memory?top=1&trace=start")
        for _ in range(10):
            await proxy.admin("GET", "/livez")
        first = (await looked(proxy, "/debug/memory?top=1"))["sidecar"]["trace"]
        assert first["growing"][0]["at"] == [f"leaking.py:{leaking.LINE}"]
        assert first["growing"][0]["grown_bytes"] >= 10 * leaking.KILOBYTES * 1024
        for _ in range(5):
            await proxy.admin("GET", "/livez")
        second = (await looked(proxy, "/debug/memory?top=1"))["sidecar"]["trace"]["growing"][0]
        assert second["at"] == first["growing"][0]["at"]
        grown = second["grown_bytes"] / (leaking.KILOBYTES * 1024)
        assert 5 <= grown < 10
        stopped = await looked(proxy, "/debug/memory?top=0&trace=stop")
        assert stopped["sidecar"]["trace"] is None
        events = json.loads((await proxy.admin("GET", "/events?format=json")).body)["events"]
        told = [event["text"] for event in events if event["kind"] == "debug"]
        assert told == ["allocations are traced from now on, and cost more", "allocations are traced no more"]


async def test_a_profile_is_drawn_and_only_one_is_taken_at_a_time() -> None:
    async with process("http://127.0.0.1:1") as proxy:
        begun = asyncio.ensure_future(proxy.admin("GET", "/debug/profile?seconds=60"))
        await proxy.said("profiled for 60 s")
        second = await proxy.admin("GET", "/debug/profile?seconds=1")
        assert (second.status, json.loads(second.body)["detail"]) == (
            409,
            "a profile is under way; one is taken at a time",
        )
        # Who leaves ends it: the next one need not wait for a minute to pass.
        begun.cancel()
        await asyncio.wait((begun,))
        async with asyncio.timeout(START_SECONDS):
            while (drawn := await proxy.admin("GET", "/debug/profile?seconds=0.2")).status == 409:
                pass
        assert drawn.status == 200
        assert drawn.get("content-type") == b"image/svg+xml; charset=utf-8"
        assert "sidecar: " in "".join(ElementTree.fromstring(drawn.body).itertext())
        threads = (await looked(proxy, "/debug/tasks"))["sidecar"]["threads"]
        assert "profile" not in [one["name"] for one in threads]


async def test_nobody_looks_inside_without_the_token_that_is_set(tmp_path: Path) -> None:
    rules = tmp_path / "sidecar.yaml"
    text = rules_text("http://127.0.0.1:1")
    rules.write_text(text.replace("admin: {address: '127.0.0.1:0'}", "admin: {address: '127.0.0.1:0', token: hunter2}"))
    async with process(rules=rules, listen=None, admin=None) as proxy:
        for kind in ("tasks", "memory", "loop", "profile"):
            assert (await proxy.admin("GET", f"/debug/{kind}")).status == 401
        assert (await proxy.admin("GET", "/status")).status == 200


@_LINUX
async def test_every_process_of_several_tells_for_itself() -> None:
    async with Backend() as backend, process(backend.url, workers=2) as proxy:
        names = ["supervisor", "worker 0", "worker 1"]
        tasks = await looked(proxy, "/debug/tasks")
        assert list(tasks) == names
        assert all(told["count"] >= 1 for told in tasks.values())
        told = await looked(proxy, "/debug/loop")
        assert [told[name]["lag"] is None for name in names] == [True, False, False]
        memory = await looked(proxy, "/debug/memory?top=2")
        assert [len(memory[name]["objects"]["types"]) for name in names] == [2, 2, 2]
        assert list(await looked(proxy, "/debug/memory?worker=1&top=0")) == ["worker 1"]
        unknown = await proxy.admin("GET", "/debug/loop?worker=2")
        assert (unknown.status, json.loads(unknown.body)["known"]) == (404, [0, 1])
        folded = await proxy.admin("GET", "/debug/profile?seconds=0.3&format=folded")
        assert folded.status == 200
        roots = {line.partition(";")[0] for line in folded.body.decode().splitlines()}
        assert roots <= set(names)
        assert roots


@_LINUX
async def test_a_worker_that_stands_still_is_told_of_as_such_and_whoever_leaves_ends_its_profile() -> None:
    async with process("http://127.0.0.1:1", workers=2) as proxy:
        begun = asyncio.ensure_future(proxy.admin("GET", "/debug/profile?seconds=60"))
        await proxy.said("profiled for 60 s")
        begun.cancel()
        await asyncio.wait((begun,))
        async with asyncio.timeout(START_SECONDS):
            while (
                b"a profile is under way"
                in (again := await proxy.admin("GET", "/debug/profile?seconds=0.2&format=folded")).body
            ):
                pass
        assert again.status == 200
        pid = (await proxy.status())["workers"][1]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            told = await looked(proxy, "/debug/tasks")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert told["worker 1"] == {"error": "no answer within 5 s: it stands still, or is very busy"}
        assert told["worker 0"]["count"] >= 1
