"""The rules' edits as the wire's: compiled once for each route that has any, applied to each head."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.address import Address, Url
from sidecar.model.observer import Unobserved
from sidecar.policies.header_edits import HeaderEditsSpec, RewriteSpec
from sidecar.proxy.head_edits import attach_edits, head_edits
from sidecar.proxy.heads import answer_head, attempt_head
from sidecar.rules.schema import DefaultsRule, EndpointRule, ListenerRule, RouteRule, RuleSet, UpstreamRule
from sidecar.runtime.build import prepare
from sidecar.wire.head import parse_request
from sidecar.wire.message import LENGTH, RequestHead
from tests.proxy.streams import LIMITS, answer
from tests.proxy.witnesses import Half


def rule(name: str = "one", **policies: object) -> RouteRule:
    return RouteRule(name=name, upstream="app", policies=policies)


def request(target: bytes = b"/api/a?q=1") -> RequestHead:
    head = parse_request(b"GET " + target + b" HTTP/1.1\r\nHost: b\r\nX-Old: 1\r\n\r\n", LIMITS)
    assert head is not None
    return head


@pytest.mark.parametrize(
    "policies",
    [
        {},
        {"request_headers": HeaderEditsSpec()},
        {"response_headers": HeaderEditsSpec()},
        {"request_headers": HeaderEditsSpec(remove=("x-old",), mode="shadow")},
        {"response_headers": HeaderEditsSpec(set={"x-new": "1"}, mode="shadow")},
        {"rewrite": RewriteSpec(strip_prefix="/api", mode="shadow")},
    ],
)
def test_rules_that_change_nothing_leave_the_route_without_edits(policies: dict[str, Any]) -> None:
    assert head_edits(rule(**policies)) is None


def test_each_kind_of_edit_is_made_where_the_rules_ask_for_it_and_nowhere_else() -> None:
    edits = head_edits(rule(request_headers=HeaderEditsSpec(remove=("x-old",))))
    assert edits is not None
    assert (edits.response, edits.rewrite) == (None, None)
    assert b"X-Old" not in attempt_head(request(), b"", 1, b"", edits)
    assert attempt_head(request(), b"", 1, b"", edits).startswith(b"GET /api/a?q=1 HTTP/1.1\r\n")
    head = answer(b"HTTP/1.1 200 OK\r\nX-Old: 1\r\nContent-Length: 2\r\n\r\n")
    assert b"X-Old: 1\r\n" in answer_head(head, request(), LENGTH, False, b"", edits)


def test_a_rewrite_changes_the_target_and_keeps_its_query() -> None:
    edits = head_edits(rule(rewrite=RewriteSpec(strip_prefix="/api", add_prefix="/v2")))
    assert edits is not None
    assert attempt_head(request(), b"", 1, b"", edits).startswith(b"GET /v2/a?q=1 HTTP/1.1\r\nHost: b\r\nX-Old: 1\r\n")


def test_the_lines_that_the_sidecar_adds_to_a_request_can_be_edited_too() -> None:
    edits = head_edits(rule(request_headers=HeaderEditsSpec(remove=("x-forwarded-for",), set={"x-new": "2"})))
    assert edits is not None
    block = attempt_head(request(), b"X-Forwarded-For: 10.0.0.1\r\n", 2, b"X-Request-Timeout-Ms: 5\r\n", edits)
    assert b"X-Forwarded-For" not in block
    assert b"X-Sidecar-Attempt: 2\r\nX-Request-Timeout-Ms: 5\r\nx-new: 2\r\n\r\n" in block


def test_an_answers_fields_are_edited_and_its_framing_is_not() -> None:
    edits = head_edits(rule(response_headers=HeaderEditsSpec(remove=("server",), add={"x-new": "2"})))
    assert edits is not None
    head = answer(b"HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 2\r\n\r\n")
    block = answer_head(head, request(), LENGTH, True, b"RateLimit: x\r\n", edits)
    assert b"Server" not in block
    assert b"Content-Length: 2\r\n" in block
    assert block.endswith(b"RateLimit: x\r\nx-new: 2\r\nConnection: close\r\n\r\n")


def test_each_route_of_a_runtime_is_given_its_own_edits() -> None:
    plain = rule("plain")
    edited = rule("edited", rewrite=RewriteSpec(strip_prefix="/api"))
    upstream = UpstreamRule(name="app", endpoints=(EndpointRule(url=Url.parse("http://127.0.0.1:1")),), policies={})
    rules = RuleSet(
        listeners=(ListenerRule(address=Address("", 8080)),),
        upstreams={"app": upstream},
        defaults=DefaultsRule(),
        routes=(edited, plain),
    )
    runtime = prepare(rules, "d", None, Unobserved(), Half())
    attach_edits(runtime)
    edits = {route.name: route.edits for route in runtime.routes}
    assert edits["plain"] is None
    assert edits["edited"].rewrite.apply(b"/api/x") == b"/x"
