"""Every page of the admin address, through a real client."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from sidecar.admin.server import AdminServer
from sidecar.admin.subject import Condition
from sidecar.telemetry import parts
from tests.doubles.subject import FakeSubject

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def subject() -> FakeSubject:
    return FakeSubject()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, subject: FakeSubject) -> Client:
    return await aiohttp_client(AdminServer(subject, loopback=True).application())


def every_path(path: str) -> list[str]:
    """The paths that a line of the index stands for."""
    path = path.replace("RULE", "login/concurrency")
    name = "upstream.app" if path.startswith("/breakers") else quote("app/127.0.0.1:3000", safe="")
    before, _, verbs = path.replace("NAME", name).partition("{")
    return [before + verb for verb in verbs.rstrip("}").split(",")]


async def test_the_help_names_paths_that_answer(client: Client, subject: FakeSubject) -> None:
    subject.rules["login/concurrency"] = [{"key": "routes.login.concurrency.max", "value": "64", "from": "default"}]
    index = await (await client.get("/help")).text()
    named = [line.split()[:2] for line in index.splitlines()]
    assert ["POST", "/drain"] in named
    for verb, path in named:
        for each in every_path(path):
            async with client.request(verb, each) as answer:  # and left: that of the events has no end
                assert answer.status in (200, 202), each


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


async def test_others_get_a_turn_between_the_pieces_of_the_metrics(client: Client, subject: FakeSubject) -> None:
    turns: list[int] = []

    def written() -> Iterator[bytes]:
        for place in range(100):
            assert len(turns) == place
            asyncio.get_running_loop().call_soon(turns.append, place)
            yield b"%d " % place

    subject.metrics = written()
    assert (await (await client.get("/metrics")).text()).split() == [str(place) for place in range(100)]


@pytest.mark.parametrize(
    ("accept", "kind"), [("*/*", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")]
)
async def test_metrics_come_in_the_asked_form(client: Client, accept: str, kind: str) -> None:
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.content_type == kind
    assert await answer.text() == "sidecar_up 1\n"


async def test_each_route_of_the_status_is_a_line(client: Client, subject: FakeSubject) -> None:
    told: dict[str, Any] = {
        "phase": "serving",
        "not_ready": ["a", "b"],
        "routes": [{"name": "a", "statuses": {"2xx": 1}}, {"name": "b\n", "statuses": {}}],
        "breakers": {"upstream.app": {"state": "open"}},
        "reload": None,
        "nothing": {},
    }
    first, second = told["routes"]
    subject.status_parts = [
        {"phase": "serving", "not_ready": ["a", "b"], "routes": []},
        {"routes": [first]},
        {},
        {"routes": [second], "breakers": told["breakers"]},
        {"reload": None, "nothing": {}},
    ]
    answer = await client.get("/status")
    assert (answer.content_type, await answer.json()) == ("application/json", told)
    lines = (await answer.text()).splitlines()
    assert '    {"name": "a", "statuses": {"2xx": 1}},' in lines
    assert '    "upstream.app": {"state": "open"}' in lines
    assert '  "not_ready": ["a", "b"],' in lines


async def test_others_get_a_turn_between_the_parts_of_the_status(
    client: Client, subject: FakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "TURN", 0.0)
    turns: list[int] = []

    def told() -> Iterator[parts.Part]:
        for place in range(100):
            assert len(turns) == place
            asyncio.get_running_loop().call_soon(turns.append, place)
            yield {"routes": [{"name": f"r{place}"}]}

    subject.status_parts = told()
    routes = (await (await client.get("/status")).json())["routes"]
    assert [one["name"] for one in routes] == [f"r{place}" for place in range(100)]


async def test_status_and_config_are_json(client: Client) -> None:
    assert await (await client.get("/status")).json() == {"phase": "serving"}
    assert await (await client.get("/config")).json() == {"version": 1}


async def test_a_reload_is_answered_with_its_report(client: Client, subject: FakeSubject) -> None:
    subject.report |= {"result": "reloaded", "generation": 2, "changes": ["drain.deadline: 25s -> 30s"]}
    answer = await client.post("/reload")
    assert (answer.status, await answer.json()) == (200, subject.report)
    assert subject.reloads == ["POST /reload"]


async def test_a_reload_that_failed_is_answered_with_every_problem(client: Client, subject: FakeSubject) -> None:
    problems = ["r.yaml:1:2: error: one", "r.yaml:3:4: error: two"]
    subject.report |= {"result": "failed", "problems": problems}
    answer = await client.post("/reload")
    told = await answer.json()
    assert (answer.status, answer.content_type) == (422, "application/problem+json")
    assert (told["status"], told["result"], told["problems"], told["generation"]) == (422, "failed", problems, 1)
    assert told["detail"] == "the rules cannot be used; those of before stay in force"


async def test_a_reload_is_never_a_get(client: Client, subject: FakeSubject) -> None:
    answer = await client.get("/reload")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert subject.reloads == []


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


async def test_a_rule_s_name_leads_to_its_keys(client: Client, subject: FakeSubject) -> None:
    key = {"key": "routes.login.concurrency.max", "value": "64", "from": "sidecar.yaml:9"}
    subject.rules["login/concurrency"] = [key]
    answer = await client.get("/rules", params={"name": "login/concurrency"})
    assert await answer.json() == {"rule": "login/concurrency", "keys": [key]}
    assert (await client.get("/rules", params={"name": "login/none"})).status == 404
    assert (await client.get("/rules")).status == 404


@pytest.mark.parametrize("verb", ["open", "close", "auto"])
async def test_a_breaker_is_commanded_by_its_label(client: Client, subject: FakeSubject, verb: str) -> None:
    answer = await client.post(f"/breakers/upstream.app/{verb}")
    assert (answer.status, await answer.json()) == (200, {"breaker": "upstream.app", "verb": verb})
    assert subject.breakers == {"upstream.app": verb}


@pytest.mark.parametrize("path", ["app%2F127.0.0.1%3A3000", "app%2f127.0.0.1:3000", "app/127.0.0.1:3000"])
async def test_an_endpoint_is_commanded_by_its_name_encoded_or_not(
    client: Client, subject: FakeSubject, path: str
) -> None:
    answer = await client.post(URL(f"/endpoints/{path}/drain", encoded=True))
    assert (answer.status, await answer.json()) == (200, {"endpoint": "app/127.0.0.1:3000", "verb": "drain"})
    assert subject.endpoints == {"app/127.0.0.1:3000": "drain", "app/unix:/run/app.sock": "ready"}


async def test_an_endpoint_behind_a_unix_socket_is_commanded_too(client: Client, subject: FakeSubject) -> None:
    answer = await client.post(URL("/endpoints/app%2Funix:%2Frun%2Fapp.sock/drain", encoded=True))
    assert (answer.status, subject.endpoints["app/unix:/run/app.sock"]) == (200, "drain")


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/breakers/route.login/open", ["upstream.app"]),
        ("/endpoints/app/drain", ["app/127.0.0.1:3000", "app/unix:/run/app.sock"]),
        ("/breakers/upstream.app/smash", ["open", "close", "auto"]),
        ("/endpoints/app%2F127.0.0.1:3000/open", ["drain", "ready"]),
    ],
)
async def test_an_unknown_name_is_answered_with_those_there_are(
    client: Client, subject: FakeSubject, path: str, known: list[str]
) -> None:
    answer = await client.post(URL(path, encoded=True))
    told = await answer.json()
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert told["known"] == known
    assert all(f"`{name}`" in told["detail"] for name in known)
    assert subject.breakers == {"upstream.app": "auto"}
    assert set(subject.endpoints.values()) == {"ready"}


async def test_an_unknown_name_where_there_is_nothing_says_so(client: Client, subject: FakeSubject) -> None:
    subject.breakers.clear()
    told = await (await client.post("/breakers/upstream.app/open")).json()
    assert told["detail"] == "there is no breaker `upstream.app`; there is none"


@pytest.mark.parametrize("path", ["/breakers/upstream.app/open", "/endpoints/app%2F127.0.0.1:3000/drain"])
async def test_a_command_is_never_a_get(client: Client, subject: FakeSubject, path: str) -> None:
    answer = await client.get(URL(path, encoded=True))
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert subject.breakers == {"upstream.app": "auto"}


@pytest.mark.parametrize("path", ["/breakers/upstream.app/open", "/endpoints/app%2F127.0.0.1:3000/drain"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer t", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Authorization": "Bearer t", "Origin": "http://elsewhere.example"}, 403),
        ({"Authorization": "Bearer t", "Host": "rebound.example"}, 403),
        ({"Authorization": "Bearer t"}, 200),
    ],
)
async def test_a_command_is_guarded(
    aiohttp_client: AiohttpClient, subject: FakeSubject, path: str, headers: dict[str, str], status: int
) -> None:
    guarded = await aiohttp_client(AdminServer(subject, loopback=True, token="t").application())
    assert (await guarded.post(URL(path, encoded=True), headers=headers)).status == status
    changed = "open" in subject.breakers.values() or "drain" in subject.endpoints.values()
    assert changed == (status == 200)
