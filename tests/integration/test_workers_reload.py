"""Reloads of an instance of several workers: all of them adopt, or none."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.backend import Backend
from tests.doubles.crew import WORKERS, RunningCrew, crew
from tests.doubles.kernel import holder, port_of, stopped
from tests.doubles.peer import Answer, Peer
from tests.doubles.process import START_SECONDS
from tests.doubles.running import rules_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")


class Rules:
    """The file that the instance runs under. Each version shows in every answer."""

    def __init__(self, folder: Path, url: str) -> None:
        self.file = folder / "rules.yaml"
        self._url = url
        self.write("one")

    def write(self, version: str, more: str = "") -> None:
        """Put another version in its place, at once."""
        text = rules_text(self._url, route=f"response_headers: {{set: {{x-rules: {version}}}}}")
        self.put(text.replace("admin:", f"{more}admin:"))

    def put(self, text: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.rename(self.file)


async def versions(one: RunningCrew, peers: dict[int, list[Peer]]) -> list[bytes | None]:
    """What the workers of these clients run under."""
    return [(await peers[pid][0].get()).get("x-rules") for pid in one.pids if pid in peers]


def told(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_every_worker_adopts_and_a_broken_file_changes_none(tmp_path: Path) -> None:
    async with Backend() as backend:
        rules = Rules(tmp_path, backend.url)
        async with crew(rules=rules.file) as one:
            peers = await one.peers()
            assert await versions(one, peers) == [b"one"] * WORKERS
            rules.write("two")
            answer = await one.proxy.admin("POST", "/reload")
            assert (answer.status, told(answer)["generation"]) == (200, 2)
            assert await versions(one, peers) == [b"two"] * WORKERS
            assert b"[+] rules: generation 2\n" in (await one.proxy.admin("GET", "/readyz?verbose")).body

            rules.put(rules.file.read_text() + "  - {name: lost, upstream: nobody}\n")
            answer = await one.proxy.admin("POST", "/reload")
            assert answer.status == 422
            assert "rules.yaml:10:28: error: " in told(answer)["problems"][0]
            assert await versions(one, peers) == [b"two"] * WORKERS
            status = await one.proxy.status()
            assert (status["rules"]["generation"], status["reload"]["last_error"]["generation"]) == (2, 2)

            rules.write("three")
            one.proxy.signal(signal.SIGHUP)
            await one.proxy.said("SIGHUP.*: (generation 3 is in force|unchanged, generation 3)")
            assert await versions(one, peers) == [b"three"] * WORKERS
            metrics = (await one.proxy.admin("GET", "/metrics")).body
            assert b"\nsidecar_config_generation 3.0\n" in metrics
            assert b"\nsidecar_config_last_reload_successful 1.0\n" in metrics


async def test_a_worker_killed_during_a_reload_holds_nobody_up_and_comes_back_with_the_new_rules(
    tmp_path: Path,
) -> None:
    async with Backend() as backend:
        rules = Rules(tmp_path, backend.url)
        async with crew(rules=rules.file) as one:
            peers = await one.peers()
            *spared, victim = one.pids
            os.kill(victim, signal.SIGSTOP)
            await stopped(victim)
            rules.write("two")
            reloading = asyncio.ensure_future(one.proxy.admin("POST", "/reload"))
            async with asyncio.timeout(START_SECONDS):
                while await versions(one, {pid: peers[pid] for pid in spared}) != [b"two"] * len(spared):
                    pass
            assert not reloading.done()
            await one.kill(WORKERS - 1)
            assert (await reloading).status == 200
            await one.replaced(WORKERS - 1)
            assert await versions(one, await one.peers()) == [b"two"] * WORKERS
            assert (await one.proxy.status())["rules"]["generation"] == 2


async def test_a_new_listener_is_served_by_all_and_one_that_cannot_be_had_changes_nothing(tmp_path: Path) -> None:
    async with Backend() as backend:
        rules = Rules(tmp_path, backend.url)
        async with crew(rules=rules.file) as one:
            # Another address of this machine, where the port is free because nobody uses it.
            port = one.proxy.port
            rules.write("two", f"  - {{name: second, address: '127.0.0.2:{port}'}}\n")
            assert (await one.proxy.admin("POST", "/reload")).status == 200
            served: set[int | None] = set()
            while served != set(one.pids):
                async with await Peer.connect(port, host="127.0.0.2") as peer:
                    assert (await peer.get()).get("x-rules") == b"two"
                    served.add(holder(one.pids, port, port_of(peer)))

            rules.write("three", f"  - {{name: second, address: '127.0.0.1:{backend.port}'}}\n")
            answer = await one.proxy.admin("POST", "/reload")
            assert answer.status == 422
            assert "in use" in told(answer)["problems"][0]
            assert await versions(one, await one.peers()) == [b"two"] * WORKERS

            rules.write("four")
            assert (await one.proxy.admin("POST", "/reload")).status == 200
            with pytest.raises(ConnectionRefusedError):
                await Peer.connect(port, host="127.0.0.2")
            assert await versions(one, await one.peers()) == [b"four"] * WORKERS
