"""A changed file is noticed, however it was changed: real files, and the watcher's own call to wait for."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from sidecar.app import watcher as module
from sidecar.app.reload import Reloader
from sidecar.app.watcher import Watcher
from sidecar.rules.load import Loaded, load_rules
from sidecar.rules.source import Files, fingerprint
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from tests.doubles.backend import LIMIT_SECONDS

RULES = (
    "version: 1\nupstreams: {{app: {{endpoints: http://a:1}}}}\n"
    "routes: [{{name: all, upstream: app}}]\ndrain: {{deadline: {}s}}\n"
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens before the library watches is found by the next look; nobody is to wait two seconds for it."""
    monkeypatch.setattr(module, "POLL", 0.2)


class Reading:
    """Reads its files when the watcher says so, as a reload does; `heard` holds what each reading found."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = [str(path) for path in paths]
        self.sources: dict[str, str] = {}
        self.heard: asyncio.Queue[list[str]] = asyncio.Queue()
        self.read()

    def read(self) -> list[str]:
        files = Files()
        found = []
        for path in self.paths:
            try:
                found.append(files.rules(path))
            except ValueError:
                found.append("cannot be read")
        self.sources = files.seen
        return found

    async def reload(self) -> None:
        self.heard.put_nowait(self.read())

    async def until(self, *contents: str) -> None:
        """Waits for a reading that found exactly this."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while await self.heard.get() != list(contents):
                pass


@asynccontextmanager
async def watched(*paths: Path) -> AsyncIterator[Reading]:
    reading = Reading(paths)
    tasks = Tasks(asyncio.get_running_loop())
    Watcher(reading.reload, tasks, lambda: reading.sources).start()
    try:
        yield reading
    finally:
        await tasks.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text("1")
    return path


