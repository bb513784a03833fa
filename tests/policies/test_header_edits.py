"""What header edits and rewrites may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.header_edits import FRAMING, HeaderEditsSpec, RewriteSpec
from sidecar.policies.units import Invalid
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from tests.policies.specs import refused, taken

RULES = """
upstreams: {{app: {{endpoints: 'http://127.0.0.1:1'}}}}
routes:
- {{name: all, upstream: app, request_headers: {{set: {{x-env: {value}}}}}}}
"""


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (HeaderEditsSpec, {"set": {"content-length": "1"}}, "set", "may not touch content-length"),
        (HeaderEditsSpec, {"add": {"te": "x"}}, "add", "may not touch te"),
        (HeaderEditsSpec, {"remove": ("transfer-encoding",)}, "remove", "may not touch transfer-encoding"),
        (HeaderEditsSpec, {"add": {"host": "a"}}, "add", "a second `host`"),
        (HeaderEditsSpec, {"remove": ("host",)}, "remove", "may not take `host` out"),
        (HeaderEditsSpec, {"set": {"host": "a b"}}, "set", "neither HOST nor HOST:PORT"),
        (HeaderEditsSpec, {"set": {"host": ""}}, "set", "neither HOST nor HOST:PORT"),
        (HeaderEditsSpec, {"set": {"host": "me@a"}}, "set", "neither HOST nor HOST:PORT"),
        (HeaderEditsSpec, {"set": {"host": "a/b"}}, "set", "neither HOST nor HOST:PORT"),
        (HeaderEditsSpec, {"set": {"x": "a\r\nb: c"}}, "set", "gives x a line break"),
        (HeaderEditsSpec, {"add": {"x": "\u20ac"}}, "add", "outside Latin-1"),
        (RewriteSpec, {}, "strip_prefix", "is missing"),
        (RewriteSpec, {"strip_prefix": "api"}, "strip_prefix", "begin with /"),
        (RewriteSpec, {"add_prefix": "/v1?x"}, "add_prefix", "begin with /"),
        (RewriteSpec, {"add_prefix": "/caf\u00e9"}, "add_prefix", "%XX"),
        (RewriteSpec, {"add_prefix": "/v1/../x"}, "add_prefix", "no `.`, `..`"),
        (RewriteSpec, {"strip_prefix": "/./x"}, "strip_prefix", "no `.`, `..`"),
        (RewriteSpec, {"add_prefix": "//host/x"}, "add_prefix", "empty segment"),
        (RewriteSpec, {"add_prefix": "/a%2fb"}, "add_prefix", "escape of"),
        (RewriteSpec, {"add_prefix": "/%2E%2e"}, "add_prefix", "escape of"),
        (RewriteSpec, {"add_prefix": "/a%zz"}, "add_prefix", "bare `%`"),
        (RewriteSpec, {"strip_prefix": "/a;v=1"}, "strip_prefix", "no `;`"),
        (RewriteSpec, {"strip_prefix": "/a\\b"}, "strip_prefix", "backslash"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize("name", sorted(FRAMING))
def test_nothing_that_frames_a_message_is_edited_in_any_way(name: str) -> None:
    for given in ({"set": {name: "x"}}, {"add": {name: "x"}}, {"remove": (name,)}):
        with pytest.raises(Invalid, match=f"may not touch {name}"):
            HeaderEditsSpec(**given)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (HeaderEditsSpec, {"set": {"x-env": "prod"}, "remove": ("x-debug",)}),
        (HeaderEditsSpec, {"set": {"host": "app.internal:8080"}}),
        (HeaderEditsSpec, {"set": {"host": "[::1]:80"}}),
        (HeaderEditsSpec, {"remove": ("x-request-id", "via", "server", "date"), "add": {"via": "1.1 other"}}),
        (RewriteSpec, {"strip_prefix": "/api", "add_prefix": "/v1"}),
        (RewriteSpec, {"strip_prefix": "/api/", "add_prefix": "/caf%C3%A9/.hidden/"}),
        (RewriteSpec, {"strip_prefix": "/"}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    taken(spec, given)


def test_a_name_is_one_name_in_any_case() -> None:
    with pytest.raises(ConfigError, match="may not touch content-length"):
        load_text(RULES.format(value="x").replace("x-env", "Content-Length"), "f", Given())


@pytest.mark.parametrize("looked_up", ["prod\r\nx-admin: 1", "prod\nx", "prod\0"])
def test_a_value_looked_up_in_the_environment_cannot_end_its_line(looked_up: str) -> None:
    given = Given(environ={"ENV_NAME": looked_up})
    with pytest.raises(ConfigError, match="holds no line break and no control character"):
        load_text(RULES.format(value="'${ENV_NAME}'"), "f", given)


def test_a_value_looked_up_in_the_environment_is_set() -> None:
    loaded = load_text(RULES.format(value="'${ENV_NAME}'"), "f", Given(environ={"ENV_NAME": " prod "}))
    spec = loaded.rules.routes[0].spec(HeaderEditsSpec)
    assert spec is not None
    assert dict(spec.set) == {"x-env": "prod"}
