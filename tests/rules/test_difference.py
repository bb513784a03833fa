"""What changed, as an operator reads it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.difference import Change, difference
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given

RULES = """\
version: 1
upstreams:
  app: {endpoints: [http://a:1, http://b:2]}
routes:
  - name: login
    match: {path: /login}
    upstream: app
    rate_limits: [{name: per-client, rate: 10/s}, {name: all, rate: 100/s, key: []}]
  - {name: rest, upstream: app}
"""


def load(text: str, *sets: str, secret: str = "s") -> Loaded:
    return load_text(text, "f.yaml", Given(sets=sets, allow_faults=True), lambda path: secret)


def told(after: str, *sets: str, before: str = RULES) -> list[str]:
    return [str(change) for change in difference(load(before), load(after, *sets))]


def test_rules_that_say_the_same_in_other_words_have_no_change() -> None:
    assert told("# a comment\n" + RULES.replace("rate: 10/s", "rate: 10/s, mode: enforce")) == []


def test_a_value_is_told_by_its_dotted_path_in_the_notation_of_the_file() -> None:
    assert told(RULES.replace("rate: 10/s", "rate: 20/s, burst: 20")) == [
        "routes.login.rate_limits.per-client.rate: 10/s -> 20/s",
        "routes.login.rate_limits.per-client.burst: null -> 20",
    ]


def test_a_change_is_a_value() -> None:
    (change,) = difference(load(RULES), load(RULES, "drain.deadline=30s"))
    assert change == Change("drain.deadline", "25s", "30s", "changed")


def test_what_is_new_or_gone_is_told_once_and_not_key_by_key() -> None:
    added = RULES + "  - {name: new, match: {path: /new}, upstream: app}\n"
    assert told(added) == ["routes.new: added"]
    assert told(RULES, before=added) == ["routes.new: removed"]
    with_old = RULES.replace("upstreams:\n", "upstreams:\n  old: {endpoints: [http://c:3]}\n")
    assert told(RULES, before=with_old) == ["upstreams.old: removed"]
    assert told(RULES, "routes.rest.concurrency.max=5") == ["routes.rest.concurrency: added"]
    assert told(RULES, "routes.rest.retry=null") == ["routes.rest.retry: removed"]
    assert told(RULES.replace("{name: per-client, rate: 10/s}, ", "")) == [
        "routes.login.rate_limits.per-client: removed"
    ]


def test_the_order_of_routes_is_a_change() -> None:
    lines = RULES.splitlines(keepends=True)
    other = "".join([*lines[:4], lines[-1], *lines[4:-1]])
    (change,) = difference(load(RULES), load(other))
    assert (str(change), change.before, change.after) == (
        "routes: order changed",
        "[login, rest]",
        "[rest, login]",
    )


def test_an_endpoint_is_known_by_its_url_wherever_it_stands() -> None:
    assert told(RULES.replace("[http://a:1, ", "[")) == ["upstreams.app.endpoints.http://a:1: removed"]
    assert told(RULES.replace("http://b:2", "{url: http://b:2, weight: 3}")) == [
        "upstreams.app.endpoints.http://b:2.weight: 1 -> 3"
    ]


def test_a_list_of_values_is_told_whole() -> None:
    assert told(RULES.replace("path: /login", "path: /login, methods: [POST, PUT]")) == [
        "routes.login.match.methods: [] -> [POST, PUT]"
    ]


def test_what_was_not_there_reads_as_null() -> None:
    assert told(RULES, "routes.rest.timeout.total=3s") == ["routes.rest.timeout.total: null -> 3s"]


def test_a_changed_default_shows_at_each_route_that_inherits_it() -> None:
    assert told(RULES + "defaults: {timeout: {request: 9s}}\n") == [
        "routes.login.timeout.request: 15s -> 9s",
        "routes.rest.timeout.request: 15s -> 9s",
    ]


def test_a_secret_is_never_told() -> None:
    text = RULES + "admin: {token: '${file:/t}'}\n"
    (change,) = difference(load(text, secret="first"), load(text, secret="second"))
    assert str(change) == "admin.token: (secret) changed"
    assert "first" not in repr(change)
    assert "second" not in repr(change)
    assert told(text) == ["admin.token: null -> (secret)"]
    assert told(RULES, before=text) == ["admin.token: (secret) -> null"]


def test_a_secret_within_a_list_or_a_new_table_is_never_told() -> None:
    text = RULES.replace("path: /login", "path: /login, methods: ['${file:/m}', POST]")
    (change,) = difference(load(text, secret="PUT"), load(text, secret="PATCH"))
    assert (change.before, change.after) == ("[***, POST]", "[***, POST]")
    table = "routes.rest.request_headers.set.x-key=${file:/k}"
    (change,) = difference(load(RULES), load(RULES, table, secret="hidden"))
    assert (str(change), "hidden" in repr(change)) == ("routes.rest.request_headers: added", False)


def test_a_long_value_is_cut() -> None:
    fallback = "routes.rest.fallback={{on: [503], status: 200, body: {}}}"
    before, after = (load(RULES, fallback.format(mark * 1000)) for mark in "ab")
    (change,) = difference(before, after)
    assert str(change) == f"routes.rest.fallback.body: {'a' * 200}… -> {'b' * 200}…"


def test_a_certificate_that_is_another_now_is_told_by_the_key_of_its_file() -> None:
    text = RULES + "listeners: [{address: ':1', tls: {certificate: /a.crt, private_key: /a.key}}]\n"
    before = replace(load(text), credentials={"/a.crt": b"1", "/a.key": b"1"})
    after = replace(before, credentials={"/a.crt": b"2", "/a.key": b"1"})
    assert [str(one) for one in difference(before, after)] == ["listeners.public.tls.certificate: /a.crt changed"]
    assert difference(before, before) == ()


_SETS = st.lists(
    st.sampled_from(
        [
            "drain.deadline=30s",
            "log.level=debug",
            "routes.login.rate_limits=[]",
            "routes.login.rate_limits=[{name: other, rate: 1/s}]",
            "routes.rest.retry=null",
            "routes.rest.timeout.total=9s",
            "routes.rest.match.headers={x-a: b}",
            "upstreams.app.endpoints=[http://b:2, http://a:1]",
            "upstreams.app.endpoints=[http://b:2]",
            "upstreams.app.circuit_breaker=null",
            "upstreams.app.resolve=0s",
            "listeners.0.trusted_proxies=[10.0.0.0/8]",
            "admin.token=${file:/t}",
        ]
    ),
    unique_by=lambda one: one.partition("=")[0],
)


@given(_SETS, _SETS, st.sampled_from(["s", "t"]))
def test_there_is_a_change_when_and_only_when_the_digests_differ(
    before: list[str], after: list[str], secret: str
) -> None:
    one, two = load(RULES, *before), load(RULES, *after, secret=secret)
    there, back = difference(one, two), difference(two, one)
    assert bool(there) == (one.digest != two.digest)
    assert {change.path for change in there} == {change.path for change in back}
    assert all(str(change).startswith(change.path) for change in there)
