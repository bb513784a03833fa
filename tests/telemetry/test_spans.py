"""An exchange as spans: names, parents and attributes, as the semantic conventions for HTTP have them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from sidecar import __version__
from sidecar.model.reason import Reason
from sidecar.model.trace import AttemptTrace, ExchangeTrace
from sidecar.telemetry.spans import resource_of, spans_of

RESOURCE = Resource({"service.name": "test"})
TRACE_ID = b"0af7651916cd43dd8448eb211c80319c"
CALLER, OWN, FIRST, SECOND = b"b7ad6b7169203331", b"00f067aa0ba902b7", b"1111111111111111", b"2222222222222222"


def attempt(span_id: bytes = FIRST, outcome: str = "success", status: int = 200, scheme: str = "http") -> AttemptTrace:
    made = AttemptTrace()
    made.scheme = scheme
    made.span_id, made.outcome, made.status = span_id, outcome, status
    made.upstream, made.endpoint = "app", "app/10.0.0.7:3000"
    made.started, made.ended = 10.25, 10.5
    return made


def exchange(*attempts: AttemptTrace, **changes: Any) -> ExchangeTrace:
    made = ExchangeTrace()
    made.trace_id, made.span_id, made.parent_id = TRACE_ID, OWN, CALLER
    made.method, made.scheme, made.host, made.path = b"GET", "http", b"shop.example:8080", b"/users/7"
    made.client, made.route, made.pattern, made.status = "192.0.2.9", "users", "/users/{id}", 200
    made.request_id = b"0af7651916cd43dd"
    made.started, made.ended = 10.0, 11.0
    made.attempts = list(attempts)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def spans(trace: ExchangeTrace, offset: float = 1_700_000_000.0) -> list[ReadableSpan]:
    return list(spans_of(trace, RESOURCE, offset, count(1).__next__))


def attributes(trace: ExchangeTrace) -> dict[str, Any]:
    """Of the server's span."""
    return dict(spans(trace)[0].attributes or {})


def test_a_plain_exchange_is_a_server_span_with_a_client_span_below_it() -> None:
    server, client = spans(exchange(attempt()))
    assert server.name == "GET /users/{id}"
    assert server.kind is SpanKind.SERVER
    assert dict(server.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/users/{id}",
        "url.scheme": "http",
        "url.path": "/users/7",
        "http.response.status_code": 200,
        "server.address": "shop.example",
        "server.port": 8080,
        "client.address": "192.0.2.9",
        "network.protocol.version": "1.1",
        "sidecar.route": "users",
        "sidecar.request_id": "0af7651916cd43dd",
    }
    assert client.name == "GET"
    assert client.kind is SpanKind.CLIENT
    assert dict(client.attributes or {}) == {
        "http.request.method": "GET",
        "server.address": "10.0.0.7",
        "server.port": 3000,
        "url.full": "http://10.0.0.7:3000/users/7",
        "http.response.status_code": 200,
        "sidecar.upstream": "app",
        "sidecar.outcome": "success",
    }
    assert server.status.status_code is client.status.status_code is StatusCode.UNSET


def test_identifiers_are_those_that_were_on_the_wire() -> None:
    server, first, second = spans(exchange(attempt(FIRST, "5xx", 503), attempt(SECOND)))
    assert all(span.context.trace_id == int(TRACE_ID, 16) for span in (server, first, second))
    assert [span.context.span_id for span in (server, first, second)] == [int(one, 16) for one in (OWN, FIRST, SECOND)]
    assert server.parent is not None
    assert (server.parent.span_id, server.parent.is_remote) == (int(CALLER, 16), True)
    for child in (first, second):
        assert child.parent is not None
        assert (child.parent.span_id, child.parent.is_remote) == (int(OWN, 16), False)
    assert server.context.trace_flags.sampled


def test_a_trace_that_began_here_has_no_parent() -> None:
    assert spans(exchange(parent_id=b""))[0].parent is None


