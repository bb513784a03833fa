"""deploy/compose as its readers run it: compose.yaml as it is, in containers of the image that was just built.

Skips where podman cannot run containers.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from sidecar.demo.load import Load
from tests.doubles.containers import Project, containers, free_port, project
from tests.doubles.image import Built

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TOKEN = "only-for-this-test"
# Six attempts of which a fifth fails each, three times in some hundred requests: once in ten million runs.
BAD_LUCK = 2
SECONDS = 60.0


@pytest.fixture(scope="module")
def stack(image: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("compose")
    podman = containers(image.name, folder)
    shutil.copytree(DEPLOY, folder / "deploy")  # the rules are edited
    environment = {
        "SIDECAR_IMAGE": image.name,
        "SIDECAR_PORT": str(free_port()),
        "SIDECAR_ADMIN_PORT": str(free_port()),
        "SIDECAR_ADMIN_TOKEN": TOKEN,
    }
    with project(podman, folder / "deploy" / "compose" / "compose.yaml", environment) as running:
        running.until("sidecar", "sidecar", "probe", "readyz")
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:
        yield session


def traffic(stack: Project) -> str:
    return f"http://127.0.0.1:{stack.environment['SIDECAR_PORT']}"


def admin_of(stack: Project) -> str:
    return f"http://127.0.0.1:{stack.environment['SIDECAR_ADMIN_PORT']}"


def failed(line: str) -> int:
    found = re.search(r"(\d+) failed", line)
    assert found, line
    return int(found[1])


async def loaded(stack: Project, requests: int) -> int:
    """How many requests through the published port failed."""
    lines: list[str] = []
    await Load(f"{traffic(stack)}/", 50.0, requests, lines.append).run()
    return failed(lines[0])


async def test_what_fails_by_itself_does_not_fail_through_the_sidecar(stack: Project) -> None:
    load = ("sidecar", "demo", "--requests", "300", "--load")
    bare = stack.podman.told("exec", *stack.names("sidecar"), *load, "http://app:3000/")
    assert failed(bare) > 20
    assert await loaded(stack, 300) <= BAD_LUCK


def test_every_container_is_well_by_its_own_health_check(stack: Project) -> None:
    for name in (*stack.names("app"), *stack.names("sidecar")):
        assert stack.podman.ran("healthcheck", "run", name).returncode == 0, name
    assert len(stack.names("app")) == 2


async def test_clients_do_not_see_that_a_container_of_the_application_is_killed(stack: Project) -> None:
    first, _ = stack.names("app")
    load = asyncio.ensure_future(loaded(stack, 300))
    try:
        await asyncio.to_thread(stack.podman.told, "kill", first)
        assert await load <= BAD_LUCK
    finally:
        await load
        stack.podman.told("start", first)


async def test_clients_wait_while_the_whole_application_is_restarted(stack: Project) -> None:
    load = asyncio.ensure_future(loaded(stack, 300))
    try:
        end = await stack.composed("restart", "app")
        assert end.code == 0, end.text
        assert await load <= BAD_LUCK
    finally:
        await load


async def test_the_dashboard_is_for_this_machine_and_its_verbs_wait_for_a_token(
    stack: Project, client: aiohttp.ClientSession
) -> None:
    bound = stack.inspected("sidecar")["HostConfig"]["PortBindings"]["9901/tcp"]
    assert [one["HostIp"] for one in bound] == ["127.0.0.1"]
    admin = admin_of(stack)
    page = await client.get(f"{admin}/")
    assert (page.status, page.content_type) == (200, "text/html")
    assert (await client.post(f"{admin}/drain")).status == 403


async def test_rules_that_are_saved_are_in_force_without_a_restart(
    stack: Project, client: aiohttp.ClientSession
) -> None:
    rules = stack.folder / "rules" / "sidecar.yaml"
    written, started = rules.read_text(), stack.inspected("sidecar")["State"]["StartedAt"]
    verb = f"{admin_of(stack)}/reload"
    try:
        _save(rules, re.sub(r"# (token: \S+) +#.*", r"\1", written))
        async with asyncio.timeout(SECONDS):
            while (await client.post(verb, headers={"Authorization": f"Bearer {TOKEN}"})).status != 200:
                pass
        assert (await client.post(verb)).status == 401
    finally:
        _save(rules, written)
    assert stack.inspected("sidecar")["State"]["StartedAt"] == started


def _save(path: Path, text: str) -> None:
    """As an editor does it: another file takes the name."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)


async def test_the_sidecar_that_is_stopped_ends_what_is_under_way_and_then_with_0(stack: Project) -> None:
    target = f"{traffic(stack)}/stream?lines=8&every=0.5"
    async with aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*(session.get(target) for _ in range(5)))
        firsts = [await answer.content.readline() for answer in answers]
        assert firsts == [b"line 1\n"] * 5
        stopping = asyncio.ensure_future(stack.composed("stop", "sidecar"))
        bodies = await asyncio.gather(*(answer.read() for answer in answers))
        assert {body.count(b"\n") for body in bodies} == {7}
        end = await stopping
    assert end.code == 0, end.text
    state = stack.inspected("sidecar")["State"]
    assert (state["Running"], state["ExitCode"]) == (False, 0)
    assert (await stack.composed("start", "sidecar")).code == 0
    stack.until("sidecar", "sidecar", "probe", "readyz")
