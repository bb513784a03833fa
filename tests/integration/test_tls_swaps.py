"""Certificates renewed again and again while clients come and stay: each newcomer is shown the newest, nobody fails."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from pathlib import Path

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.certificates import Certificate, client_certificate, renewed, root, server_certificate, stranger
from tests.doubles.process import ProxyProcess, process
from tests.doubles.running import rules_text
from tests.doubles.tls import NAME, dial, terms, trusting, visit

SWAPS = 25
STAYING = 3


def descriptors(proxy: ProxyProcess) -> int:
    return len(os.listdir(f"/proc/{proxy.pid}/fd"))


class Clients:
    """Those that keep their connection, and one that makes a new one for each request."""

    def __init__(self, proxy: ProxyProcess, context: ssl.SSLContext) -> None:
        self.proxy = proxy
        self.context = context
        self.answered = 0
        self.ends = False

    async def stay(self) -> None:
        """Asks again and again on one connection."""
        async with await dial(self.proxy.port, self.context) as peer:
            while not self.ends:
                answer = await peer.get()
                assert (answer.status, answer.body, answer.get("connection")) == (200, b"ok", None)
                self.answered += 1

    async def come(self) -> None:
        """Asks on one connection after the other."""
        while not self.ends:
            async with await dial(self.proxy.port, self.context) as peer:
                assert (await peer.get()).status == 200
                self.answered += 1


async def swap(proxy: ProxyProcess, folder: Path) -> Certificate:
    """Renews, and has it read; what is in the files now."""
    certificate = renewed(NAME)
    certificate.write(folder)
    answer = await proxy.admin("POST", "/reload")
    assert answer.status == 200, answer.body
    return certificate


def written(folder: Path, url: str) -> Path:
    """A rules file with a TLS listener."""
    file = folder / "rules.yaml"
    rules = rules_text(url, listener=terms(server_certificate(NAME).write(folder)))
    file.write_text(f"{rules}drain: {{announce: 0s, deadline: 20s}}\n")
    return file


async def test_each_newcomer_is_shown_the_newest_certificate_and_no_request_fails(tmp_path: Path) -> None:
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, process(rules=written(tmp_path, backend.url)) as proxy:
        clients = Clients(proxy, context)
        async with asyncio.TaskGroup() as group:
            for _ in range(STAYING):
                group.create_task(clients.stay())
            group.create_task(clients.come())
            await swap(proxy, tmp_path)
            before = descriptors(proxy)
            for _ in range(SWAPS):
                newest = await swap(proxy, tmp_path)
                seen = await visit(proxy.port, context)
                assert seen.fingerprint == newest.fingerprint
                assert seen.answer.startswith(b"HTTP/1.1 200 ")
            # Those who come and go may be there, or not, at either moment, and so may their connections to the backend.
            assert descriptors(proxy) <= before + 10
            # The files are watched: nobody has to say that they were renewed.
            generation = (await proxy.status())["rules"]["generation"]
            newest = renewed(NAME)
            newest.write(tmp_path)
            await proxy.until(lambda told: told["rules"]["generation"] > generation)
            assert (await visit(proxy.port, context)).fingerprint == newest.fingerprint
            clients.ends = True
        assert clients.answered > SWAPS
        told = await proxy.status()
        assert told["routes"][0]["statuses"].keys() == {"2xx"}


async def test_a_swap_that_is_half_done_changes_nothing_until_it_is_whole(tmp_path: Path) -> None:
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, process(rules=written(tmp_path, backend.url)) as proxy:
        first, second = server_certificate(NAME), renewed(NAME)
        second.write(tmp_path, private_key=first.private_key)
        refused = await proxy.admin("POST", "/reload")
        assert refused.status == 422
        assert b"does not belong to the certificate" in refused.body
        assert (await visit(proxy.port, context)).fingerprint == first.fingerprint
        second.write(tmp_path)
        assert (await proxy.admin("POST", "/reload")).status == 200
        assert (await visit(proxy.port, context)).fingerprint == second.fingerprint


async def test_another_authority_for_clients_is_in_force_for_the_next_of_them(tmp_path: Path) -> None:
    ca = root().write(tmp_path)
    clients = root().write(tmp_path, "clients")
    mine = client_certificate().write(tmp_path, "mine")
    file = tmp_path / "rules.yaml"
    async with Backend() as backend:
        files = server_certificate(NAME).write(tmp_path)
        file.write_text(rules_text(backend.url, listener=terms(files, f"client_ca: {clients}")))
        async with process(rules=file) as proxy, await dial(proxy.port, trusting(ca, mine)) as stays:
            assert (await stays.get()).status == 200
            stranger().write(tmp_path, "clients")
            assert (await proxy.admin("POST", "/reload")).status == 200
            other = client_certificate(authority=stranger()).write(tmp_path, "other")
            assert (await visit(proxy.port, trusting(ca, other))).answer.startswith(b"HTTP/1.1 200 ")
            refused = await asyncio.gather(visit(proxy.port, trusting(ca, mine)), return_exceptions=True)
            assert isinstance(refused[0], OSError)
            assert (await stays.get()).status == 200


async def test_every_worker_shows_the_newest_certificate_after_a_reload(tmp_path: Path) -> None:
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, process(rules=written(tmp_path, backend.url), workers=2) as proxy:
        first = {(await visit(proxy.port, context)).fingerprint for _ in range(8)}
        assert first == {server_certificate(NAME).fingerprint}
        newest = await swap(proxy, tmp_path)
        await proxy.until(lambda told: told["rules"]["generation"] > 1)
        assert {(await visit(proxy.port, context)).fingerprint for _ in range(8)} == {newest.fingerprint}


async def test_a_drain_ends_what_is_under_way_and_says_goodbye(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def late(call: Call) -> None:
        await release.wait()
        await call.send(OK)

    context = trusting(root().write(tmp_path))
    async with Backend(late) as backend, process(rules=written(tmp_path, backend.url)) as proxy:
        asked = asyncio.ensure_future(visit(proxy.port, context))
        await backend.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        await proxy.said("draining")
        release.set()
        assert (await asked).answer.endswith(b"\r\n\r\nok")
        assert await proxy.ended() == 0