def test_an_attempt_that_nothing_was_sent_of_has_an_id_of_its_own() -> None:
    _, first, second = spans(exchange(attempt(b"", "connect_failure", 0), attempt(b"", "connect_failure", 0)))
    assert (first.context.span_id, second.context.span_id) == (1, 2)
    assert "http.response.status_code" not in (first.attributes or {})


def test_monotonic_instants_become_unix_nanoseconds() -> None:
    server, client = spans(exchange(attempt()), offset=1000.0)
    assert (server.start_time, server.end_time) == (1_010_000_000_000, 1_011_000_000_000)
    assert (client.start_time, client.end_time) == (1_010_250_000_000, 1_010_500_000_000)


def test_the_callers_tracestate_is_in_the_context() -> None:
    server, client = spans(exchange(attempt(), tracestate=b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"))
    for span in (server, client):
        assert dict(span.context.trace_state) == {"congo": "t61rcWkgMzE", "rojo": "00f067aa0ba902b7"}


def test_each_resending_is_counted_from_the_second_attempt_on() -> None:
    sent = spans(exchange(attempt(FIRST, "5xx", 503), attempt(SECOND, "5xx", 503), attempt()))[1:]
    assert [(span.attributes or {}).get("http.request.resend_count") for span in sent] == [None, 1, 2]


@pytest.mark.parametrize(
    ("outcome", "status", "error", "is_error"),
    [
        ("success", 200, None, False),
        ("success", 204, None, False),
        ("success", 404, "404", True),
        ("5xx", 503, "503", True),
        ("connect_timeout", 0, "connect_timeout", True),
        ("reset", 200, "reset", True),
        ("downstream_gone", 0, "downstream_gone", False),
    ],
)
def test_an_attempt_says_its_cause_or_the_status_that_is_an_error_to_a_client(
    outcome: str, status: int, error: str | None, is_error: bool
) -> None:
    _, client = spans(exchange(attempt(FIRST, outcome, status)))
    assert (client.attributes or {}).get("error.type") == error
    assert (client.status.status_code is StatusCode.ERROR) is is_error
    assert (client.attributes or {})["sidecar.outcome"] == outcome


@pytest.mark.parametrize(
    ("status", "reason", "rule", "error", "description"),
    [
        (500, None, "", "500", None),
        (503, Reason.CIRCUIT_OPEN, "upstream.app", "circuit_open", "circuit_open, upstream.app"),
        (504, Reason.REQUEST_TIMEOUT, "", "request_timeout", "request_timeout"),
    ],
)
def test_a_5xx_is_an_error_that_says_why_and_by_which_rule(
    status: int, reason: Reason | None, rule: str, error: str, description: str | None
) -> None:
    (server,) = spans(exchange(status=status, reason=reason, rule=rule))
    assert server.status.status_code is StatusCode.ERROR
    assert server.status.description == description
    assert (server.attributes or {})["error.type"] == error


def test_a_refusal_of_the_caller_is_no_error_but_says_why_and_by_which_rule() -> None:
    (server,) = spans(exchange(status=429, reason=Reason.RATE_LIMITED, rule="login/per-client"))
    told = dict(server.attributes or {})
    assert server.status.status_code is StatusCode.UNSET
    assert (told["sidecar.reason"], told["sidecar.rule"]) == ("rate_limited", "login/per-client")
    assert "error.type" not in told


def test_a_caller_who_leaves_is_told_of_without_an_error_of_ours() -> None:
    (server,) = spans(exchange(status=499, reason=Reason.DOWNSTREAM_GONE))
    assert (server.attributes or {})["error.type"] == "downstream_gone"
    assert server.status.status_code is StatusCode.UNSET


def test_a_fallback_that_answered_instead_is_no_error() -> None:
    (server,) = spans(exchange(status=200, reason=Reason.CIRCUIT_OPEN, rule="upstream.app"))
    told = dict(server.attributes or {})
    assert "error.type" not in told
    assert told["sidecar.reason"] == "circuit_open"


def test_methods_that_clients_invent_make_no_names() -> None:
    server, client = spans(exchange(attempt(), method=b"BREW"))
    assert (server.name, client.name) == ("HTTP /users/{id}", "HTTP")
    for span in (server, client):
        told = dict(span.attributes or {})
        assert (told["http.request.method"], told["http.request.method_original"]) == ("_OTHER", "BREW")


def test_a_request_that_matched_no_route_goes_by_its_method_alone() -> None:
    (server,) = spans(exchange(route="", pattern="", status=404, reason=Reason.NO_ROUTE))
    assert server.name == "GET"
    assert "http.route" not in (server.attributes or {})


@pytest.mark.parametrize(
    ("host", "scheme", "address", "port"),
    [
        (b"shop.example", "http", "shop.example", 80),
        (b"shop.example", "https", "shop.example", 443),
        (b"[2001:db8::1]:8443", "https", "2001:db8::1", 8443),
        (b"[2001:db8::1]", "http", "2001:db8::1", 80),
        (b"shop.example:\xb2", "http", "shop.example:\\xb2", 80),
        (b"", "http", None, None),
    ],
)
def test_where_the_caller_wanted_to_go(host: bytes, scheme: str, address: str | None, port: int | None) -> None:
    told = attributes(exchange(host=host, scheme=scheme))
    assert (told.get("server.address"), told.get("server.port")) == (address, port)


def test_an_attempt_goes_where_a_rewrite_sends_it() -> None:
    server, client = spans(exchange(attempt(), sent_path=b"/v1/users/7"))
    assert (server.attributes or {})["url.path"] == "/users/7"
    assert (client.attributes or {})["url.full"] == "http://10.0.0.7:3000/v1/users/7"


def test_an_attempt_says_the_scheme_that_its_endpoint_is_spoken_to_in() -> None:
    _, client = spans(exchange(attempt(scheme="https")))
    assert (client.attributes or {})["url.full"] == "https://10.0.0.7:3000/users/7"


def test_an_attempt_over_a_unix_socket_goes_to_its_path() -> None:
    made = attempt()
    made.endpoint = "app/unix:/run/app.sock:8"
    _, client = spans(exchange(made))
    told = client.attributes or {}
    assert (told["server.address"], told.get("server.port")) == ("/run/app.sock:8", None)
    assert told["url.full"] == "http://localhost/users/7"


def test_a_path_that_has_no_end_is_cut() -> None:
    assert len(attributes(exchange(path=b"/" + b"x" * 30_000))["url.path"]) == 2048


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=60), st.integers(0))
def test_whatever_a_client_sends_can_be_encoded(
    method: bytes, host: bytes, path: bytes, state: bytes, status: int
) -> None:
    trace = exchange(attempt(), method=method, host=host, path=path, tracestate=state, status=status % 1000)
    encoded = encode_spans(spans(trace))
    assert len(encoded.resource_spans[0].scope_spans[0].spans) == 2
    assert encoded.SerializeToString()


class TestWhoSpeaks:
    @pytest.fixture(autouse=True)
    def _bare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
        monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)

    def test_is_sidecar_of_this_version_where_nobody_says(self) -> None:
        told = resource_of("sidecar", {}).attributes
        assert (told["service.name"], told["service.version"]) == ("sidecar", __version__)
        assert told["service.instance.id"]

    def test_is_who_the_environment_says_where_the_rules_do_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,service.instance.id=pod-1")
        told = resource_of("sidecar", {}).attributes
        assert [told[name] for name in ("service.name", "deployment.environment.name", "service.instance.id")] == [
            "shop",
            "prod",
            "pod-1",
        ]

    def test_is_who_the_rules_say_above_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=blue")
        told = resource_of("checkout", {"team": "red"}).attributes
        assert (told["service.name"], told["team"]) == ("checkout", "red")


def test_a_name_is_asked_for_only_where_nothing_was_sent() -> None:
    def refuse() -> int:
        raise AssertionError("asked")

    ask: Callable[[], int] = refuse
    assert len(list(spans_of(exchange(attempt()), RESOURCE, 0.0, ask))) == 2
