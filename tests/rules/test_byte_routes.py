"""Routes of listeners without HTTP: what they get, what they cannot say, and what must be there for them."""

from __future__ import annotations

import pytest

from sidecar.policies.retry import RetrySpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError

LISTENERS = "listeners: [{name: web, address: ':1'}, {name: db, address: ':2', protocol: tcp}]\n"
UPSTREAMS = "upstreams: {app: {endpoints: 'http://a:1'}, pg: {endpoints: ['tcp://a:2', 'tls://b:2']}}\n"
WEB = "- {name: web, upstream: app}\n"
DB = "- {name: db, match: {listener: db}, upstream: pg}\n"
WHOLE = LISTENERS + UPSTREAMS + "routes:\n" + WEB


def load(text: str) -> Loaded:
    return load_text(text, "f", Given())


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [str(problem) for problem in caught.value.problems if problem.severity == "error"]


def timeout(loaded: Loaded, index: int = 1) -> TimeoutSpec:
    found = loaded.rules.routes[index].spec(TimeoutSpec)
    assert found is not None
    return found


def test_a_listener_without_http_is_served_by_the_route_that_names_it() -> None:
    loaded = load(WHOLE + DB)
    assert loaded.warnings == ()
    assert [route.match.listener for route in loaded.rules.routes] == [(), ("db",)]


@pytest.mark.parametrize(
    ("said", "seconds", "origin"),
    [
        ("", 3600.0, "default"),
        (", timeout: {request: 5s}", 3600.0, "default"),
        (", timeout: {idle: 5m}", 300.0, "f:5"),
        (", timeout: {idle: 0}", None, "f:5"),
    ],
)
def test_its_connections_may_be_silent_for_an_hour_unless_the_rules_say_otherwise(
    said: str, seconds: float | None, origin: str
) -> None:
    loaded = load(WHOLE + DB.replace("upstream: pg", f"upstream: pg{said}"))
    assert timeout(loaded).idle == seconds
    assert timeout(loaded, 0).idle == 60.0
    assert loaded.provenance["routes.db.timeout.idle"] == origin


def test_no_timeout_at_all_stays_none() -> None:
    loaded = load(WHOLE + DB.replace("upstream: pg", "upstream: pg, timeout: null"))
    assert loaded.rules.routes[1].spec(TimeoutSpec) is None


def test_it_inherits_of_the_defaults_what_says_something_of_it() -> None:
    defaults = (
        "defaults: {timeout: {request: 3s, attempt: 1s, idle: 2m}, retry: {max_attempts: 7, methods: all},\n"
        "  response_headers: {remove: [x]}, concurrency: {max: 9}}\n"
    )
    loaded = load(WHOLE + DB + defaults)
    web, db = loaded.rules.routes
    assert (timeout(loaded).request, timeout(loaded).attempt, timeout(loaded).idle) == (3.0, None, 120.0)
    retry = db.spec(RetrySpec)
    assert retry is not None
    assert (retry.max_attempts, retry.methods) == (7, ("idempotent",))
    assert {"concurrency"} <= set(db.policies)
    assert "response_headers" in web.policies
    assert db.policies.get("response_headers") is None
    assert loaded.provenance["routes.db.timeout.request"] == "f:6"


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("fallback: {status: 503, body: x}", "f:5:51: error: `fallback` is about HTTP, and the listener `db` is"),
        ("rewrite: {add_prefix: /x}", "f:5:51: error: `rewrite` is about HTTP"),
        ("timeout: {attempt: 1s}", "f:5:61: error: `timeout.attempt` is about HTTP"),
        ("retry: {methods: all}", "f:5:59: error: `retry.methods` is about HTTP"),
        ("rate_limits: [{name: a, rate: 1/s, key: 'header:x'}]", "f:5:91: error: `header:x` is of a request"),
        (
            "rate_limits: [{name: a, rate: 1/s, key: [client_ip, 'cookie:x']}]",
            "f:5:103: error: `cookie:x` is of",
        ),
    ],
)
def test_what_is_about_http_cannot_be_said_of_it(said: str, complaint: str) -> None:
    (found,) = errors(WHOLE + DB.replace("upstream: pg", f"upstream: pg, {said}"))
    assert found.startswith(complaint)


def test_a_key_that_is_switched_off_says_nothing() -> None:
    loaded = load(WHOLE + DB.replace("upstream: pg", "upstream: pg, fallback: null, rate_limits: null"))
    assert loaded.warnings == ()


def test_a_split_of_it_knows_callers_by_their_address_only() -> None:
    split = "- {name: db, match: {listener: db}, split: [{upstream: pg, weight: 1}], split_key: %s}\n"
    (found,) = errors(WHOLE + split % "'header:x'")
    assert found.startswith("f:5:84: error: `header:x` is of a request")
    assert load(WHOLE + split % "client_ip").rules.routes[1].split_key == "client_ip"


def test_a_match_of_it_names_listeners_and_nothing_else() -> None:
    (found,) = errors(WHOLE + DB.replace("listener: db", "listener: db, path: /x"))
    assert found.startswith("f:5:36: error: `match.path` is about HTTP")


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("max_body_bytes: 1MiB", "`max_body_bytes` is about HTTP, and this listener is `protocol: tcp`"),
        ("timeouts: {body: 1s}", "`timeouts.body` is about HTTP"),
    ],
)
def test_a_listener_without_http_has_no_bounds_of_requests(said: str, complaint: str) -> None:
    (found,) = errors((WHOLE + DB).replace("protocol: tcp", f"protocol: tcp, {said}"))
    assert complaint in found
    assert found.startswith("f:1:")


