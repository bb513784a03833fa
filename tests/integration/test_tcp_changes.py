"""Reloads that change what listeners without HTTP are, while clients come and are there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.peer import Peer
from tests.doubles.running import rules_text, running
from tests.integration.test_tcp import rules, serving, talked


@pytest.mark.both_loops
async def test_who_connects_to_a_new_listener_during_its_reload_finds_its_route(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    more = "".join(f"\n  - {{name: {name}, address: 'unix:{tmp_path}/{name}', protocol: tcp}}" for name in names)
    early = socket.socket(socket.AF_UNIX)
    async with serving() as server, running(rules=rules(server.url)) as proxy:
        doors = proxy.proxy.doors
        fitting = doors.fitting

        def bound(*wanted: Any) -> Sequence[Any]:
            found = fitting(*wanted)
            early.connect(f"{tmp_path}/a")
            return found

        doors.fitting = bound  # type: ignore[method-assign,assignment]
        text = rules(server.url).replace("\nadmin:", f"{more}\nadmin:", 1)
        await proxy.adopt(text.replace("{listener: public}", f"{{listener: [public, {', '.join(names)}]}}"))
        async with Peer(*await asyncio.open_unix_connection(sock=early)) as peer:
            await talked(peer)
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 1}


async def test_a_request_on_a_connection_from_before_never_reaches_an_endpoint_as_bytes() -> None:
    async with serving() as server, running(rules=rules_text("http://127.0.0.1:1", upstream="hold: null")) as proxy:
        async with proxy.peer() as web:
            assert (await web.get()).status == 502
            await proxy.adopt(rules(server.url))
            assert (await web.get()).problem["reason"] == "no_route"
            async with proxy.peer() as peer:
                await talked(peer)
        assert server.connected == 1
