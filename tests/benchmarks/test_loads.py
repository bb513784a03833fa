"""What is sent, and how a load generator's output becomes a verdict."""

import pytest

from benchmarks import loads
from benchmarks.loads import LOADS, OutputError

RECORDED_WRK = """Running 1s test @ http://127.0.0.1:52759/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.94ms  171.03us   2.92ms   80.15%
    Req/Sec    68.23k     8.65k   74.65k    80.00%
  67622 requests in 1.02s, 19.86MB read
Requests/sec:  66453.68
Transfer/sec:     19.52MB

VERDICT {"requests": 67622, "microseconds": 1017582, "p50": 921.0, "p99": 1530.0, "connect": 0, "read": 0, \
"write": 0, "status": 0, "timeout": 0}
"""
RECORDED_WITH_ERRORS = RECORDED_WRK.replace('"read": 0', '"read": 3').replace('"status": 0', '"status": 7')
RECORDED_PACED = 'VERDICT {"requests": 1998, "seconds": 1.0007, "errors": 2, "p50_ms": 0.24, "p99_ms": 0.33}\n'


def by_name(name: str) -> loads.Load:
    return next(load for load in LOADS if load.name == name)


def test_wrk_output_gives_requests_seconds_and_percentiles() -> None:
    verdict = loads.read_wrk(RECORDED_WRK)
    assert (verdict.requests, verdict.errors) == (67622, 0)
    assert verdict.seconds == pytest.approx(1.017582)
    assert verdict.p50_ms == pytest.approx(0.921)
    assert verdict.p99_ms == pytest.approx(1.53)


def test_every_kind_of_wrk_error_counts() -> None:
    assert loads.read_wrk(RECORDED_WITH_ERRORS).errors == 10


def test_paced_output_gives_the_same_kind_of_verdict() -> None:
    assert loads.read_paced(RECORDED_PACED) == loads.Verdict(1998, 1.0007, 2, 0.24, 0.33)


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1 Connection refused\n", "VERDICT []\n"])
def test_output_without_a_verdict_is_refused(output: str) -> None:
    with pytest.raises(OutputError):
        loads.read_wrk(output)


def test_a_request_carries_ten_header_fields() -> None:
    head = loads.request_bytes("/small")
    assert head.startswith(b"GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n") - 2 == 10


def test_wrk_is_told_connections_seconds_headers_and_target() -> None:
    command = loads.wrk_command("wrk", by_name("c512"), 8080, 3, "x.lua")
    assert command[:4] == ["wrk", "-t1", "-c512", "-d3s"]
    assert command.count("-H") == len(loads.REQUEST_HEADERS)
    assert command[-1] == "http://127.0.0.1:8080/small"


def test_only_the_connect_load_closes_its_connections() -> None:
    closing = [load.name for load in LOADS if "Connection: close" in loads.wrk_command("wrk", load, 1, 1, "x.lua")]
    assert closing == ["connect"]


def test_only_the_post_load_has_a_body() -> None:
    posting = {load.name: loads.wrk_script(load) for load in LOADS if "wrk.body" in loads.wrk_script(load)}
    assert list(posting) == ["post16k"]
    assert 'string.rep("x", 16384)' in posting["post16k"]


def test_load_names_are_unique_and_include_memory() -> None:
    assert len(set(loads.NAMES)) == len(loads.NAMES) == len(LOADS) + 1
    assert "memory" in loads.NAMES
