"""What the rules change in heads on their way, compiled for the wire: one object for each route with such a rule."""

from __future__ import annotations

from sidecar.policies.header_edits import HeaderEditsSpec, ResponseEditsSpec, RewriteSpec
from sidecar.rules.schema import RouteRule
from sidecar.runtime.generation import Runtime
from sidecar.wire.edits import FieldEdits
from sidecar.wire.message import RequestHead
from sidecar.wire.rewriting import TargetRewrite
from sidecar.wire.writer import edited_request_head


class HeadEdits:
    """One route's changes; each is None where the rules ask for none, or are in shadow mode.

    `response` is for answers to clients that use http, `secure` for those that use https. `own` and `own_secure` are
    for errors of the sidecar's own and for fixed fallbacks: what a preset says belongs there too."""

    __slots__ = ("own", "own_secure", "request", "response", "rewrite", "secure")

    def __init__(
        self,
        request: FieldEdits | None,
        response: FieldEdits | None,
        rewrite: TargetRewrite | None,
        secure: FieldEdits | None = None,
        own: FieldEdits | None = None,
        own_secure: FieldEdits | None = None,
    ) -> None:
        self.request = request
        self.response = response
        self.rewrite = rewrite
        self.secure = secure
        self.own = own
        self.own_secure = own_secure

    def request_head(self, head: RequestHead, lines: bytes, authority: bytes = b"") -> bytes:
        """The head of one attempt; `lines` are those that the sidecar adds to the block, and may be edited too.
        `authority` is the endpoint's own, for a request that names none."""
        target = head.origin_target if self.rewrite is None else self.rewrite.apply(head.origin_target)
        return edited_request_head(head, target, lines, self.request, authority)

    def of_answer(self, secure: bool) -> FieldEdits | None:
        """The changes of an answer; `secure`: the client uses https."""
        return self.secure if secure else self.response

    def to_own(self, block: bytes, secure: bool) -> bytes:
        """The fields of an error or of a fixed fallback, with those that every answer of the route has."""
        edits = self.own_secure if secure else self.own
        return block if edits is None else edits.apply(block)


def attach_edits(runtime: Runtime) -> None:
    """Gives each route of a runtime that is not current yet what its rule asks for."""
    for route in runtime.routes:
        route.edits = head_edits(runtime.rules.routes[route.rule_index])


def head_edits(rule: RouteRule) -> HeadEdits | None:
    """The changes of one rule, None when there are none."""
    request = _fields(rule.spec(HeaderEditsSpec, "request_headers"))
    answers = rule.spec(HeaderEditsSpec, "response_headers")
    response, secure = _fields(answers, False), _fields(answers, True)
    spec = rule.spec(RewriteSpec)
    rewrite = None
    if spec is not None and spec.mode == "enforce":
        rewrite = TargetRewrite(spec.strip_prefix, spec.add_prefix)
    if not (request or response or rewrite):
        return None
    return HeadEdits(request, response, rewrite, secure, _own(answers, False), _own(answers, True))


def _fields(spec: HeaderEditsSpec | None, secure: bool = False) -> FieldEdits | None:
    if spec is None or spec.mode != "enforce":
        return None
    removed, absent = spec.remove, {}
    if isinstance(spec, ResponseEditsSpec):
        removed, absent = spec.removed(), spec.defaults(secure)
    if not (spec.set or spec.add or removed or absent):
        return None
    return FieldEdits(removed, spec.set, spec.add, absent, twins=not isinstance(spec, ResponseEditsSpec))


def _own(spec: HeaderEditsSpec | None, secure: bool) -> FieldEdits | None:
    if not isinstance(spec, ResponseEditsSpec) or spec.mode != "enforce":
        return None
    fields = spec.for_own(secure)
    return FieldEdits(absent=fields) if fields else None
