"""A sidecar in a pod: what it is, and that nothing is lost when it is taken out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.inject.asked import Asked
from sidecar.inject.objects import INJECTED, ORIGINAL, Refused
from sidecar.inject.plans import Plan
from sidecar.inject.pods import container, own_preStop, put_in, recorded, taken_out, unused_volume
from sidecar.inject.ports import Front
from sidecar.inject.values import copied

PLAN = Plan((Front(3000, 13000, "http", was="http", container="app"),), "127.0.0.1:9901", 30, "", "web-sidecar")


def pod(**spec: Any) -> dict[str, Any]:
    app = {"name": "app", "ports": [{"name": "http", "containerPort": 3000}], "lifecycle": None}
    return {"metadata": {"annotations": None}, "spec": {"containers": [app], "initContainers": [], **spec}}


@pytest.mark.parametrize(
    "before",
    [
        pod(),
        pod(volumes=[{"name": "sidecar-rules"}], terminationGracePeriodSeconds=0),
        pod(terminationGracePeriodSeconds=None, volumes=None),
        {**pod(), "metadata": None},
        {"spec": pod()["spec"]},
        pod(containers=[{"name": "app", "lifecycle": {"preStop": None, "postStart": {}}}]),
        pod(containers=[{"name": "app", "ports": [{"containerPort": 3000, "hostPort": 80, "hostIP": "10.0.0.1"}]}]),
    ],
)
def test_taken_out_everything_is_as_it_was(before: dict[str, Any]) -> None:
    kept = copied(before)
    after = put_in(before, PLAN, Asked(), "1")
    assert before == kept
    assert after["metadata"]["annotations"][INJECTED] == "1"
    assert taken_out(after) == before


def test_the_sidecar_is_a_native_one_with_its_own_numbers() -> None:
    found = container(PLAN, "image:1", "rules", [])
    assert (found["image"], found["restartPolicy"]) == ("image:1", "Always")
    assert found["args"] == ["run", "-c", "/etc/sidecar/sidecar.yaml"]
    assert found["lifecycle"]["preStop"]["exec"]["command"] == ["sidecar", "drain", "--wait", "30s"]
    assert found["startupProbe"]["exec"]["command"] == ["sidecar", "probe", "livez"]
    elsewhere = container(Plan(PLAN.fronts, "127.0.0.1:9902", 30, "", "x", ("--workers", "2")), "i", "r", [])
    assert elsewhere["readinessProbe"]["exec"]["command"] == ["sidecar", "probe", "readyz", "--admin", "127.0.0.1:9902"]
    assert elsewhere["args"][3:] == ["--workers", "2"]


def test_the_port_of_the_node_moves_to_the_sidecar() -> None:
    ports = [{"containerPort": 3000, "hostPort": 80}, {"containerPort": 4000, "hostPort": 81}]
    after = put_in(pod(containers=[{"name": "app", "ports": ports}]), PLAN, Asked(), "1")
    assert after["spec"]["containers"][0]["ports"] == [{"containerPort": 3000}, {"containerPort": 4000, "hostPort": 81}]
    assert after["spec"]["initContainers"][0]["ports"] == [{"name": "http", "containerPort": 13000, "hostPort": 80}]


def test_hooks_of_ones_own_are_known() -> None:
    spec = {"containers": [{"name": "a", "lifecycle": {"preStop": {"sleep": {}}}}, {"name": "b", "lifecycle": None}]}
    assert own_preStop(spec) == ["a"]


def test_a_volume_has_a_name_of_its_own() -> None:
    assert unused_volume({}) == "sidecar-rules"
    assert unused_volume({"volumes": [{"name": "sidecar-rules"}]}) == "sidecar-rules2"


@pytest.mark.parametrize("text", [None, "", "[]", "{", "[" * 100_000])
def test_a_pod_that_does_not_remember_is_refused(text: str | None) -> None:
    with pytest.raises(Refused, match="no longer readable"):
        recorded({"metadata": {"annotations": {ORIGINAL: text}}})


@pytest.mark.parametrize("change", [{"sleeps": [1]}, {"renamed": [[1]]}, {"hosts": 5}, {"was": 3}, {"grace": {}}])
def test_a_record_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    after = put_in(pod(), PLAN, Asked(), "1")
    record = json.loads(after["metadata"]["annotations"][ORIGINAL])
    after["metadata"]["annotations"][ORIGINAL] = json.dumps({**record, **change})
    with pytest.raises(Refused, match="does not fit"):
        taken_out(after)


def test_what_was_changed_since_stays_changed() -> None:
    after = put_in(pod(), PLAN, Asked(), "1")
    after["spec"]["containers"][0]["image"] = "app:2"
    after["spec"]["containers"].append({"name": "more"})
    after["metadata"]["annotations"]["mine"] = "x"
    out = taken_out(after)
    assert [one.get("image") for one in out["spec"]["containers"]] == ["app:2", None]
    assert out["metadata"] == {"annotations": {"mine": "x"}}
