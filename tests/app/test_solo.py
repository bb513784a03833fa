"""The instance of one process: it serves, takes up other rules, and makes way."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.app.instance import Plan
from sidecar.app.lifecycle import Phase
from sidecar.app.solo import Solo
from sidecar.rules.load import Loaded
from sidecar.transport.inlets import Inlet
from tests.doubles.backend import LIMIT_SECONDS, Backend
from tests.doubles.peer import Peer
from tests.doubles.running import loaded, rules_text


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The collector and the log belong to the process."""
    thresholds, root = gc.get_threshold(), logging.getLogger()
    level, handlers, chatter = root.level, root.handlers[:], logging.getLogger("asyncio").level
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(chatter)


class Written:
    """The rules as they are written now."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> Loaded:
        return loaded(rules=self.text)


@asynccontextmanager
async def serving(written: Written, *handed: Inlet) -> AsyncIterator[Solo]:
    solo = Solo(Plan(written.read(), written.read), handed)
    async with asyncio.timeout(LIMIT_SECONDS):
        await solo.start()
    try:
        yield solo
    finally:
        async with asyncio.timeout(LIMIT_SECONDS):
            await solo.close()


async def test_it_serves_where_it_says() -> None:
    async with (
        Backend() as backend,
        serving(Written(rules_text(backend.url))) as solo,
        await Peer.connect(solo.addresses[0].port) as peer,
        await Peer.connect(solo.admin_address.port) as operator,
    ):
        assert (await peer.get()).status == 200
        assert (await operator.ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 200


async def test_a_reload_takes_up_the_rules_and_the_level_of_the_log() -> None:
    async with Backend() as one, Backend() as two:
        written = Written(rules_text(one.url))
        async with serving(written) as solo, await Peer.connect(solo.addresses[0].port) as peer:
            await peer.get()
            written.text = rules_text(two.url).replace("log: {", "log: {level: error, ")
            assert (await solo.reloader.reload("a test")).result == "reloaded"
            await peer.get()
            assert (len(one.requests), len(two.requests)) == (1, 1)
            assert logging.getLogger().level == logging.ERROR


async def test_rules_that_cannot_be_taken_up_leave_the_log_as_it_was(tmp_path: Path) -> None:
    async with Backend() as backend:
        written = Written(rules_text(backend.url))
        async with serving(written) as solo:
            level = logging.getLogger().level
            (tmp_path / "no.sock").write_text("a file that is no socket")
            written.text = rules_text(backend.url, address=f"unix:{tmp_path / 'no.sock'}").replace(
                "log: {", "log: {level: error, "
            )
            report = await solo.reloader.reload("a test")
            assert (report.result, report.generation) == ("failed", 1)
            assert logging.getLogger().level == level


async def test_one_that_makes_way_leaves_its_queues_and_ends_its_idle_connections(tmp_path: Path) -> None:
    path = tmp_path / "public.sock"
    async with Backend() as backend, serving(Written(rules_text(backend.url, address=f"unix:{path}"))) as old:
        handed = [inlet._replace(sock=inlet.sock.dup()) for inlet in old.inlets.listening()]
        async with await Peer.connect(str(path)) as idle:
            assert (await idle.get()).status == 200
            await old.hand_on()
            old.drain.begin("a test")
            assert await old.drain.run() == 0
            assert await idle.rest() == b""
        assert old.lifecycle.phase is Phase.CLOSING
        async with await Peer.connect(str(path)) as early:
            await early.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await old.close()
            async with serving(Written(rules_text(backend.url, address=f"unix:{path}")), *handed):
                assert (await early.answer()).status == 200


async def test_one_whose_predecessor_goes_on_leaves_the_sockets_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "public.sock"
    written = Written("")
    async with Backend() as backend:
        written.text = rules_text(backend.url, address=f"unix:{path}")
        async with serving(written) as old:
            handed = [inlet._replace(sock=inlet.sock.dup()) for inlet in old.inlets.listening()]
            new = Solo(Plan(written.read(), written.read), handed)
            new.inlets.is_doubled = True
            await new.start()
            await new.close()
            async with await Peer.connect(str(path)) as peer:
                assert (await peer.get()).status == 200
