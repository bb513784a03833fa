"""The rules that go with a pod, written or given."""

from __future__ import annotations

import pytest

from sidecar.inject.asked import Asked, wanted
from sidecar.inject.objects import Refused
from sidecar.inject.plans import BadRules, Plan, met, written
from sidecar.inject.ports import Declared
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given

HTTP, BYTES = Declared(3000, "http", "app"), Declared(6379, "redis", "cache")
RULES = """\
version: 1
listeners:
  - {name: public, address: ":8000"}
  - {name: bytes, address: "0.0.0.0:8001", protocol: tcp}
  - {name: local, address: "127.0.0.1:8002"}
upstreams:
  app: {endpoints: [http://127.0.0.1:3000]}
  cache: {endpoints: ["tcp://localhost:6379"]}
  far: {endpoints: ["http://example.org:5000"]}
routes:
  - {name: far, match: {path: /far}, upstream: far}
  - {name: bytes, match: {listener: bytes}, upstream: cache}
  - {name: app, upstream: app}
"""


def plan(text: str, *ports: Declared, asked: Asked | None = None) -> Plan:
    return met(text, "my.yaml", ports, asked or Asked(), set(), "map", True)


def fronts(found: Plan) -> list[tuple[int, int, str, str]]:
    return [(one.number, one.listens, one.name, one.protocol) for one in found.fronts]


@pytest.mark.parametrize("deadline", [None, 1.0, 2.5, 25.0, 3600.0])
@pytest.mark.parametrize("spoken", [("http",), ("tcp",), ("http", "tcp"), ("http", "http")])
def test_written_rules_load_without_a_warning(deadline: float | None, spoken: tuple[str, ...]) -> None:
    chosen = list(zip((HTTP, BYTES), spoken, strict=False))
    found = written(chosen, {3000, 6379, 9901}, {"http", "redis"}, Asked(drain=deadline), "map")
    assert found.rules is not None
    loaded = load_text(found.rules, "x", Given())
    assert loaded.warnings == ()
    assert loaded.rules.drain.deadline == (deadline or 25)
    assert found.wait > loaded.rules.drain.deadline + 1
    assert found.admin == "127.0.0.1:9902" == str(loaded.rules.admin.address)
    assert [one.endpoint for one in found.fronts] == [f"{how}://127.0.0.1:{port.number}" for port, how in chosen]


@pytest.mark.parametrize("key", ["listeners.0.address=:3000", "upstreams.http.endpoints.0=http://127.0.0.1:4000"])
def test_settings_cannot_lead_elsewhere_than_the_pod_says(key: str) -> None:
    with pytest.raises(Refused, match="`--set` leads nothing from 13000 to port 3000"):
        written([(HTTP, "http")], {3000}, set(), Asked(sets=(key,)), "map")


def test_given_rules_say_what_is_fronted() -> None:
    found = plan(RULES, HTTP, BYTES)
    assert fronts(found) == [(3000, 8000, "http", "http"), (6379, 8001, "redis", "tcp")]
    assert (found.admin, found.wait, found.rules, found.notes) == ("127.0.0.1:9901", 30, RULES, ())
    assert fronts(plan(RULES, HTTP, asked=Asked(ports=(wanted("3000"),)))) == [(3000, 8000, "http", "http")]
    assert fronts(plan(RULES, asked=Asked(ports=(wanted("3000"),)))) == [(3000, 8000, "http", "http")]


@pytest.mark.parametrize(
    ("text", "ports", "asked", "said"),
    [
        (RULES, [Declared(5000)], Asked(), "the rules lead to no TCP port that a container declares (5000)"),
        (RULES, [HTTP], Asked(ports=(wanted("5000"),)), "no route of the rules leads to port 5000"),
        (RULES, [HTTP], Asked(ports=(wanted("web"),)), "no TCP port is called `web`"),
        (RULES, [HTTP], Asked(ports=(wanted("http=tcp"),)), "the rules speak http at listener `public`, not tcp"),
        (RULES.replace('":8000"', '"localhost:8000"'), [HTTP], Asked(), "only this pod reaches listener `public`"),
        (
            RULES.replace("example.org:5000", "127.0.0.1:5000"),
            [HTTP, Declared(5000)],
            Asked(),
            "port 5000 has no listener of its own",
        ),
    ],
)
def test_given_rules_that_do_not_meet_the_pod_are_refused(
    text: str, ports: list[Declared], asked: Asked, said: str
) -> None:
    with pytest.raises(Refused) as caught:
        plan(text, *ports, asked=asked)
    assert said in str(caught.value)


def test_given_rules_that_cannot_be_used_end_everything() -> None:
    with pytest.raises(BadRules, match=r"my\.yaml:1:1"):
        plan("version: 2\n", HTTP)
    with pytest.raises(BadRules, match="NOWHERE"):
        plan(RULES.replace("[http://127.0.0.1:3000]", '"${NOWHERE}"'), HTTP)


def test_what_given_rules_need_is_told() -> None:
    token = RULES + "admin: {address: ':9000', token: '${file:/run/token}'}\n"
    found = plan(token, HTTP)
    assert found.admin == "127.0.0.1:9000"
    assert [note.split(":")[0] for note in found.notes] == ["its rules read files", "its rules have an admin token"]


def test_options_go_to_the_command_line_and_count() -> None:
    found = plan(RULES, HTTP, asked=Asked(sets=("drain.deadline=60s",), workers="auto"))
    assert found.arguments == ("--workers", "auto", "--set", "drain.deadline=60s")
    assert found.wait == 65
