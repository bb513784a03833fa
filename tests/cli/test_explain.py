"""Which route, why not the others, and what applies."""

from pathlib import Path

import pytest

from sidecar.cli.main import main
from sidecar.policies.catalogue import CATALOGUE

EVERY_KEY = Path(__file__).parents[2] / "config" / "examples" / "every-key.yaml"

RULES = """\
version: 1
upstreams:
  app:
    endpoints: [http://127.0.0.1:3000]
defaults:
  timeout: {request: 7s}
routes:
  - name: login
    match: {path: /login, methods: [POST]}
    upstream: app
  - name: tenant
    match: {headers: {x-tenant: gold}}
    upstream: app
    timeout: {attempt: 2s}
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(RULES)
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> list[list[str]]:
    assert main(["explain", *argv]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_the_matching_route_is_named_with_the_line_it_stands_on(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "-c", rules, "POST", "/login?next=%2F")
    assert lines[0][:2] == ["✓", "login:"]
    assert lines[0][-1] == f"({rules}:8)"


def test_the_earlier_routes_say_why_they_did_not_match(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "-c", rules, "GET", "http://api.example.com/login", "-H", "X-Tenant: gold")
    assert lines[0][:2] == ["✗", "login:"]
    assert "GET" in lines[0]
    assert lines[1][:2] == ["✓", "tenant:"]


def test_each_policy_value_comes_with_where_it_was_written(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "-c", rules, "GET", "/", "-H", "x-tenant: gold", "--set", "upstreams.app.connect_timeout=3s")
    assert ["timeout.attempt", "2s", f"{rules}:14"] in lines
    assert ["timeout.request", "7s", f"{rules}:6"] in lines
    assert ["timeout.idle", "1m", "default"] in lines
    assert ["connect_timeout", "3s", "--set", "upstreams.app.connect_timeout"] in lines
    assert ["endpoints.0.url", "http://127.0.0.1:3000", f"{rules}:4"] in lines


def test_a_shadow_mode_that_is_off_is_marked(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(rules)
    text = RULES.replace(
        "timeout: {attempt: 2s}", "rewrite: {add_prefix: /v1, mode: shadow}\n    concurrency: {max: 5, mode: shadow}"
    )
    path.write_text(text)
    lines = told(capsys, "-c", rules, "GET", "/", "-H", "x-tenant: gold")
    assert ["rewrite.mode", "shadow", f"{rules}:14", "(off)"] in lines
    assert ["timeout.request", "7s", f"{rules}:6"] in lines
    assert ["concurrency.mode", "shadow", f"{rules}:15"] in lines


def test_what_is_on_without_being_written_is_explained_too(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "-c", rules, "POST", "/login")
    assert ["retry.max_attempts", "3", "default"] in lines
    assert ["circuit_breaker.failure_ratio", "0.5", "default"] in lines


def test_what_a_route_switches_off_is_null_at_its_line(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(rules)
    path.write_text(RULES.replace("    timeout: {attempt: 2s}", "    retry: null"))
    lines = told(capsys, "-c", rules, "GET", "/", "-H", "x-tenant: gold")
    assert ["retry", "null", f"{rules}:14"] in lines


def test_a_split_shows_every_branch(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(rules)
    text = RULES.replace(
        "defaults:", "  app-v2: {endpoints: [http://127.0.0.1:3002], circuit_breaker: null}\ndefaults:"
    )
    split = "    split: [{upstream: app, weight: 95}, {upstream: app-v2, weight: 5}]\n    timeout"
    path.write_text(text.replace("    upstream: app\n    timeout", split))
    lines = told(capsys, "-c", rules, "GET", "/", "-H", "x-tenant: gold")
    assert ["split.1.upstream", "app-v2", f"{rules}:14"] in lines
    heads = [line for line in lines if line[:1] == ["upstream"]]
    assert heads == [["upstream", "app:"], ["upstream", "app-v2:"]]
    second = lines[lines.index(["upstream", "app-v2:"]) :]
    assert ["endpoints.0.url", "http://127.0.0.1:3002", f"{rules}:5"] in second
    assert ["circuit_breaker", "null", f"{rules}:5"] in second


def test_every_policy_of_the_example_with_every_key_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    request = ["POST", "http://api.example.com/login", "-H", "x-tenant: gold"]
    lines = told(capsys, "-c", str(EVERY_KEY), "--allow-faults", *request)
    lines += told(capsys, "-c", str(EVERY_KEY), "--allow-faults", "GET", "/", "-H", "x-canary-version: v2")
    explained = {line[0].partition(".")[0] for line in lines if line}
    assert {entry.key for entry in CATALOGUE} - explained == set()


def test_rules_that_run_would_refuse_are_explained(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(rules)
    path.write_text(RULES.replace("http://127", "https://127"))
    lines = told(capsys, "-c", rules, "GET", "/", "-H", "x-tenant: gold")
    assert ["endpoints.0.url", "https://127.0.0.1:3000", f"{rules}:4"] in lines


def test_no_match_is_an_answer_too(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no route matches" in " ".join(told(capsys, "-c", rules, "GET", "/other")[-1])


@pytest.mark.parametrize(
    "argv",
    [
        ["GET", "/two words"],
        ["GET", "/", "-H", "no-colon"],
        ["GET", "/", "-H", "a: b\r\n\r\nGET / HTTP/1.1"],
        ["GET", "/€"],
        ["G(T", "/"],
    ],
)
def test_what_is_no_request_is_usage(rules: str, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "-c", rules, *argv]) == 2
    assert capsys.readouterr().err.startswith("sidecar: ")


def test_an_address_without_its_scheme_is_told_how_to_be_written(
    rules: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "-c", rules, "GET", "localhost:8080/x"]) == 2
    assert capsys.readouterr().err.endswith("; write http://HOST/PATH, or a path alone\n")


def test_without_rules_there_is_nothing_to_explain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIDECAR_CONFIG", raising=False)
    assert main(["explain", "GET", "/"]) == 2
    assert "-c FILE" in capsys.readouterr().err


def test_rules_that_cannot_be_used_end_with_their_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(RULES + "bogus: 1\n")
    assert main(["explain", "-c", str(path), "GET", "/"]) == 1
    assert f"{path}:15:1: error: unknown key `bogus`" in capsys.readouterr().err


LISTENERS = """\
version: 1
listeners:
  - {name: public, address: ':8080'}
  - {name: inner, address: '127.0.0.1:8081'}
