"""What no single value can know, told where it stands."""

from __future__ import annotations

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError

UPSTREAM = "upstreams: {app: {endpoints: 'http://a:1'}}\n"
ROUTE = "routes: [{name: all, upstream: app}]\n"


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "f", Given())
    return [str(problem) for problem in caught.value.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UPSTREAM, "f:1:1: error: `routes` is missing"),
        (UPSTREAM + "routes: []\n", "f:2:9: error: there is no route"),
        ("upstreams: {}\n" + ROUTE, "f:1:12: error: there is no upstream; add `upstreams`"),
        ("upstreams: {app: {endpoints: []}}\n" + ROUTE, "f:1:30: error: `endpoints` is empty"),
        (UPSTREAM + ROUTE + "listeners: []\n", "f:3:12: error: there is no listener"),
        (
            UPSTREAM + "routes:\n- {name: a, match: {path: /a}, upstream: app}\n- {name: a, upstream: app}\n",
            "f:4:10: error: the route `a` is used twice; the first is on line 3",
        ),
        (
            UPSTREAM + ROUTE + "listeners:\n- {name: a, address: ':1'}\n- {name: b, address: ':1'}\n",
            "f:5:22: error: the listener address `:1` is used twice; the first is on line 4",
        ),
        (
            UPSTREAM + ROUTE + "listeners:\n- {name: a, address: '[::1]:0'}\n- {name: b, address: '[::1]:00'}\n",
            "f:5:22: error: the listener address `[::1]:00` is used twice; the first is on line 4",
        ),
        (
            UPSTREAM + ROUTE + "listeners:\n- {address: ':1'}\n- {address: ':2'}\n",
            "f:5:3: error: the listener `public` is used twice; the first is on line 4",
        ),
        (
            UPSTREAM + ROUTE + "listeners: [{address: '127.0.0.1:9901'}]\n",
            "f:3:23: error: `127.0.0.1:9901` is the admin's address, too",
        ),
        (
            UPSTREAM + ROUTE + "listeners: [{address: 'unix:/s'}]\nadmin: {address: 'unix:/s'}\n",
            "f:3:23: error: `unix:/s` is the admin's address, too",
        ),
        (
            UPSTREAM + "routes: [{name: all, upstream: web}]\n",
            "f:2:32: error: there is no upstream `web`; there are: app",
        ),
        (
            UPSTREAM + "routes: [{name: all, match: {listener: [public, publik]}, upstream: app}]\n",
            "f:2:49: error: there is no listener `publik`; did you mean `public`?",
        ),
        (UPSTREAM + "routes: [{name: all}]\n", "f:2:10: error: `upstream` is missing; name one, or give a `split`, a"),
        (
            UPSTREAM + "routes: [{name: all, split: [{upstream: app, weight: 0}]}]\n",
            "f:2:29: error: `split` has no weight above 0",
        ),
        (
            UPSTREAM + "routes: [{name: all, split: [{upstream: web, weight: 1}]}]\n",
            "f:2:41: error: there is no upstream `web`",
        ),
        (
            UPSTREAM + "routes: [{name: all, upstream: app, split: [{upstream: app, weight: 1}]}]\n",
            "f:2:44: error: `split` and `upstream` exclude each other",
        ),
        (
            UPSTREAM + "routes: [{name: a, upstream: app, rate_limits: [{name: x, rate: 1/s, key: 'path:id'}]}]\n",
            "f:2:75: error: `path:id` names a variable, but the path of route `a` has none called `{id}`",
        ),
        (
            UPSTREAM + "routes: [{name: a, upstream: app, rate_limits: [{name: x, rate: 1/s}, {name: x, rate: 2/s}]}]",
            "f:2:78: error: the rate limit `x` is used twice; the first is on line 2",
        ),
        (
            UPSTREAM.replace("}}", ", balance: {hash: 'path:id'}}}") + ROUTE,
            "f:1:60: error: `path:id` names a variable, but the path of any route to this upstream has none",
        ),
        (
            UPSTREAM + "routes: [{name: a, match: {path: '/{x}/{x}'}, upstream: app}]\n",
            "f:2:34: error: `/{x}/{x}` has the variable `x` twice",
        ),
    ],
)
def test_a_contradiction_is_told_at_its_place(text: str, expected: str) -> None:
    assert any(said.startswith(expected) for said in errors(text)), errors(text)


def test_a_broken_upstream_is_not_also_missing() -> None:
    said = errors("upstreams: {app: {endpoints: 'nonsense'}}\n" + ROUTE)
    assert len(said) == 1
    assert "is not a URL" in said[0]


def test_a_variable_that_a_template_has_can_be_a_key() -> None:
    text = UPSTREAM.replace("}}", ", balance: {hash: 'path:id'}}}") + (
        "routes: [{name: a, match: {path: '/{id}'}, upstream: app, rate_limits: [{name: x, rate: 1/s, key: path:id}]}]"
    )
    assert load_text(text, "f", Given()).rules.upstreams["app"].balance.hash == "path:id"
