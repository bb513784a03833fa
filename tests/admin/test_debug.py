"""The pages of /debug: what is asked, in what form it is answered, and how a question is refused."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sidecar.admin.server import AdminServer
from sidecar.debug.terms import BusyError, MemoryTerms, NoSuchWorkerError, ProfileTerms, TaskTerms
from tests.doubles.subject import FakeSubject

PROFILE = {"sidecar": {"seconds": 5.0, "hz": 200, "samples": 2, "busy": 0.5, "stacks": [(("a.py:f",), 2)]}}
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def subject() -> FakeSubject:
    return FakeSubject()


@pytest.fixture
async def client(subject: FakeSubject) -> AsyncIterator[Client]:
    server = AdminServer(subject, loopback=True, token="secret")
    async with TestClient(TestServer(server.application()), headers={"Authorization": "Bearer secret"}) as made:
        yield made


async def test_every_process_is_told_as_json_under_its_name(client: Client, subject: FakeSubject) -> None:
    answer = await client.get("/debug/tasks")
    assert answer.status == 200
    assert await answer.json() == {"processes": {"sidecar": {"error": "it stands still"}}}
    assert subject.inspected == [(TaskTerms(), None)]


async def test_what_is_asked_reaches_the_subject(client: Client, subject: FakeSubject) -> None:
    await client.get("/debug/memory?trace=start&frames=4&top=7&worker=1")
    assert subject.inspected == [(MemoryTerms(7, "start", 4), 1)]


async def test_text_is_for_people(client: Client) -> None:
    answer = await client.get("/debug/tasks?format=text")
    assert answer.content_type == "text/plain"
    assert await answer.text() == "sidecar:\n  error: it stands still\n"


async def test_a_profile_is_a_picture_that_the_policy_of_all_pages_shows(client: Client, subject: FakeSubject) -> None:
    subject.inside = PROFILE
    answer = await client.get("/debug/profile")
    assert answer.content_type == "image/svg+xml"
    assert (await answer.text()).startswith("<svg")
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert subject.inspected == [(ProfileTerms(5.0, 200), None)]


async def test_a_profile_may_be_folded_for_other_tools(client: Client, subject: FakeSubject) -> None:
    subject.inside = PROFILE
    answer = await client.get("/debug/profile?format=folded&seconds=1")
    assert await answer.text() == "sidecar;a.py:f 2\n"


@pytest.mark.parametrize(
    ("target", "error", "status", "sentence"),
    [
        ("/debug/heap", None, 404, "there is no /debug/heap; there is tasks, memory, loop, profile"),
        ("/debug/tasks?top=3", None, 400, "`top` means nothing here; /debug/tasks takes `format`, `worker`"),
        ("/debug/profile?hz=x", None, 400, "`hz` is a whole number from 1 to 1000, not `x`"),
        ("/debug/loop?worker=5", NoSuchWorkerError(5, (0, 1)), 404, "there is no worker 5"),
        ("/debug/profile", BusyError("a profile is under way"), 409, "a profile is under way"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_told_why(
    client: Client, subject: FakeSubject, target: str, error: Exception | None, status: int, sentence: str
) -> None:
    if error is not None:
        subject.inside = error
    answer = await client.get(target)
    assert answer.status == status
    assert answer.content_type == "application/problem+json"
    assert (await answer.json())["detail"] == sentence


async def test_workers_that_there_are_are_named_in_the_problem(client: Client, subject: FakeSubject) -> None:
    subject.inside = NoSuchWorkerError(5, (0, 1))
    assert (await (await client.get("/debug/tasks?worker=5")).json())["known"] == [0, 1]


@pytest.mark.parametrize("target", ["/debug/tasks", "/%64ebug/tasks", "/debug/no-such", "/debug/profile?seconds=1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_nobody_looks_inside_without_the_token(
    client: Client, subject: FakeSubject, method: str, target: str
) -> None:
    answer = await client.request(method, target, headers={"Authorization": "Bearer other"})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert subject.inspected == []
