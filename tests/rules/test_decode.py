"""Decoding tells every problem, and one slip hides no other."""

from __future__ import annotations

import pytest

from sidecar.rules.decode import FAILED, Decoder
from sidecar.rules.keys import Record
from sidecar.rules.parse import parse_yaml
from sidecar.rules.schema import ListenerRule, RouteRule, RuleSet, UpstreamRule
from sidecar.rules.tree import Origin


def decoded(text: str, record: type) -> tuple[object, list[str]]:
    parsed = parse_yaml(text, lambda line, column: Origin("f", line, column))
    decoder = Decoder()
    value = decoder.decode(parsed.node, Record(record, None), "")
    return value, [str(problem) for problem in decoder.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("record", "text", "complaint"),
    [
        (ListenerRule, "x", "f:1:1: error: `` is a mapping with the keys name, address"),
        (ListenerRule, "{}", "f:1:1: error: `address` is missing"),
        (ListenerRule, "address:\n", "f:1:9: error: `address` is missing"),
        (ListenerRule, "address: [':1']", "f:1:10: error: `address` is one value (address), not a list"),
        (ListenerRule, "address: ':1'\ntimeouts: 5s", "f:2:11: error: `timeouts` is a mapping with the keys headers"),
        (
            ListenerRule,
            "address: ':1'\ntrusted_proxies: [10.0.0.0/8, ]\nmax_headers: 0",
            "f:3:14: error: `max_headers`",
        ),
        (RouteRule, "name: a\nupstream: b\nrate_limits: {}", "f:3:14: error: `rate_limits` is a list; begin each item"),
        (RouteRule, "name: a\nupstream: b\nrate_limits: [~]", "f:3:15: error: an empty list item"),
        (RouteRule, "name: a\nupstream: b\nmatch: {headers: [x]}", "f:3:18: error: `headers` is a mapping; write"),
        (RouteRule, "name: a\nupstream: b\nmatch: {headers: {'a b': x}}", "f:3:19: error: `a b` is not a header name"),
        (RouteRule, "name: a\nupstream: b\nmatch: {headers: {A: x, a: y}}", "f:3:25: error: `a` is written twice"),
        (RouteRule, "name: a.b\nupstream: b", "f:1:7: error: `a.b` is not a name"),
        (RouteRule, "name: a\nupstream: b\ntimeout: {reqest: 1s}", "f:3:11: error: unknown key `reqest`; did you mean"),
        (RouteRule, "name: a\nupstream: b\npath: /x", "f:3:1: error: unknown key `path`; there is one in `match`"),
        (
            RouteRule,
            "name: a\nupstream: b\nejection: {}",
            "f:3:1: error: unknown key `ejection`; it is a policy of an up",
        ),
        (
            UpstreamRule,
            "endpoints: 'http://a'\ntimeout: 1s",
            "f:2:1: error: unknown key `timeout`; it is a policy of a route",
        ),
        (RouteRule, "name: a\nupstream: b\nretry: false", "f:3:8: error: write `retry: null` to switch it off"),
        (RouteRule, "name: a\nupstream: b\nrate_limits: off", "f:3:14: error: write `rate_limits: null` to switch it"),
        (RouteRule, "name: a\nupstream: b\nrate_limits: [x]", "f:3:15: error: an item of `rate_limits` is a mapping"),
    ],
)
def test_a_mistake_is_told_at_its_place(record: type, text: str, complaint: str) -> None:
    _, problems = decoded(text, record)
    assert [said[: len(complaint)] for said in problems] == [complaint]


def test_a_wrong_value_does_not_hide_a_contradiction_beside_it() -> None:
    _, problems = decoded("address: ':1'\nmax_connections: 0\nmax_headers: x\nmax_header_bytes: 1B\n", ListenerRule)
    assert [said[:12] for said in problems] == ["f:3:14: erro", "f:2:18: erro", "f:4:19: erro"]


def test_an_empty_section_is_its_default() -> None:
    value, problems = decoded("address: ':1'\ntimeouts:\nmax_headers:\n", ListenerRule)
    assert problems == []
    assert isinstance(value, ListenerRule)
    assert (value.max_headers, value.timeouts.headers) == (128, 10.0)


def test_a_wrong_upstream_leaves_the_others_standing() -> None:
    value, problems = decoded(
        "listeners: []\nupstreams: {a: {endpoints: x}, b: {endpoints: 'http://b:1'}, c: }\nroutes: []\n", RuleSet
    )
    assert isinstance(value, RuleSet)
    assert list(value.upstreams) == ["b"]
    assert isinstance(value.upstreams["b"], UpstreamRule)
    assert [said[:7] for said in problems] == ["f:2:28:", "f:2:62:"]


def test_a_record_that_lacks_what_it_needs_fails() -> None:
    assert decoded("{}", ListenerRule)[0] is FAILED