def renamed_over(file: Path, text: str) -> None:
    """How editors save."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.replace(file)


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def at_the_same_time_and_size(file: Path, text: str) -> None:
    before = file.stat()
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def moved_away_first(file: Path, text: str) -> None:
    """How some editors keep a copy."""
    file.replace(file.with_suffix(".bak"))
    file.write_text(text)


@pytest.mark.both_loops
@pytest.mark.parametrize(
    "write", [in_place, renamed_over, at_the_same_time_and_size, moved_away_first], ids=lambda write: write.__name__
)
async def test_a_file_is_read_again_in_whichever_way_it_was_written(
    file: Path, write: Callable[[Path, str], None]
) -> None:
    async with watched(file) as reading:
        for version in ("2", "3"):
            write(file, version)
            await reading.until(version)


async def test_what_changed_before_the_watch_began_counts(file: Path) -> None:
    reading = Reading([file])
    file.write_text("2")
    tasks = Tasks(asyncio.get_running_loop())
    Watcher(reading.reload, tasks, lambda: reading.sources).start()
    await reading.until("2")
    await tasks.close()


async def test_events_alone_are_enough(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 3600.0)
    async with watched(file) as reading, asyncio.timeout(LIMIT_SECONDS):
        version, found = 1, None
        while found is None:  # nobody can hear before the library watches
            version += 1
            file.write_text(str(version))
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    (found,) = await reading.heard.get()
    assert 1 < int(found) <= version


def broken_library(*_paths: str, **_options: object) -> AsyncGenerator[object, None]:
    raise OSError("no watches left")


async def test_without_events_a_look_now_and_then_is_enough_and_said_once(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "awatch", broken_library)
    async with watched(file) as reading:
        for version in ("2", "3"):
            file.write_text(version)
            await reading.until(version)
    assert caplog.messages == ["changes of the rules are looked for every 0.2 s only: no watches left"]


async def test_every_file_counts(tmp_path: Path, file: Path) -> None:
    secret = tmp_path / "elsewhere" / "token"
    secret.parent.mkdir()
    secret.write_text("s")
    async with watched(file, secret) as reading:
        secret.write_text("t")
        await reading.until("1", "t")
        file.write_text("2")
        await reading.until("2", "t")


async def test_a_file_that_is_made_again_at_once_is_no_failure(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 5.0)
    async with watched(file) as reading:
        file.unlink()
        file.write_text("2")
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await reading.heard.get() == ["2"]


async def test_a_file_that_stays_away_is_a_failure_and_its_return_is_noticed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.05)
    async with watched(file) as reading:
        file.unlink()
        await reading.until("cannot be read")
        file.write_text("2")
        await reading.until("2")


async def test_a_directory_may_go_away_and_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.05)
    file = tmp_path / "conf" / "r.yaml"
    file.parent.mkdir()
    file.write_text("1")
    async with watched(file) as reading:
        shutil.rmtree(file.parent)
        await reading.until("cannot be read")
        file.parent.mkdir()
        for version in ("2", "3"):
            file.write_text(version)
            await reading.until(version)


def mounted(mount: Path, version: str) -> None:
    """What kubelet does with a ConfigMap: a new directory, one renamed link, and the old directory goes."""
    content = mount / f"..{version}"
    content.mkdir(parents=True)
    (content / "r.yaml").write_text(version)
    (content / "token").write_text(f"t{version}")
    draft = mount / "..data_tmp"
    draft.symlink_to(content.name)
    draft.replace(mount / "..data")
    for name in ("r.yaml", "token"):
        if not (mount / name).is_symlink():
            (mount / name).symlink_to(f"..data/{name}")
    for old in mount.glob("..[0-9]*"):
        if old.name != content.name:
            shutil.rmtree(old)


async def test_a_configmap_s_swapped_link_is_a_change_each_time(tmp_path: Path) -> None:
    mount = tmp_path / "config"
    mounted(mount, "1")
    async with watched(mount / "r.yaml", mount / "token") as reading:
        for version in ("2", "3", "4"):
            mounted(mount, version)
            await reading.until(version, f"t{version}")


async def test_a_link_that_leads_elsewhere_and_a_write_where_it_leads_are_changes(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.yaml").write_text(text)
    link = tmp_path / "r.yaml"
    link.symlink_to("a/r.yaml")
    async with watched(link) as reading:
        link.unlink()
        link.symlink_to("b/r.yaml")
        await reading.until("2")
        (tmp_path / "b" / "r.yaml").write_text("3")
        await reading.until("3")


async def test_a_reload_that_teaches_nothing_is_not_asked_for_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = looks = 0
    looked = asyncio.Event()
    sources = {str(file): "another print"}
    loop = asyncio.get_running_loop()

    async def reload() -> None:
        nonlocal calls
        calls += 1

    def seen(path: str) -> str:
        nonlocal looks
        looks += 1
        if looks == 12:
            loop.call_soon_threadsafe(looked.set)
        return fingerprint(path)

    monkeypatch.setattr(module, "fingerprint", seen)
    monkeypatch.setattr(module, "POLL", 0.01)
    monkeypatch.setattr(module, "awatch", broken_library)
    tasks = Tasks(loop)
    Watcher(reload, tasks, lambda: sources).start()
    async with asyncio.timeout(LIMIT_SECONDS):
        await looked.wait()
    await tasks.close()
    assert calls == 1


async def test_a_failure_of_the_reload_does_not_end_the_watch(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    reading = Reading([file])
    failed = False

    async def reload() -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise RuntimeError("a bug")
        await reading.reload()

    tasks = Tasks(asyncio.get_running_loop())
    Watcher(reload, tasks, lambda: reading.sources).start()
    file.write_text("2")
    await reading.until("2")
    await tasks.close()
    assert "looking at the files of the rules failed" in caplog.messages


async def test_without_files_there_is_nothing_to_watch_and_a_stop_ends_it(file: Path) -> None:
    tasks = Tasks(asyncio.get_running_loop())
    reading = Reading([])
    Watcher(reading.reload, tasks, lambda: reading.sources).start()
    assert len(tasks) == 0
    reading = Reading([file])
    watcher = Watcher(reading.reload, tasks, lambda: reading.sources)
    watcher.start()
    watcher.start()
    assert len(tasks) == 1
    watcher.stop()
    watcher.stop()
    await tasks.close()
    assert len(tasks) == 0


class Running:
    """Rules in force, a reloader and a watcher, as a process has them."""

    def __init__(self, file: Path) -> None:
        self.tasks = Tasks(asyncio.get_running_loop())
        self.stats = Stats()
        self.adopted: list[float] = []
        read = partial(load_rules, str(file))
        self.reloader = Reloader(read, self.adopt, read(), self.stats, self.tasks)
        self.told = asyncio.Event()
        self.stats.events.subscribe(lambda _event: self.told.set())
        Watcher(lambda: self.reloader.reload("file changed"), self.tasks, lambda: self.reloader.sources).start()

    async def adopt(self, loaded: Loaded) -> None:
        self.adopted.append(loaded.rules.drain.deadline)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits for an event after which this holds."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not holds():
                self.told.clear()
                await self.told.wait()


@pytest.mark.both_loops
async def test_a_storm_of_versions_ends_with_the_last_in_force(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(RULES.format(100))
    running = Running(file)
    await asyncio.to_thread(_storm, file)
    await running.until(lambda: running.reloader.current.rules.drain.deadline == 200.0)
    await running.tasks.close()
    assert running.adopted[-1] == 200.0
    assert len(running.adopted) < 20


def _storm(file: Path) -> None:
    for version in range(101, 201):
        (renamed_over if version % 2 else in_place)(file, RULES.format(version))


async def test_broken_rules_leave_the_old_ones_in_force_until_they_are_repaired(tmp_path: Path) -> None:
    file, token = tmp_path / "r.yaml", tmp_path / "token"
    file.write_text(RULES.format(30))
    running = Running(file)
    reloader = running.reloader
    file.write_text(RULES.format(40) + f"admin: {{token: '${{file:{token}}}'}}\n")
    await running.until(lambda: running.stats.config_reload_failed)
    assert reloader.last is not None
    assert f"{file}:5:17: error: the file `{token}` cannot be read: No such file or directory" in reloader.last.problems
    assert running.adopted == []
    token.write_text("t\n")  # it was never a source of rules in force
    await running.until(lambda: running.adopted == [40.0])
    await running.tasks.close()
    assert reloader.current.rules.admin.token == "t"
