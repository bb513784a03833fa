"""The rules of a drill are the user's, but for what leads out of the process; and each change is told."""

from __future__ import annotations

import pytest

from sidecar.drill.staging import DrillError, Place, staged
from sidecar.model.address import Address
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given

SMALL = """\
version: 1
listeners: [{name: public, address: ':8080'}]
upstreams:
  app: {endpoints: ['http://127.0.0.1:3000', 'http://127.0.0.1:3001']}
routes: [{name: all, upstream: app, retry: {max_attempts: 5}}]
"""

MANY = """\
version: 1
listeners:
  - {name: raw, address: ':5432', protocol: tcp}
  - {name: public, address: ':8080', trusted_proxies: [10.0.0.0/8], proxy_protocol: true}
  - {name: inner, address: 'unix:/run/sidecar.sock', unix: {mode: '0600'}}
overload: {max_memory: 64MiB}
upstreams:
  db: {endpoints: ['tcp://db.internal:5432']}
  app:
    endpoints: ['https://app.internal', 'http://127.0.0.1:3000', 'http://localhost:3000', 'unix:/run/app.sock']
    health_check: {path: /healthz, expect_status: [204]}
    proxy_protocol: v1
  canary: {endpoints: ['http://127.0.0.1:3000']}
routes:
  - {name: database, match: {listener: raw}, upstream: db}
  - {name: canary, match: {path: /canary}, upstream: canary}
  - {name: all, upstream: app}
"""


def rules(text: str) -> Loaded:
    return load_text(text, "rules.yaml", Given())


def test_what_needs_no_stand_in_stays_as_it_is() -> None:
    loaded = rules(SMALL)
    shown = staged(loaded, None)
    assert shown.loaded.rules.routes == loaded.rules.routes
    assert shown.loaded.rules.upstreams == loaded.rules.upstreams
    assert [place.name for place in shown.places] == ["app/127.0.0.1:3000", "app/127.0.0.1:3001"]
    assert shown.places[0] == Place(
        "app", 0, shown.places[0].name, shown.places[0].name, Address("127.0.0.1", 3000), 200
    )
    assert shown.listener.name == "public"
    assert shown.notes == ()


def test_whatever_leads_outside_is_replaced_and_told() -> None:
    shown = staged(rules(MANY), None)
    found = shown.loaded.rules
    assert set(found.upstreams) == {"app", "canary"}
    assert [route.name for route in found.routes] == ["canary", "all"]
    assert [(one.name, one.tls, one.unix, one.proxy_protocol) for one in found.listeners] == [
        ("public", None, None, False),
        ("inner", None, None, False),
    ]
    assert found.overload.max_memory is None
    urls = [str(endpoint.url) for endpoint in found.upstreams["app"].endpoints]
    assert urls == [
        "http://198.51.100.1:1024",
        "http://127.0.0.1:3000",
        "http://localhost:3000",
        "http://unix:/run/app.sock",
    ]
    assert [str(one.url) for one in found.upstreams["canary"].endpoints] == ["http://198.51.100.5:1028"]
    assert {place.checked_by for place in shown.places if place.upstream == "app"} == {204}
    assert found.upstreams["app"].proxy_protocol is None
    for said in (
        "listener raw: `protocol: tcp` is not drilled",
        "upstream db: no route over HTTP leads to it, and it is not drilled",
        "listener public: connections begin without a PROXY header",
        "upstream app: connections begin without a PROXY header",
        "upstream app: app.internal is not looked up; one endpoint stands for it",
        "upstream app: plain HTTP instead of TLS",
        "overload.max_memory: the memory of a drill is no proxy's, and nothing is refused for want of it",
    ):
        assert said in shown.notes
    assert len(shown.notes) == 7


def test_a_stand_in_is_called_what_the_rules_call_it() -> None:
    shown = staged(rules(MANY), None)
    assert shown.called("app/198.51.100.1:1024") == "app/app.internal:443"
    assert shown.called("canary/198.51.100.5:1028") == "canary/127.0.0.1:3000"
    assert shown.called("upstream.app") == "upstream.app"


def test_every_endpoint_is_where_it_can_be_where_addresses_are_given() -> None:
    ports = iter(range(4000, 4100))
    shown = staged(rules(SMALL), None, lambda written: Address("127.0.0.1", next(ports)))
    assert [place.known_as for place in shown.places] == ["app/127.0.0.1:4000", "app/127.0.0.1:4001"]
    assert shown.called("app/127.0.0.1:4001") == "app/127.0.0.1:3001"


def test_the_scenario_may_say_where_its_clients_connect() -> None:
    assert staged(rules(MANY), "inner").listener.name == "inner"
    with pytest.raises(DrillError, match="no listener `outer` speaks HTTP; there is `public`, `inner`"):
        staged(rules(MANY), "outer")


def test_rules_without_http_are_no_drill() -> None:
    text = (
        "version: 1\nlisteners: [{name: raw, address: ':1', protocol: tcp}]\n"
        "upstreams: {db: {endpoints: ['tcp://127.0.0.1:2']}}\n"
        "routes: [{name: db, match: {listener: raw}, upstream: db}]\n"
    )
    with pytest.raises(DrillError, match="no listener speaks HTTP"):
        staged(rules(text), None)
