"""Every page of the admin address, through a real client."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from sidecar.admin.server import AdminServer
from sidecar.admin.subject import Condition
from tests.doubles.subject import FakeSubject

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def subject() -> FakeSubject:
    return FakeSubject()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, subject: FakeSubject) -> Client:
    return await aiohttp_client(AdminServer(subject, loopback=True).application())


async def test_the_index_names_paths_that_answer(client: Client) -> None:
    index = await (await client.get("/")).text()
    named = [line.split()[:2] for line in index.splitlines()]
    assert ["POST", "/drain"] in named
    for verb, path in named:
        assert (await client.request(verb, path)).status in (200, 202), path


async def test_live_does_not_depend_on_readiness(client: Client, subject: FakeSubject) -> None:
    subject.told = [Condition("upstream app", holds=False)]
    assert (await client.get("/livez")).status == 200


async def test_ready_follows_the_truth_both_ways(client: Client, subject: FakeSubject) -> None:
    statuses = []
    for holds in (True, False, True):
        subject.told = [Condition("upstream app", holds=holds)]
        statuses.append((await client.get("/readyz")).status)
    assert statuses == [200, 503, 200]


async def test_ready_verbose_names_each_condition(client: Client) -> None:
    assert await (await client.get("/readyz?verbose")).text() == "[+] rules: 3 routes\nok\n"


async def test_started_is_no_before_the_first_readiness(client: Client, subject: FakeSubject) -> None:
    subject.has_been_ready = False
    assert (await client.get("/startupz")).status == 503


@pytest.mark.parametrize(
    ("accept", "kind"), [("*/*", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")]
)
async def test_metrics_come_in_the_asked_form(client: Client, accept: str, kind: str) -> None:
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.content_type == kind
    assert await answer.text() == "sidecar_up 1\n"


async def test_status_and_config_are_json(client: Client) -> None:
    assert await (await client.get("/status")).json() == {"phase": "serving"}
    assert await (await client.get("/config")).json() == {"version": 1}


async def test_drain_starts_and_answers_at_once(client: Client, subject: FakeSubject) -> None:
    answer = await client.post("/drain")
    assert (answer.status, await answer.json()) == (202, {"draining": True})
    assert subject.drains == ["POST /drain"]


@pytest.mark.parametrize(("ended", "status"), [(True, 200), (False, 504)])
async def test_drain_with_wait_says_whether_it_ended(
    client: Client,
    subject: FakeSubject,
    ended: bool,
    status: int,
) -> None:
    if ended:
        subject.ended.set()
    answer = await client.post("/drain?wait=30s")
    assert (answer.status, (await answer.json())["drained"]) == (status, ended)


@pytest.mark.parametrize("wait", ["", "soon", "-1s", "1y"])
async def test_drain_refuses_a_wait_that_is_no_duration_and_does_not_drain(
    client: Client,
    subject: FakeSubject,
    wait: str,
) -> None:
    assert (await client.post(f"/drain?wait={wait}")).status == 400
    assert subject.drains == []


async def test_drain_is_never_a_get(client: Client, subject: FakeSubject) -> None:
    answer = await client.get("/drain")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert subject.drains == []
