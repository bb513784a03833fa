"""What the upstream is told, byte for byte."""

import math
import random

import pytest

from sidecar.wire.forwarding import (
    DeadlineLine,
    IdSource,
    RequestIds,
    attempt_line,
    request_ids,
    stable_fields,
    valid_traceparent,
)
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin

IDS = RequestIds(b"rid", b"tp")
STRANGER = Origin("192.0.2.7", b"http", False, 8080)
BALANCER = Origin("10.0.0.1", b"http", True, 8080)
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def request(*lines: bytes, version: bytes = b"1.1") -> RequestHead:
    data = b"\r\n".join([b"GET / HTTP/" + version, b"Host: h:1", *lines, b"", b""])
    head = parse_request(data, HeadLimits())
    assert head is not None
    return head


def source() -> IdSource:
    return IdSource(random.Random(7).randbytes)


def test_a_first_hop_names_the_peer_and_what_was_asked_for() -> None:
    assert stable_fields(request(), STRANGER, IDS) == (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\n"
        b"Via: 1.1 sidecar\r\nX-Request-Id: rid\r\ntraceparent: tp\r\n"
    )


CLAIMS = (
    b"X-Forwarded-For: 1.1.1.1",
    b"X-Forwarded-For: 2.2.2.2",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: public",
    b"Via: 1.0 a",
)


def test_a_trusted_peer_is_believed_about_proto_and_host() -> None:
    assert stable_fields(request(*CLAIMS), BALANCER, IDS) == (
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public\r\n"
        b"Via: 1.0 a, 1.1 sidecar\r\nX-Request-Id: rid\r\ntraceparent: tp\r\n"
    )


def test_a_stranger_is_only_appended_to() -> None:
    assert stable_fields(request(*CLAIMS), STRANGER, IDS) == (
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\n"
        b"Via: 1.0 a, 1.1 sidecar\r\nX-Request-Id: rid\r\ntraceparent: tp\r\n"
    )


def test_a_unix_socket_adds_no_address_and_a_missing_host_no_line() -> None:
    local = Origin("", b"https", True)
    bare = parse_request(b"GET / HTTP/1.0\r\n\r\n", HeadLimits())
    assert bare is not None
    assert stable_fields(bare, local, IDS) == (
        b"X-Forwarded-Proto: https\r\nVia: 1.0 sidecar\r\nX-Request-Id: rid\r\ntraceparent: tp\r\n"
    )
    assert stable_fields(request(b"X-Forwarded-For: 1.1.1.1"), local, IDS).startswith(b"X-Forwarded-For: 1.1.1.1\r\n")


def test_attempts_are_numbered_from_the_second() -> None:
    assert attempt_line(1) == b""
    assert attempt_line(2) == b"X-Sidecar-Attempt: 2\r\n"


def test_the_line_of_a_deadline_says_what_is_left_of_this_one() -> None:
    line = DeadlineLine()
    assert line.of(math.inf) == b""
    assert line.of(0.0) == b"X-Request-Timeout-Ms: 0\r\n"
    assert line.of(0.2509) == line.of(0.2501) == b"X-Request-Timeout-Ms: 250\r\n"
    assert line.of(math.inf) == b""
    assert line.of(14.9999) == b"X-Request-Timeout-Ms: 14999\r\n"
    assert line.of(-0.003) == b"X-Request-Timeout-Ms: 0\r\n"


@pytest.mark.parametrize("value", [b"a", b"x" * 128, b"!~"])
def test_a_usable_request_id_is_kept(value: bytes) -> None:
    assert request_ids(request(b"X-Request-Id: " + value), source()).request_id == value


@pytest.mark.parametrize("lines", [(), (b"",), (b"x" * 129,), (b"a b",), (b"a\tb",), (b"\xff",), (b"a", b"b")])
def test_an_unusable_request_id_is_replaced(lines: tuple[bytes, ...]) -> None:
    made = request_ids(request(*(b"X-Request-Id: " + line for line in lines)), source()).request_id
    assert len(made) == 32
    assert not made.translate(None, b"0123456789abcdef")


@pytest.mark.parametrize("value", [TRACE, b"01" + TRACE[2:], b"01" + TRACE[2:] + b"-more"])
def test_a_valid_trace_is_continued_verbatim(value: bytes) -> None:
    assert request_ids(request(b"traceparent: " + value), source()).traceparent == value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        TRACE[:-1],
        TRACE + b"0",
        TRACE + b"-x",
        TRACE.upper(),
        b"ff" + TRACE[2:],
        b"01" + TRACE[2:] + b"x",
        b"00-" + b"0" * 32 + TRACE[35:],
        TRACE[:36] + b"0" * 16 + b"-01",
        TRACE.replace(b"-", b"_"),
        TRACE.replace(b"4bf", b"4bg"),
        TRACE + b", " + TRACE,
    ],
)
def test_an_invalid_trace_is_replaced_by_a_new_one_not_sampled(value: bytes) -> None:
    made = request_ids(request(b"traceparent: " + value), source()).traceparent
    assert made != value
    assert valid_traceparent(made)
    assert made.endswith(b"-00")


def test_identifiers_are_fresh_and_follow_from_the_source_alone() -> None:
    first, second = source(), source()
    made = [request_ids(request(), first) for _ in range(300)]
    again = [request_ids(request(), second) for _ in range(300)]
    assert len({ids.request_id for ids in made} | {ids.traceparent for ids in made}) == 600
    assert [ids.request_id for ids in made] == [ids.request_id for ids in again]


@pytest.mark.parametrize(("flags", "sampled"), [(b"00", False), (b"01", True), (b"0a", False), (b"ff", True)])
def test_the_last_bit_of_the_flags_says_whether_a_trace_is_sampled(flags: bytes, sampled: bool) -> None:
    ids = request_ids(request(b"traceparent: " + TRACE[:-2] + flags), source())
    assert ids.sampled is sampled


@pytest.mark.parametrize(("flags", "sampled"), [(b"00", False), (b"01", True), (b"02", False), (b"03", True)])
def test_whether_the_caller_samples_is_told_beside_the_trace(flags: bytes, sampled: bool) -> None:
    value = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags
    assert request_ids(request(b"traceparent: " + value), source()).sampled is sampled
