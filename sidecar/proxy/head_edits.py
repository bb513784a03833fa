"""What the rules change in heads on their way, compiled for the wire: one object for each route with such a rule."""

from __future__ import annotations

from sidecar.policies.header_edits import HeaderEditsSpec, RewriteSpec
from sidecar.rules.schema import RouteRule
from sidecar.runtime.generation import Runtime
from sidecar.wire.edits import FieldEdits
from sidecar.wire.message import RequestHead
from sidecar.wire.rewriting import TargetRewrite
from sidecar.wire.writer import edited_request_head


class HeadEdits:
    """One route's changes; each is None where the rules ask for none, or are in shadow mode."""

    __slots__ = ("request", "response", "rewrite")

    def __init__(self, request: FieldEdits | None, response: FieldEdits | None, rewrite: TargetRewrite | None) -> None:
        self.request = request
        self.response = response
        self.rewrite = rewrite

    def request_head(self, head: RequestHead, lines: bytes) -> bytes:
        """The head of one attempt; `lines` are those that the sidecar adds to the block, and may be edited too."""
        target = head.origin_target if self.rewrite is None else self.rewrite.apply(head.origin_target)
        return edited_request_head(head, target, lines, self.request)


def attach_edits(runtime: Runtime) -> None:
    """Gives each route of a runtime that is not current yet what its rule asks for."""
    for route in runtime.routes:
        route.edits = head_edits(runtime.rules.routes[route.rule_index])


def head_edits(rule: RouteRule) -> HeadEdits | None:
    """The changes of one rule, None when there are none."""
    request = _fields(rule.spec(HeaderEditsSpec, "request_headers"))
    response = _fields(rule.spec(HeaderEditsSpec, "response_headers"))
    spec = rule.spec(RewriteSpec)
    rewrite = None
    if spec is not None and spec.mode == "enforce":
        rewrite = TargetRewrite(spec.strip_prefix, spec.add_prefix)
    return HeadEdits(request, response, rewrite) if request or response or rewrite else None


def _fields(spec: HeaderEditsSpec | None) -> FieldEdits | None:
    if spec is None or spec.mode != "enforce" or not (spec.set or spec.add or spec.remove):
        return None
    return FieldEdits(spec.remove, spec.set, spec.add)