def test_a_listener_without_http_needs_a_route_that_names_it() -> None:
    (found,) = errors(WHOLE)
    assert found == ("f:1:41: error: no route takes the connections of `db`; give one `match: {listener: db}`")


def test_a_route_is_of_one_kind_of_listeners() -> None:
    found = errors(WHOLE + DB.replace("listener: db", "listener: [web, db]"))
    assert found[0].startswith("f:5:38: error: `db` is `protocol: tcp`, and others that this route names are not")


def test_an_unknown_listener_is_told_of_by_its_name() -> None:
    found = errors(WHOLE + DB.replace("listener: db", "listener: bd"))
    assert [one.partition(";")[0] for one in found] == [
        "f:1:41: error: no route takes the connections of `db`",
        "f:5:32: error: there is no listener `bd`",
    ]


def test_a_route_leads_to_endpoints_that_speak_as_it_does() -> None:
    (found,) = errors(WHOLE + DB.replace("upstream: pg", "upstream: app"))
    assert found == (
        "f:5:47: error: `db` takes connections without HTTP, and `app` speaks it; write its endpoints as tcp://a:1"
    )
    (found,) = errors((WHOLE + DB).replace("upstream: app", "upstream: pg"))
    assert found.startswith("f:4:25: error: `web` takes requests, and `pg` has endpoints as tcp://a:2, without HTTP;")


def test_the_endpoints_of_an_upstream_speak_alike() -> None:
    (found,) = errors((WHOLE + DB).replace("tls://b:2", "https://b:2"))
    assert found == "f:2:75: error: `https://b:2` and `tcp://a:2` speak differently; make it two upstreams"


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("balance: {hash: 'header:x'}", "`header:x` is of a request, and here are none; write client_ip"),
        ("health_check: {path: /}", "a `path` is asked for by HTTP"),
    ],
)
def test_an_upstream_without_http_asks_nothing_about_it(said: str, complaint: str) -> None:
    (found,) = errors((WHOLE + DB).replace("'tls://b:2']", f"'tls://b:2'], {said}"))
    assert complaint in found


def test_a_second_route_of_the_same_listener_is_never_reached() -> None:
    loaded = load(WHOLE + DB + DB.replace("name: db", "name: spare"))
    assert [str(warning) for warning in loaded.warnings] == [
        "f:6:10: warning: the route `spare` is never reached: `db` above takes all its requests"
    ]


@pytest.mark.parametrize(
    ("upstream", "route", "complaint"),
    [
        ("pool: {max_lifetime: 1m}", "", "f:2:110: warning: `pool.max_lifetime` does nothing"),
        ("pool: {max_connections: 9}", "", ""),
        ("", "retry: {on: [503, reset]}", "f:5:63: warning: nothing is tried again"),
        ("", "retry: {on: [503, connect_failure]}", ""),
        ("", "retry: {max_attempts: 2}", ""),
    ],
)
def test_what_a_connection_without_http_has_no_use_for_is_warned_about(
    upstream: str, route: str, complaint: str
) -> None:
    text = (WHOLE + DB).replace("'tls://b:2']", f"'tls://b:2'], {upstream}")
    warned = [str(one) for one in load(text.replace("upstream: pg", f"upstream: pg, {route}")).warnings]
    assert [one.startswith(complaint) for one in warned] == [True] * bool(complaint)


def test_endpoints_that_are_told_of_their_clients_keep_no_connection() -> None:
    told = "upstreams: {app: {endpoints: 'http://a:1', proxy_protocol: v2, pool: {idle_timeout: 1s}}}\nroutes:\n"
    assert [str(one).partition("warning: ")[2] for one in load(told + WEB).warnings] == [
        "`pool.idle_timeout` does nothing: a connection to these endpoints is for one client, and never kept"
    ]


def test_tls_for_endpoints_without_http_has_a_scheme_of_its_own() -> None:
    (warned,) = load((WHOLE + DB).replace("'tls://b:2']", "'tcp://b:2'], tls: {verify: true}")).warnings
    assert "`tls` does nothing: no endpoint is tls://, and bytes go in plaintext" in str(warned)


def test_one_raw_url_is_enough_to_run() -> None:
    loaded = load_text("", "command line", Given(upstreams=["tcp://a:1"], listen=":5432"))
    (listener,), (route,) = loaded.rules.listeners, loaded.rules.routes
    assert (str(listener.address), listener.protocol) == (":5432", "tcp")
    assert (route.match.listener, timeout(loaded, 0).idle) == (("public",), 3600.0)
    assert loaded.warnings == ()


def test_raw_urls_change_no_kind_of_a_listener_that_a_file_has() -> None:
    with pytest.raises(ConfigError, match="takes requests"):
        load_text("listeners: [{address: ':1'}]\n", "f", Given(upstreams=["tcp://a:1"]))


def test_a_limit_that_learns_from_answers_is_refused_where_there_are_none() -> None:
    said = "`adaptive` learns from how fast answers begin, and the listener `db` is `protocol: tcp`; write a number"
    column = len("- {name: db, match: {listener: db}, upstream: pg, concurrency: {max: ") + 1
    assert errors(WHOLE + DB.replace("upstream: pg", "upstream: pg, concurrency: {max: adaptive}")) == [
        f"f:5:{column}: error: {said}"
    ]


def test_one_of_the_defaults_is_not_meant_for_it() -> None:
    loaded = load(WHOLE + DB + "defaults: {concurrency: {max: adaptive}}\n")
    assert ["concurrency" in route.policies for route in loaded.rules.routes] == [True, False]
