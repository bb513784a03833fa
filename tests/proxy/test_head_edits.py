"""The rules' edits as the wire's: compiled once for each route that has any, applied to each head."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.address import Address, Url
from sidecar.model.observer import Unobserved
from sidecar.policies.header_edits import HeaderEditsSpec, ResponseEditsSpec, RewriteSpec
from sidecar.proxy.head_edits import HeadEdits, attach_edits, head_edits
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


SECURE = {
    b"x-content-type-options: nosniff",
    b"x-frame-options: SAMEORIGIN",
    b"referrer-policy: strict-origin-when-cross-origin",
    b"cross-origin-opener-policy: same-origin-allow-popups",
    b"permissions-policy: camera=(), geolocation=(), microphone=()",
    b"x-permitted-cross-domain-policies: none",
}
HSTS = b"strict-transport-security: max-age=31536000"


def preset(**spec: Any) -> HeadEdits:
    edits = head_edits(rule(response_headers=ResponseEditsSpec(preset="secure", **spec)))
    assert edits is not None
    return edits


def lines(fields: bytes, edits: HeadEdits, secure: bool = False) -> set[bytes]:
    head = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: x\r\n" + fields + b"\r\n")
    block = answer_head(head, request(), LENGTH, False, b"", edits, secure)
    return {*block.split(b"\r\n")} - {b"HTTP/1.1 200 OK", b"Content-Length: 2", b"Date: x", b"Via: 1.1 sidecar", b""}


def test_the_preset_adds_what_the_backend_does_not_say_and_takes_out_what_it_is_made_of() -> None:
    assert lines(b"Server: a\r\nX-Powered-By: b\r\nX-AspNet-Version: c\r\n", preset()) == SECURE
    said = b"X-Frame-Options: DENY\r\nReferrer-Policy:\r\n"
    assert lines(said, preset()) == {
        *[line for line in SECURE if not line.startswith((b"x-frame", b"referrer"))],
        b"X-Frame-Options: DENY",
        b"Referrer-Policy:",
    }


def test_strict_transport_security_is_for_clients_that_use_https_only() -> None:
    assert lines(b"", preset(), secure=True) == {*SECURE, HSTS}
    assert lines(b"", preset(set={"strict-transport-security": "max-age=1"}), secure=True) == {
        *SECURE,
        b"strict-transport-security: max-age=1",
    }


def test_what_the_rules_set_add_and_remove_wins_over_the_preset() -> None:
    edits = preset(set={"x-frame-options": "DENY"}, add={"server": "ours"}, remove=("permissions-policy",))
    expected = {line for line in SECURE if not line.startswith((b"x-frame", b"permissions"))}
    assert lines(b"Server: a\r\nPermissions-Policy: b\r\n", edits) == {
        *expected,
        b"x-frame-options: DENY",
        b"server: ours",
    }


def test_the_sidecars_own_errors_say_the_preset_in_the_words_of_the_rules() -> None:
    edits = preset(set={"x-frame-options": "DENY", "x-other": "1"}, remove=("referrer-policy",))
    told = edits.to_own(b"RateLimit: x\r\n", True)
    assert told.startswith(b"RateLimit: x\r\n")
    expected = {line for line in SECURE if not line.startswith((b"x-frame", b"referrer"))}
    assert {*told.split(b"\r\n")} == {*expected, HSTS, b"x-frame-options: DENY", b"RateLimit: x", b""}
    assert HSTS not in edits.to_own(b"", False)
    plain = head_edits(rule(response_headers=ResponseEditsSpec(set={"x-frame-options": "DENY"})))
    assert plain is not None
    assert plain.to_own(b"a: b\r\n", True) == b"a: b\r\n", "without a preset errors stay as they are"


def test_a_preset_in_shadow_mode_changes_nothing() -> None:
    assert head_edits(rule(response_headers=ResponseEditsSpec(preset="secure", mode="shadow"))) is None
