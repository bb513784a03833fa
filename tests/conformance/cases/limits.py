"""Heads that are large: what has to be supported, and that what is not is refused (RFC 9110 section 5.4)."""

from __future__ import annotations

from tests.conformance.case import MUST, SECURITY, SHOULD, Case, Do, get, ok
from tests.conformance.judge import answered, bad_gateway, either, forwarded, refused

_LARGE = "A head larger than is wished for is answered with 4xx, never cut."

CASES = (
    Case("limits/sixty-fields", "RFC 9110 §5.4", SHOULD, "Sixty fields are forwarded.",
         (get(b"".join(b"X-%d: v\r\n" % n for n in range(60))),), forwarded(has={"x-59": b"v"})),
    Case("limits/head-7k", "RFC 9110 §5.4", SHOULD, "A head of 7 KB is forwarded.",
         (get(b"".join(b"X-%d: %s\r\n" % (n, b"v" * 490) for n in range(14))),), forwarded(has={"x-13": b"v" * 490})),
    Case("limits/many-fields", "RFC 9110 §5.4", SECURITY, _LARGE,
         (get(b"".join(b"X-%d: v\r\n" % n for n in range(20_000))),), either(refused(), forwarded())),
    Case("limits/large-head", "RFC 9110 §5.4", MUST, _LARGE,
         (get(b"".join(b"X-%d: %s\r\n" % (n, b"v" * 1000) for n in range(300))),), either(refused(), forwarded())),
    Case("limits/large-field", "RFC 9110 §5.4", SECURITY, _LARGE, (get(b"X-A: " + b"v" * 1_000_000 + b"\r\n"),),
         either(refused(), forwarded())),
    Case("limits/endless-field", "RFC 9110 §5.4", SECURITY, "An endless head is refused before it ends.",
         (get()[:-2] + b"X-A: " + b"v" * 2_000_000,), refused()),
    Case("limits/endless-name", "RFC 9110 §5.4", SECURITY, "An endless head is refused before it ends.",
         (get()[:-2] + b"X" * 2_000_000,), refused()),
    Case("limits/endless-target", "RFC 9112 §3", SECURITY, "An endless request line is refused before it ends.",
         (b"GET /~/" + b"a" * 2_000_000,), refused()),
    Case("limits/endless-method", "RFC 9112 §3", SECURITY, "An endless request line is refused before it ends.",
         (b"A" * 2_000_000,), refused()),
    Case("limits/head-byte-by-byte", "RFC 9112 §2", MUST, "However the bytes arrive, they mean the same.",
         (b"G", b"ET /", b"~ HT", b"TP/1.1\r", b"\nHo", b"st: a", b"\r", b"\nX-A", b":", b" b\r\n", b"\r", b"\n"),
         forwarded(has={"x-a": b"b"})),
    Case("limits/head-cut-short", "RFC 9112 §8", SECURITY, "A head that does not end is no request.",
         (get()[:-2], Do.HALF_CLOSE), lambda seen: "forwarded it" if seen.requests else ""),
    Case("limits/head-cut-in-field", "RFC 9112 §8", SECURITY, "A head that does not end is no request.",
         (get()[:-4] + b"X-A: ", Do.HALF_CLOSE), lambda seen: "forwarded it" if seen.requests else ""),
    Case("limits/answer-large-head", "RFC 9110 §5.4", SECURITY,
         "A large head of an answer is passed on whole, or a 502.",
         (get(),), either(bad_gateway, answered()),
         answer=(ok(b"".join(b"X-%d: %s\r\n" % (n, b"v" * 1000) for n in range(300)) + b"Content-Length: 0\r\n"),)),
    Case("limits/answer-many-fields", "RFC 9110 §5.4", SECURITY, "Very many fields are passed on, or a 502.",
         (get(),), either(bad_gateway, answered()),
         answer=(ok(b"X-A: 1\r\n" * 20_000 + b"Content-Length: 0\r\n"),)),
    Case("limits/answer-endless-head", "RFC 9110 §5.4", SECURITY, "An endless head of an answer is a 502.", (get(),),
         bad_gateway, answer=(ok()[:-2] + b"X-A: " + b"v" * 2_000_000,)),
)  # fmt: skip
