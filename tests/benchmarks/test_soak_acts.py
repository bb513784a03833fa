"""Every act of the soak plays to an expected end, in front of a proxy under the soak's own rules."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from benchmarks import soak_acts, soak_backend, wire_configs
from benchmarks.processes import free_port
from benchmarks.soak_acts import ACTS, Act, Site
from benchmarks.soak_clients import SKIPPED, Troupe
from benchmarks.soak_link import WRONG, Failed, Link
from benchmarks.soak_rules import Ports, rules, unusable
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from tests.doubles import servers
from tests.doubles.backend import Backend
from tests.doubles.running import RunningProxy, running


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The soak's backend in this process; its port."""
    runner = web.AppRunner(soak_backend.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak_backend, "EVENT_SECONDS", 0.0)
    for pace in ("SLOW_SECONDS", "WATCH_SECONDS", "TALK_SECONDS"):
        monkeypatch.setattr(soak_acts, pace, 0.0)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> wire_configs.Identity:
    folder = tmp_path_factory.mktemp("soak")
    return wire_configs.identity(servers.require("openssl"), folder, wire_configs.ECDSA)


@asynccontextmanager
async def stage(identity: wire_configs.Identity) -> AsyncIterator[tuple[RunningProxy, Site]]:
    async with served() as port:
        ports = Ports(free_port(), free_port(), free_port(), port, port)
        text = rules(ports, identity.certificate, identity.private_key)
        async with running(rules=text.replace("3s", "200ms").replace("access: errors", "access: 'off'")) as proxy:
            secure = proxy.proxy.addresses[1].port
            tls = ssl.create_default_context(cafile=str(identity.certificate))
            yield proxy, Site(proxy.port, secure, tls, random.Random(3))


async def test_every_act_plays_to_an_end_that_it_expects(identity: wire_configs.Identity, quick: None) -> None:
    async with stage(identity) as (proxy, site):
        ends = await asyncio.gather(*(act.outcome(site) for act in ACTS for _ in range(3)))
        acts = [act for act in ACTS for _ in range(3)]
        assert [(act.name, end) for act, end in zip(acts, ends, strict=True) if end not in act.expected] == []
        assert {"200", "101", "400", "408", "left"} <= set(ends)
        site.close()
        await proxy.quiet()


async def test_another_body_than_the_backend_s_is_wrong(identity: wire_configs.Identity) -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        tls = ssl.create_default_context(cafile=str(identity.certificate))
        site = Site(proxy.port, proxy.port, tls, random.Random(3))
        small = next(act for act in ACTS if act.name == "small")
        assert await small.outcome(site) == WRONG
        site.close()


async def test_what_befalls_a_connection_has_a_word() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if b"/cut" in asked:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = []
    for path in ("/cut", "/closed"):
        async with await Link.open(port) as link:
            await link.send(soak_acts.get(path))
            with pytest.raises(Failed) as failed:
                await link.answer()
            found.append(failed.value.outcome)
    server.close()
    await server.wait_closed()
    with pytest.raises(Failed, match="unconnected"):
        await Link.open(port)
    assert found == ["cut", "closed"]


async def test_acts_begin_at_their_rate_and_not_without_bound(
    identity: wire_configs.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = asyncio.Event()
    played = 0

    async def small(site: Site) -> str:
        nonlocal played
        played += 1
        await goes_on.wait()
        return "200"

    monkeypatch.setattr("benchmarks.soak_clients._MOST_AT_ONCE", 5)
    tls = ssl.create_default_context(cafile=str(identity.certificate))
    troupe = Troupe(Site(1, 1, tls, random.Random(3)))
    act, ends = Act(small, 2000.0, frozenset({"200"})), asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(troupe.begin(act, ends))
        while troupe.outcomes["small"][SKIPPED] < 10:
            await asyncio.sleep(0)
        ends.set()
    goes_on.set()
    await troupe.over()
    assert (played, troupe.outcomes["small"]["200"]) == (5, 5)


def test_the_rules_can_be_used_in_two_versions_and_not_in_the_third(identity: wire_configs.Identity) -> None:
    ports = Ports(1001, 1002, 1003, 1004, 1005)
    first, second = (rules(ports, identity.certificate, identity.private_key, other=other) for other in (False, True))
    assert first != second
    for text in (first, second):
        load_text(text, "soak.yaml", Given())
        with pytest.raises(ConfigError) as found:
            load_text(unusable(text), "soak.yaml", Given())
        assert len(found.value.problems) == 2
