"""Who is let in and who is not, by the head of the request alone."""

import pytest
from aiohttp.test_utils import make_mocked_request

from sidecar.admin.guard import Guard, Refusal


def status_of(guard: Guard, method: str = "POST", target: str = "/drain", **fields: str) -> int:
    headers = {"Host": "127.0.0.1:9901"} | {name.replace("_", "-"): value for name, value in fields.items()}
    try:
        guard.check(make_mocked_request(method, target, headers=headers))
    except Refusal as refusal:
        return refusal.status
    return 200


LOOPBACK = Guard(loopback=True, token=None)
TOKEN = Guard(loopback=True, token="se¢ret")
OPEN = Guard(loopback=False, token=None)


def test_a_verb_on_loopback_needs_nothing() -> None:
    assert status_of(LOOPBACK) == 200


def test_a_verb_on_an_open_address_without_a_token_set_is_refused() -> None:
    assert status_of(OPEN) == 403


def test_looking_on_an_open_address_is_free() -> None:
    assert status_of(OPEN, "GET", Host="app.prod.svc:9901") == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("Bearer se¢ret", 200), ("bearer  se¢ret", 200), ("Bearer wrong", 401), ("Basic se¢ret", 401), ("", 401)],
)
def test_a_verb_needs_the_token_that_is_set(authorization: str, status: int) -> None:
    assert status_of(TOKEN, Authorization=authorization) == status


def test_looking_needs_no_token() -> None:
    assert status_of(TOKEN, "GET") == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://127.0.0.1:9901"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Host": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1:9901"}, 200),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
    ],
)
def test_a_verb_from_another_sites_page_is_refused(fields: dict[str, str], status: int) -> None:
    assert status_of(LOOPBACK, **fields) == status


def test_the_token_does_not_let_another_sites_page_in() -> None:
    assert status_of(TOKEN, Authorization="Bearer se¢ret", Sec_Fetch_Site="cross-site") == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9901", 200),
        ("app.localhost", 200),
        ("127.0.0.1", 200),
        ("[::1]:9901", 200),
        ("10.1.2.3:9901", 200),
        ("rebound.example:9901", 403),
        ("localhost.example", 403),
        ("[::1", 403),
    ],
)
def test_on_loopback_a_rebound_name_is_refused_even_to_look(host: str, status: int) -> None:
    assert status_of(LOOPBACK, "GET", Host=host) == status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("guard", "fields", "status"),
    [
        (LOOPBACK, {}, 200),
        (OPEN, {}, 403),
        (TOKEN, {}, 401),
        (TOKEN, {"Authorization": "Bearer se¢ret"}, 200),
        (LOOPBACK, {"Sec_Fetch_Site": "cross-site"}, 403),
        (TOKEN, {"Authorization": "Bearer se¢ret", "Sec_Fetch_Site": "same-site"}, 403),
        (LOOPBACK, {"Sec_Fetch_Site": "same-origin"}, 200),
        (LOOPBACK, {"Sec_Fetch_Site": "none"}, 200),
        (LOOPBACK, {"Host": "rebound.example:9901"}, 403),
    ],
)
def test_to_look_inside_is_as_closed_as_a_verb(guard: Guard, fields: dict[str, str], status: int, method: str) -> None:
    for target in ("/debug/tasks", "/%64ebug/tasks", "/debug/profile?seconds=1"):
        assert status_of(guard, method, target, **fields) == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "empty"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}, 200),
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, 200),
    ],
)
@pytest.mark.parametrize("target", ["/", "/events", "/status", "/metrics"])
@pytest.mark.parametrize("guard", [LOOPBACK, TOKEN, OPEN])
def test_another_sites_page_may_lead_here_and_not_draw_on_it(
    guard: Guard, target: str, fields: dict[str, str], status: int
) -> None:
    assert status_of(guard, "GET", target, **fields) == status
