"""From text to rules, or to every problem at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.address import Address
from sidecar.policies.retry import RetrySpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.rules.effective import effective
from sidecar.rules.findings import Finding
from sidecar.rules.load import Loaded, load_rules, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from sidecar.rules.source import fingerprint

URL = "http://127.0.0.1:3000"
MINIMAL = f"version: 1\nupstreams: {{app: {{endpoints: {URL}}}}}\nroutes: [{{name: all, upstream: app}}]\n"


def load(text: str, said: Given | None = None) -> Loaded:
    return load_text(text, "f.yaml", said or Given(), lambda path: f"secret of {path}")


def problems(text: str, said: Given | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, said)
    return [str(problem) for problem in caught.value.problems]


def test_ten_mistakes_are_ten_problems_each_at_its_line_and_column() -> None:
    text = """\
version: 2
listeners:
  - name: public
    address: 8080
    max_header_bytes: 64KB
    timeouts: {headers: 10}
admni: {address: 127.0.0.1:9901}
upstreams:
  app:
    endpoints: [http://127.0.0.1:3000/path]
    pool: {max_connections: 0}
    balance: least_request
routes:
  - name: login
    match: {path: login}
    upstream: ap
    timeout: {request: 3s}
    timeout: {request: 4s}
"""
    assert problems(text) == [
        "f.yaml:1:10: error: `2` is not one of 1",
        "f.yaml:4:14: error: `8080` has no port; did you mean `:8080`?",
        "f.yaml:5:23: error: `64KB` is not a size; did you mean `64KiB`?",
        "f.yaml:6:25: error: `10` has no unit; write `10s` for seconds or `10ms` for milliseconds",
        "f.yaml:7:1: error: unknown key `admni`; did you mean `admin`?",
        "f.yaml:10:17: error: `http://127.0.0.1:3000/path` has a path or a query; "
        "an endpoint is scheme, host and port only",
        "f.yaml:11:29: error: `max_connections` must be at least 1",
        "f.yaml:12:14: error: `least_request` is not one of least_requests, round_robin, random, hash; "
        "did you mean `least_requests`?",
        "f.yaml:15:19: error: `login` is not a path; it begins with / (or =/ for an exact one)",
        "f.yaml:16:15: error: there is no upstream `ap`; did you mean `app`?",
        "f.yaml:18:5: error: `timeout` is written twice; the first is on line 17",
    ]


def test_one_upstream_url_is_enough() -> None:
    loaded = load_rules(None, upstreams=[URL])
    rules = loaded.rules
    assert [str(endpoint.url) for endpoint in rules.upstreams["app"].endpoints] == [URL]
    assert [(route.name, route.upstream, str(route.match.path)) for route in rules.routes] == [
        ("everything", "app", "/")
    ]
    assert rules.listeners[0].address == Address("", 8080)
    assert rules.admin.address == Address("127.0.0.1", 9901)
    assert rules.routes[0].spec(TimeoutSpec) == TimeoutSpec()
    assert loaded.warnings == ()


def test_nothing_at_all_says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"give a backend with --upstream http://HOST:PORT"):
        load_rules(None)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.yaml")
    with pytest.raises(ConfigError) as caught:
        load_rules(missing)
    assert str(caught.value) == f"{missing}: error: cannot be read: No such file or directory"


def test_a_file_that_is_no_mapping_is_a_problem() -> None:
    assert problems("- 1\n") == ["f.yaml:1:1: error: a rules file is a mapping; it begins with `version: 1`"]


def test_a_syntax_error_is_told_alone() -> None:
    assert len(problems(MINIMAL + "x: [\n")) == 1


def test_the_command_line_wins_over_the_environment_and_that_over_the_file() -> None:
    text = MINIMAL + "listeners: [{address: ':1'}]\nadmin: {address: '127.0.0.1:2'}\nlog: {level: error}\n"
    environ = {"SIDECAR_LISTEN": ":11", "SIDECAR_ADMIN": "127.0.0.1:12", "SIDECAR_LOG_LEVEL": "debug"}
    loaded = load(text, Given(listen=":21", environ=environ))
    rules, origins = loaded.rules, loaded.provenance
    assert (str(rules.listeners[0].address), origins["listeners.public.address"]) == (":21", "--listen")
    assert (str(rules.admin.address), origins["admin.address"]) == ("127.0.0.1:12", "environment SIDECAR_ADMIN")
    assert (rules.log.level, origins["log.level"]) == ("debug", "environment SIDECAR_LOG_LEVEL")
    assert origins["log.format"] == "default"
    assert origins["routes.all.upstream"] == "f.yaml:3"


def test_upstreams_of_the_environment_replace_the_endpoints_of_the_file() -> None:
    loaded = load(MINIMAL, Given(environ={"SIDECAR_UPSTREAM": "http://a:1, http://b:2"}))
    assert [str(endpoint.url) for endpoint in loaded.rules.upstreams["app"].endpoints] == ["http://a:1", "http://b:2"]
    assert loaded.provenance["upstreams.app.endpoints.1.url"] == "environment SIDECAR_UPSTREAM"


def test_the_digest_changes_with_a_value_and_not_with_a_comment() -> None:
    plain = load(MINIMAL).digest
    assert load("# comment\n" + MINIMAL).digest == plain
    assert load(MINIMAL, Given(sets=["drain.deadline=26s"])).digest != plain


def test_defaults_are_merged_under_a_route_and_null_switches_one_off() -> None:
    text = f"""\
upstreams: {{app: {{endpoints: {URL}}}}}
defaults:
  timeout: {{request: 9s, idle: 8s}}
  retry: {{max_attempts: 2, backoff: {{base: 5ms}}}}
routes:
  - {{name: a, match: {{path: /a}}, upstream: app, timeout: {{request: 3s}}, retry: {{backoff: {{max: 2s}}}}}}
  - {{name: b, match: {{path: /b}}, upstream: app, timeout: null, retry: null}}
  - {{name: c, upstream: app}}
"""
    loaded = load(text)
    a, b, c = loaded.rules.routes
    assert a.spec(TimeoutSpec) == TimeoutSpec(request=3.0, idle=8.0)
    retry = a.spec(RetrySpec)
    assert retry is not None
    assert (retry.max_attempts, retry.backoff.base, retry.backoff.max) == (2, 0.005, 2.0)
    assert (b.spec(TimeoutSpec), b.spec(RetrySpec)) == (None, None)
    assert c.spec(TimeoutSpec) == TimeoutSpec(request=9.0, idle=8.0)
    assert loaded.provenance["routes.a.timeout.request"] == "f.yaml:6"
    assert loaded.provenance["routes.a.timeout.idle"] == "f.yaml:3"


def test_a_mistake_in_defaults_is_told_once_however_many_routes_inherit_it() -> None:
    text = (
        f"upstreams: {{app: {{endpoints: {URL}}}}}\ndefaults: {{timeout: {{request: x}}, concurrency: {{max: 0}}}}\n"
        "routes: [{name: a, match: {path: /a}, upstream: app}, {name: b, upstream: app}]\n"
    )
    assert [said for said in problems(text) if "error" in said] == [
        "f.yaml:2:31: error: `x` is not a duration; write it as 250ms, 2s, 5m or 1h",
        "f.yaml:2:54: error: `max` must be at least 1",
    ]


@pytest.mark.parametrize(
    "policy",
    [
        "concurrency: {max: 5, mode: shadow}",
        "retry: {mode: shadow}",
        "circuit_breaker: {mode: shadow}",
        "fallback: {on: [circuit_open], status: 200, mode: shadow}",
    ],
)
def test_shadow_mode_of_what_counts_in_it_warns_of_nothing(policy: str) -> None:
    assert load(MINIMAL.replace("{name: all,", f"{{name: all, {policy},")).warnings == ()


def test_a_shadow_mode_that_counts_nothing_warns_and_may_run() -> None:
    loaded = load(MINIMAL, Given(sets=["routes.all.rewrite={add_prefix: /v1, mode: shadow}"]))
    assert loaded.to_run() is loaded
    assert [problem.message for problem in loaded.warnings] == [
        "`mode: shadow` switches `rewrite` off: it has nothing to count"
    ]


@pytest.mark.parametrize(
    "setting",
    [
        "listeners.0.protocol=http",
        "listeners.0.proxy_protocol=false",
        "admin.token=abc",
        "log.access=all",
        "log.access=sampled",
        "routes.all.timeout.total=0s",
        "routes.all.rate_limits=[]",
        "upstreams.app.slow_start=0s",
    ],
)
def test_asking_for_nothing_warns_of_nothing(setting: str) -> None:
    assert load(MINIMAL, Given(sets=[setting])).warnings == ()


def test_a_zero_switches_off_what_can_be_off() -> None:
    text = MINIMAL.replace("upstream: app", "upstream: app, timeout: {request: 0s, idle: 0}")
    rules = load(text, Given(sets=["listeners.0.max_body_bytes=0"])).rules
    assert rules.routes[0].spec(TimeoutSpec) == TimeoutSpec(request=None, idle=None)
    assert rules.listeners[0].max_body_bytes is None


def test_a_secret_is_remembered_and_never_shown() -> None:
    loaded = load(MINIMAL + "admin: {token: '${file:/run/t}'}\n")
    assert loaded.rules.admin.token == "secret of /run/t"
    assert loaded.secrets == {"admin.token"}
    assert "secret of" not in repr(loaded.rules)
    assert effective(loaded.rules, loaded.secrets)["admin"]["token"] == "***"


def test_a_token_that_is_empty_is_no_token() -> None:
    assert problems(MINIMAL + "admin: {token: ''}\n") == [
        "f.yaml:4:16: error: `token` is empty; drop the key for no token"
    ]
    assert load(MINIMAL + "admin:\n  token: ${TOKEN:-}\n").rules.admin.token is None


def test_a_wrong_secret_is_told_without_telling_it() -> None:
    said = problems(MINIMAL + "drain: {deadline: '${file:/run/t}'}\n")
    assert said == ["f.yaml:4:19: error: the secret value is not a duration"]


def test_of_a_value_that_cannot_be_looked_up_nothing_else_is_told() -> None:
    text = MINIMAL.replace(URL, "'http://${APP}:3000', resolve: '${EVERY}', connect_timeout: 5").replace(
        "all,", "'${N}',"
    )
    assert [said.partition(" is not set")[0] for said in problems(text)] == [
        "f.yaml:2:38: error: `APP`",
        "f.yaml:2:62: error: `EVERY`",
        "f.yaml:2:90: error: `5` has no unit; write `5s` for seconds or `5ms` for milliseconds",
        "f.yaml:3:18: error: `N`",
    ]


def test_a_fault_needs_permission() -> None:
    text = MINIMAL.replace("{name: all,", "{name: all, fault: {abort: {ratio: 0.1}},")
    assert "f.yaml:3:29: error: `fault` is refused without --allow-faults" in problems(text)
    assert load(text, Given(allow_faults=True)).rules.routes[0].policies["fault"]


KEYS = st.sampled_from(
    [
        "version",
        "listeners",
        "upstreams",
        "routes",
        "defaults",
        "app",
        "name",
        "upstream",
        "endpoints",
        "timeout",
        "request",
        "match",
        "path",
        "retry",
        "on",
        "<<",
        "balance",
        "hash",
        "fault",
        "tls",
        "drain",
    ]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["app", "10s", "/x", URL, "client_ip", "${A}", "${file:/x}", "64KiB", "{", "${"]),
    st.text(max_size=4),
)
TREES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=20
)


@given(TREES)
def test_any_tree_is_rules_or_problems(tree: object) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    try:
        sound = bool(load(text).rules.routes)
    except ConfigError as error:
        sound = any(problem.severity == "error" and problem.message for problem in error.problems)
    assert sound


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=2))
def test_any_text_and_any_settings_are_rules_or_problems(text: str, sets: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, Given(sets=sets))
    assert any(problem.severity == "error" for problem in caught.value.problems)


def test_every_file_that_was_read_is_told(tmp_path: Path) -> None:
    rules, secret = tmp_path / "r.yaml", tmp_path / "token"
    rules.write_text(MINIMAL + f"admin: {{token: '${{file:{secret}}}'}}\n")
    secret.write_text("t\n")
    loaded = load_rules(str(rules))
    assert loaded.sources == {str(path): fingerprint(str(path)) for path in (rules, secret)}
    assert load_rules(None, upstreams=[URL]).sources == {}
    assert list(load_rules(None, upstreams=[URL], sets=[f"admin.token=${{file:{secret}}}"]).sources) == [str(secret)]


def test_files_are_told_of_rules_that_cannot_be_used_too(tmp_path: Path) -> None:
    rules, secret = tmp_path / "r.yaml", tmp_path / "token"
    with pytest.raises(ConfigError) as caught:
        load_rules(str(rules))
    assert caught.value.sources == {str(rules): ""}
    rules.write_text(MINIMAL + f"admin: {{token: '${{file:{secret}}}'}}\n")
    with pytest.raises(ConfigError) as caught:
        load_rules(str(rules))
    assert caught.value.sources == {str(rules): fingerprint(str(rules)), str(secret): ""}


def test_files_are_told_of_rules_that_must_not_run(tmp_path: Path) -> None:
    rules = tmp_path / "r.yaml"
    rules.write_text(MINIMAL)
    with pytest.raises(ConfigError) as caught:
        load_rules(str(rules), examine=lambda *_: [Finding("upstreams", "needs more", "refused")]).to_run()
    assert list(caught.value.sources) == [str(rules)]