upstreams: {app: {endpoints: 'http://127.0.0.1:3000'}}
routes:
  - {name: ours, match: {listener: inner}, upstream: app}
  - {name: everything, upstream: app}
"""


def test_a_request_comes_in_at_the_first_listener_unless_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(LISTENERS)
    skipped, taken = told(capsys, "-c", str(path), "GET", "/")[:2]
    why = f"✗ ours: it is for requests at inner, and this one comes in at public ({path}:7)"
    assert (skipped, taken[:2]) == (why.split(), ["✓", "everything:"])
    why = f"✓ ours: it names the listener inner, and has no other condition ({path}:7)"
    assert told(capsys, "-c", str(path), "--listener", "inner", "GET", "/")[0] == why.split()
    assert main(["explain", "-c", str(path), "--listener", "iner", "GET", "/"]) == 2
    assert "no listener `iner` speaks http; did you mean `inner`?" in capsys.readouterr().err


def test_a_route_that_answers_by_itself_is_explained_without_what_is_about_upstreams(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("routes: [{name: to-https, redirect: {scheme: https}, timeout: {total: 9s}}]\n")
    rows = told(capsys, "-c", str(path), "GET", "/")
    keys = [row[0] for row in rows if row]
    assert ["redirect.scheme", "https"] in [row[:2] for row in rows]
    assert ["timeout.total", "9s"] in [row[:2] for row in rows]
    assert not [key for key in keys if key.startswith(("retry", "upstream"))]


TCP = """\
listeners:
- {address: ':1'}
- {name: db, address: ':2', protocol: tcp}
upstreams: {app: {endpoints: 'http://a:1'}, pg: {endpoints: 'tcp://a:2'}}
routes:
- {name: web, upstream: app}
- {name: pg, match: {listener: db}, upstream: pg, concurrency: {max: 9}}
"""


def test_a_connection_without_http_is_explained_by_its_listener(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tcp.yaml"
    file.write_text(TCP)
    assert main(["explain", "-c", str(file), "TCP", "db"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["✓", "pg:", "it", "names", "the", "listener", "db", f"({file}:7)"]
    assert ["concurrency.max", "9", f"{file}:7"] in lines
    assert ["timeout.idle", "1h", "default"] in lines
    keys = {line[0] for line in lines if line}
    assert keys.isdisjoint({"match.path", "timeout.attempt", "retry.methods", "fallback"})
    assert "upstream" in keys


def test_a_listener_of_http_has_no_such_connections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tcp.yaml"
    file.write_text(TCP)
    assert main(["explain", "-c", str(file), "TCP", "public"]) == 2
    assert "no listener `public` is `protocol: tcp`; there are: db" in capsys.readouterr().err
