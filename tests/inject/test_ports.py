"""Which ports are fronted, where, and under which names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.inject.objects import Refused
from sidecar.inject.ports import (
    Declared,
    Wanted,
    app_name,
    asked_at,
    asked_otherwise,
    chosen,
    containers,
    declared,
    free,
    front_name,
    listening,
    unused,
    used,
)

WEB, API, REDIS = Declared(80, "web", "a"), Declared(3000, "api", "a"), Declared(6379, "redis", "b")


def numbers(
    ports: list[Declared], *wanted: Wanted, services: Any = (), web: Any = (), others: Any = None
) -> list[tuple[int, str]]:
    return [(port.number, protocol) for port, protocol in chosen(ports, wanted, services, web, others or {})]


@pytest.mark.parametrize(
    ("ports", "number"),
    [
        ([API], 3000),
        ([API, WEB], 80),
        ([Declared(1, "http-x"), API], 1),
        ([Declared(1, "http-x"), Declared(2, "http")], 2),
        ([Declared(1, "http-metrics")], 1),
    ],
)
def test_the_port_that_is_meant_needs_no_words(ports: list[Declared], number: int) -> None:
    assert numbers(ports) == [(number, "http")]


def test_services_say_what_is_http_and_what_is_there() -> None:
    other = Declared(4000, "x")
    assert numbers([API, other], web={"x"}) == [(4000, "http")]
    assert numbers([API, other], web={3000}) == [(3000, "http")]
    assert numbers([], services=[Declared(5000)]) == [(5000, "http")]


def test_a_port_that_is_called_http_is_that_whatever_its_number() -> None:
    assert numbers([Declared(8443, "http")], others={8443: "its HTTPS probe"}) == [(8443, "http")]
    assert numbers([Declared(9092)], web={9092}) == [(9092, "http")]
    assert numbers([Declared(9092)], Wanted("9092", "http")) == [(9092, "http")]


def test_probes_say_what_is_not_http() -> None:
    probes = {"livenessProbe": {"grpc": {"port": 1}}, "readinessProbe": {"httpGet": {"port": "x", "scheme": "HTTPS"}}}
    plain = {"name": "b", "livenessProbe": {"httpGet": {"port": 2}}, "startupProbe": None}
    spec = {"containers": [{"name": "a", **probes}, plain]}
    assert asked_otherwise(spec, ()) == {1: "its gRPC probe", "x": "its HTTPS probe"}


def test_what_was_asked_for_is_fronted_in_that_order() -> None:
    wanted = (Wanted("redis", "tcp"), Wanted("80"), Wanted("4000"))
    assert numbers([WEB, REDIS], *wanted) == [(6379, "tcp"), (80, "http"), (4000, "http")]


@pytest.mark.parametrize(
    ("ports", "wanted", "said"),
    [
        ([], (), "no container declares a TCP port"),
        ([API, Declared(4, "x")], (), "several ports could be fronted: api (3000), x (4); choose with `--port`"),
        ([Declared(1, "http"), Declared(2, "http")], (), "several ports could be fronted"),
        ([Declared(1, "http-metrics"), Declared(2, "http-x")], (), "several ports could be fronted"),
        ([Declared(1, "http-metrics"), API], (), "several ports could be fronted"),
        (
            [REDIS],
            (),
            "port redis (6379) does not speak plain HTTP/1.1 by its name; `--port redis=tcp` fronts its bytes",
        ),
        ([Declared(1, "tcp-x")], (), "`--port tcp-x=tcp`"),
        ([Declared(6379)], (), "port 6379 does not speak plain HTTP/1.1 by its number; `--port 6379=tcp`"),
        ([Declared(3001)], (), "port 3001 does not speak plain HTTP/1.1 by its gRPC probe; `--port 3001=tcp`"),
        ([Declared(3001)], (Wanted("3001"),), "by its gRPC probe"),
        ([Declared(1, "x")], (), "by Service/s, whose port is `redis`; `--port x=tcp`"),
        ([API], (Wanted("web"),), "no TCP port is called `web`; it has api (3000)"),
        ([], (Wanted("web"),), "no TCP port is called `web`; it declares none"),
        ([API], (Wanted("api"), Wanted("3000")), "port 3000 is asked for twice"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused_with_the_choices(ports: Any, wanted: Any, said: str) -> None:
    with pytest.raises(Refused) as caught:
        chosen(ports, wanted, [], [], {3001: "its gRPC probe", "x": "Service/s, whose port is `redis`"})
    assert said in str(caught.value)


def test_only_tcp_ports_of_the_application_are_declared() -> None:
    spec = {
        "containers": [
            {"name": "a", "ports": [{"containerPort": 1, "protocol": "UDP"}, {"containerPort": 2, "name": "x"}]}
        ],
        "initContainers": [{"name": "i", "ports": [{"containerPort": 3}], "livenessProbe": {"grpc": {"port": 4}}}],
    }
    assert declared(spec, ()) == [Declared(2, "x", "a")]
    assert used(spec, ()) == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("container", "said", "path"),
    [
        ({"ports": []}, "a container without a name", ("containers", 0)),
        ({"name": "a", "ports": {}}, "`ports` must be a list", ("containers", 0, "ports")),
        ({"name": "a", "ports": [{}]}, "`containerPort` must be", ("containers", 0, "ports", 0, "containerPort")),
        (
            {"name": "a", "ports": [{"containerPort": True}]},
            "`containerPort`",
            ("containers", 0, "ports", 0, "containerPort"),
        ),
        *(
            (
                {"name": "a", "ports": [{"containerPort": 1, "name": name}]},
                "a port's name",
                ("containers", 0, "ports", 0, "name"),
            )
            for name in ("h\ufffdttp", "Http", "80", "-a", "a--b", "a" * 16)
        ),
        (
            {"name": "a", "ports": [{"containerPort": 1, "name": 5}]},
            "must be a text",
            ("containers", 0, "ports", 0, "name"),
        ),
    ],
)
def test_ports_that_are_none_are_refused_at_their_place(container: Any, said: str, path: Any) -> None:
    with pytest.raises(Refused, match=said) as caught:
        containers({"containers": [container]}, ())
    assert caught.value.path == path


@given(st.integers(1, 65535), st.sets(st.integers(1, 65535), max_size=20))
def test_a_listening_port_is_free_and_needs_no_rights(number: int, taken: set[int]) -> None:
    found = listening(number, taken)
    assert found not in taken
    assert 1024 <= found <= 65535


def test_the_rule_for_listening_ports() -> None:
    assert [listening(number, set()) for number in (80, 3000, 55535, 55536, 65535)] == [
        10080,
        13000,
        65535,
        45536,
        55535,
    ]
    assert listening(3000, {13000, 13001}) == 13002
    assert free(65535, {65535}) == 1024


@given(
    st.from_regex(r"[a-z](-?[a-z0-9]){0,13}", fullmatch=True).filter(lambda name: len(name) <= 15), st.integers(0, 12)
)
def test_names_stay_valid_short_and_their_own(name: str, others: int) -> None:
    names = {name}
    for _ in range(others):
        found = app_name(name, names)
        assert found not in names
        assert len(found) <= 15
        assert "--" not in found
        names.add(found)
    assert unused(name, names) not in names


def test_a_port_without_a_name_is_given_one() -> None:
    assert front_name(API, "http", set()) == "api"
    assert front_name(Declared(1), "http", set()) == "http"
    assert front_name(Declared(1), "http", {"http"}) == "http-1"
    assert front_name(Declared(65535), "tcp", {"tcp-65535"}) == "tcp-655352"


def test_what_probes_and_hooks_ask_is_found() -> None:
    one = {
        "livenessProbe": {"httpGet": {"port": "a"}},
        "startupProbe": {"exec": {"command": []}},
        "lifecycle": {"preStop": {"tcpSocket": {"port": "b"}}, "postStart": None},
    }
    assert asked_at(one) == [{"port": "a"}, {"port": "b"}]


def test_two_containers_of_one_name_are_refused_because_no_cluster_takes_them() -> None:
    spec = {"containers": [{"name": "a"}], "initContainers": [{"name": "a"}]}
    with pytest.raises(Refused, match="two containers are called `a`") as caught:
        containers(spec, ())
    assert caught.value.path == ("initContainers", 0)
