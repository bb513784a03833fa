"""What leads to a pod, led to its sidecar."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.inject.objects import ORIGINAL, Ours, Refused
from sidecar.inject.ports import Declared, Front
from sidecar.inject.services import Known, Selection, Workload, about, known_by, ports_of, repointed, restored

WEB = Workload(Ours("Deployment", "web", ""), {"app": "x"}, (Front(3000, 13000, "http", was="http"),))
BARE = Workload(Ours("Deployment", "bare", ""), {"app": "x"})


def service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"selector": {"app": "x"}, "ports": list(ports), **spec},
    }


def targets(value: dict[str, Any]) -> list[Any]:
    return [port.get("targetPort") for port in value["spec"]["ports"]]


@pytest.mark.parametrize("target", [{"targetPort": "http"}, {"targetPort": 3000}])
def test_a_port_is_led_to_the_sidecar_by_number_and_back(target: dict[str, Any]) -> None:
    before = service({"port": 80, **target}, {"port": 3000}, {"port": 3000, "protocol": "UDP"}, {"port": 9})
    after, notes = repointed(before, [WEB])
    assert targets(after) == [13000, 13000, None, None]
    assert notes == []
    assert repointed(after, [WEB]) == (after, [])
    assert restored(after) == before


def test_what_was_never_led_anywhere_is_as_it_was() -> None:
    assert restored({"kind": "Service"}) == {"kind": "Service"}


def test_a_service_of_other_pods_is_left_alone() -> None:
    before = service({"port": 3000}, selector={"app": "y"})
    assert repointed(before, [WEB]) == (before, [])
    there = {**service({"port": 3000}), "metadata": {"name": "s", "namespace": "a"}}
    assert repointed(there, [Workload(Ours("Deployment", "web", "b"), WEB.labels, WEB.fronts)]) == (there, [])
    assert repointed(service({"port": 3000}), [BARE]) == (service({"port": 3000}), [])


def test_a_service_of_pods_without_a_sidecar_too_is_left_and_told() -> None:
    before = service({"port": 80, "targetPort": 3000, "name": "main"})
    after, (note,) = repointed(before, [WEB, BARE])
    assert after == before
    assert note.startswith("port main is left at 3000, because it also selects Deployment/bare")


def test_sidecars_on_different_ports_are_found_by_name() -> None:
    other = Workload(Ours("Deployment", "canary", ""), {"app": "x"}, (Front(3001, 13001, "http", was="http"),))
    before = service({"port": 80, "targetPort": "http"})
    after, (note,) = repointed(before, [WEB, other])
    assert after == before
    assert "different ports" in note


def test_a_port_that_is_no_longer_fronted_goes_back() -> None:
    after, _ = repointed(service({"port": 80, "targetPort": 3000}), [WEB])
    moved = Workload(WEB.ours, WEB.labels, (Front(4000, 14000, "api"),))
    assert repointed(after, [moved]) == (service({"port": 80, "targetPort": 3000}), [])


def test_annotations_of_its_own_stay() -> None:
    before = service({"port": 3000})
    before["metadata"]["annotations"] = {"a": "b"}
    after, _ = repointed(before, [WEB])
    assert set(after["metadata"]["annotations"]) == {"a", ORIGINAL}
    assert restored(after) == before
    before["metadata"]["annotations"] = None
    assert restored(repointed(before, [WEB])[0]) == before


def test_a_headless_service_is_told_what_it_cannot_do() -> None:
    _, (note,) = repointed(service({"port": 3000}, clusterIP="None"), [WEB])
    assert note == "is headless: who connects to pods at 3000 goes around the sidecar, which listens on 13000"


@pytest.mark.parametrize("text", ["{", "[]", '{"targets": {"80": 5}}', "5"])
def test_a_record_that_somebody_changed_is_refused(text: str) -> None:
    changed = service({"port": 80})
    changed["metadata"]["annotations"] = {ORIGINAL: text}
    with pytest.raises(Refused, match="no longer readable"):
        restored(changed)


def test_ports_that_are_none_are_refused() -> None:
    with pytest.raises(Refused, match="`port` must be a number"):
        ports_of(service({"port": "80"}))


def test_services_know_ports_and_what_is_http() -> None:
    ports = ({"port": 80, "targetPort": 3000, "name": "http"}, {"port": 5, "targetPort": "x", "appProtocol": "http"})
    assert known_by([service(*ports)]) == Known([Declared(3000)], {3000, "x"}, {})


@pytest.mark.parametrize(
    "said", [{"name": "tcp-redis"}, {"appProtocol": "grpc"}, {"name": "http", "appProtocol": "kubernetes.io/h2c"}]
)
def test_services_know_what_is_not_http(said: dict[str, str]) -> None:
    known = known_by([service({"port": 80, "targetPort": 3000, **said})])
    spoken = said.get("appProtocol", "tcp-redis").removeprefix("kubernetes.io/")
    assert known.web == set()
    assert known.others == {3000: f"Service/s, whose port is `{spoken}`"}


def test_what_one_service_calls_http_and_another_https_is_not_taken_for_http() -> None:
    ports = ({"port": 80, "targetPort": 3000, "name": "http"}, {"port": 443, "targetPort": 3000, "name": "https"})
    assert known_by([service(*ports)]).web == set()
    assert known_by([service({"port": 80, "targetPort": 3000, "name": "http-metrics"})]).web == set()


def test_a_selection_finds_what_may_belong_together() -> None:
    services, workloads = Selection(), Selection()
    services.add("s", {"app": "x", "tier": "y"}, True)
    services.add("none", {}, True)
    workloads.add("w", {"app": "x", "other": "z"}, False)
    assert services.near({"app": "x"}) == ["s"]
    assert services.near({"tier": "y"}) == []
    assert workloads.near({"app": "x"}) == ["w"] == workloads.all
    assert services.all == ["s", "none"]


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {"app": "x"}}])
def test_a_network_policy_by_number_is_told_what_to_let_in(selector: dict[str, Any]) -> None:
    value = {"kind": "NetworkPolicy", "spec": {"podSelector": selector, "ingress": [{"ports": [{"port": 3000}]}, {}]}}
    assert list(about(value, [WEB, BARE])) == [
        "lets port 3000 in; the sidecar of Deployment/web listens on 13000, which has to be let in instead"
    ]
    value["spec"] = {"podSelector": {"matchLabels": {"app": "y"}}, "ingress": [{"ports": [{"port": 3000}]}]}
    assert list(about(value, [WEB])) == []


TO_WEB = {"podSelector": {"matchLabels": {"app": "x"}}}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"ingress": [{"ports": [{"port": "http"}]}]}, "lets port http in by name, which not every network finds"),
        ({"ingress": [{"ports": [{"port": 2990, "endPort": 3010}]}]}, "lets port 3000 in; the sidecar"),
        ({"egress": [{"to": [TO_WEB], "ports": [{"port": 3000}]}]}, "13000, which has to be let out instead"),
        ({"egress": [{"to": [{**TO_WEB, "namespaceSelector": {}}], "ports": [{"port": 3000}]}]}, "let out"),
        ({"egress": [{"ports": [{"port": 3000}]}]}, "let out"),
    ],
)
def test_a_network_policy_is_told_whatever_way_it_means_the_port(spec: dict[str, Any], said: str) -> None:
    (note,) = about({"kind": "NetworkPolicy", "spec": {"podSelector": {}, **spec}}, [WEB])
    assert said in note


@pytest.mark.parametrize(
    "spec",
    [
        {"ingress": [{"ports": [{"port": 3000}, {"port": 13000}]}]},
        {"ingress": [{"ports": [{"port": 1, "endPort": 20000}]}]},
        {"ingress": [{"ports": [{"port": "other"}, {"port": 5}]}]},
        {"ingress": [{"ports": [{"protocol": "TCP"}]}]},
        {"ingress": [{"ports": [{}, {"port": 3000}]}]},
        {"egress": [{"to": [{"podSelector": {"matchLabels": {"app": "y"}}}], "ports": [{"port": 3000}]}]},
        {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 3000}]}]},
    ],
)
def test_a_network_policy_that_lets_the_sidecar_through_is_left_in_peace(spec: dict[str, Any]) -> None:
    assert list(about({"kind": "NetworkPolicy", "spec": {"podSelector": {}, **spec}}, [WEB])) == []


def test_a_protocol_alone_is_all_of_its_ports_also_where_a_port_has_no_name() -> None:
    bare = Workload(Ours("Deployment", "web", ""), {"app": "x"}, (Front(3000, 13000, "http"),))
    for protocol in ("TCP", "UDP"):
        spec = {"podSelector": {}, "ingress": [{"ports": [{"protocol": protocol}]}]}
        assert list(about({"kind": "NetworkPolicy", "spec": spec}, [bare])) == []


def test_a_pod_monitor_by_name_is_told_whom_it_asks_now() -> None:
    value = {"kind": "PodMonitor", "spec": {"selector": {}, "podMetricsEndpoints": [{"port": "http"}]}}
    (note,) = about(value, [WEB])
    assert note.startswith("asks Deployment/web for metrics through the sidecar")
