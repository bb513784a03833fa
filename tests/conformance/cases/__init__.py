"""Every case, by topic."""

from tests.conformance.cases import (
    answer_framing,
    bodiless,
    chunked,
    early,
    field_syntax,
    hop_by_hop,
    hosts,
    interim,
    limits,
    methods,
    persistence,
    request_framing,
    start_line,
)

CASES = (
    *request_framing.CASES,
    *chunked.CASES,
    *start_line.CASES,
    *hosts.CASES,
    *field_syntax.CASES,
    *limits.CASES,
    *hop_by_hop.CASES,
    *methods.CASES,
    *interim.CASES,
    *persistence.CASES,
    *bodiless.CASES,
    *answer_framing.CASES,
    *early.CASES,
)
