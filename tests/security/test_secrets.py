"""What came out of a file is told nowhere: not on the admin's pages, in events, problems, logs or explanations."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sidecar.cli.main import main
from tests.doubles.backend import Backend
from tests.doubles.running import rules_text, running

SECRET = "s3cr3t-0f-n0b0dy"
PAGES = (
    "/config", "/status", "/metrics", "/events?format=json", "/rules?name=everything", "/help", "/", "/readyz?verbose",
    "/debug/memory", "/debug/tasks", "/debug/tasks?format=text", "/debug/loop",
)  # fmt: skip


@pytest.fixture
def held(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


def rules(url: str, held: Path, listener: str = "") -> str:
    route = (
        f"match: {{headers: {{x-key: '${{file:{held}}}'}}}}, "
        f"request_headers: {{set: {{authorization: 'Bearer ${{file:{held}}}'}}}}"
    )
    text = rules_text(url, route=route, listener=listener)
    return text.replace("admin: {", f"admin: {{token: '${{file:{held}}}', ")


async def test_no_page_of_the_admin_tells_a_secret_and_the_backend_gets_it(
    held: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with Backend() as backend, running(rules=rules(backend.url, held)) as proxy:
            assert (await proxy.ask("/", f"X-Key: {SECRET}")).status == 200
            assert backend.requests[0].get("authorization") == f"Bearer {SECRET}".encode()
            told = [await proxy.admin("GET", page, f"Authorization: Bearer {SECRET}") for page in PAGES]
            refused = await proxy.admin("POST", "/drain", f"Authorization: Bearer {SECRET[:-1]}")
        assert [answer.status for answer in told] == [200] * len(PAGES)
        assert [page for page, answer in zip(PAGES, told, strict=True) if SECRET.encode() in answer.raw] == []
        assert (refused.status, SECRET[:-1].encode() in refused.raw) == (401, False)
    assert SECRET not in caplog.text


def test_neither_a_check_nor_an_explanation_tells_a_secret(held: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = held.parent / "rules.yaml"
    file.write_text(rules("http://127.0.0.1:3000", held))
    assert main(["explain", "-c", str(file), "GET", "/"]) == 0
    assert "x-key is absent, not `***`" in capsys.readouterr().out
    assert main(["explain", "-c", str(file), "GET", "/", "-H", "x-key: wrong"]) == 0
    assert "x-key is `wrong`, not `***`" in capsys.readouterr().out
    for bad in (f"max_headers: '${{file:{held}}}'", f"trusted_proxies: ['${{file:{held}}}']"):
        file.write_text(rules("http://127.0.0.1:3000", held, listener=bad))
        assert main(["check", str(file)]) == 1
        said = "".join(capsys.readouterr())
        assert "secret value" in said
        assert SECRET not in said
