"""Asking an admin address: what answers, what is no sidecar's, and who does not answer at all."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.errors import CommandError
from sidecar.cli import client as admin_client
from sidecar.cli.main import main
from sidecar.model.address import Address
from tests.doubles import admin as doubles
from tests.doubles.admin import Answering


def test_the_token_of_the_environment_is_presented(
    admin: str, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_ADMIN_TOKEN", "t0")
    main(["drain", "--admin", admin])
    assert answering.asked == [("POST", "/drain", "Bearer t0")]


def test_a_refusal_is_told_with_what_to_do(
    admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering.status, answering.body = 401, b'{"detail": "this needs the admin token"}'
    assert main(["drain", "--admin", admin]) == 1
    assert "this needs the admin token; set SIDECAR_ADMIN_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b'{"status": "up"}'),
        (404, b'{"detail": "no route of the rules matches"}'),
        (504, b'{"detail": "the service did not answer in time"}'),
    ],
)
@pytest.mark.parametrize("command", [["status"], ["reload"], ["drain"], ["drain", "--wait", "1s"]], ids=" ".join)
def test_what_is_no_sidecar_s_admin_is_told(
    admin: str, answering: Answering, command: list[str], status: int, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    answering.status, answering.body = status, body
    assert main([*command, "--admin", admin]) == 1
    told = f"what answers at {admin} is no sidecar's admin address (status {status})"
    assert capsys.readouterr().err == f"sidecar: {told}\n"


def test_nobody_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as silent:  # bound, so that nobody else listens there meanwhile
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert main(["status", "--admin", f"127.0.0.1:{port}"]) == 1
    assert (
        capsys.readouterr().err
        == f"sidecar: no sidecar answers at 127.0.0.1:{port}: Connection refused; --admin names another address\n"
    )


def test_a_unix_socket_is_asked_too(tmp_path: Path) -> None:
    with doubles.answering(tmp_path / "admin.sock") as told:
        told.paths["/status"] = {"phase": "serving"}
        assert admin_client.status(Address.parse(told.address)) == {"phase": "serving"}


def test_a_sentence_of_whoever_answers_cannot_steer_the_terminal(
    admin: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering.status, answering.body = 403, b'{"detail": "\\u001b[2Jgone"}'
    assert main(["drain", "--admin", admin]) == 1
    assert capsys.readouterr().err == f"sidecar: {admin} refuses: ?[2Jgone\n"


def test_events_are_those_told_and_none_where_none_are_told(admin: str, answering: Answering) -> None:
    answering.paths["/events"] = {"events": [{"kind": "drain"}, "odd"]}
    assert admin_client.events(Address.parse(admin)) == [{"kind": "drain"}]
    answering.paths["/events"] = {"events": "odd"}
    assert admin_client.events(Address.parse(admin)) == []
    answering.status, answering.paths = 404, {}
    assert admin_client.events(Address.parse(admin)) == []


@pytest.mark.parametrize(
    "told", [{"phase": 1}, {"phase": "serving", "routes": 3}, {"phase": "x", "uptime_seconds": "y"}]
)
@pytest.mark.parametrize("command", [["status"], ["top", "--once", "--interval", "100ms"]], ids=" ".join)
def test_an_answer_that_is_made_otherwise_is_a_sentence(
    admin: str, answering: Answering, command: list[str], told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answering.body = json.dumps(told).encode()
    assert main([*command, "--admin", admin]) == 1
    assert f"what answers at {admin} tells its status otherwise than" in capsys.readouterr().err


def test_what_can_be_read_is_handed_on() -> None:
    address = Address.parse("127.0.0.1:1")
    assert admin_client.understood(address, lambda: 5) == 5
    with pytest.raises(CommandError, match="KeyError: 'a'"):
        admin_client.understood(address, lambda: {"b": 1}["a"])
