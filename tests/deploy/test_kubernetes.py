"""What deploy/kubernetes asks of a cluster: each form renders, is valid, and its objects mean one another.

What is inside of a pod is judged in test_kubernetes_pods.py; that a swapped ConfigMap is a reload, in
tests/app/test_watcher.py.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.doubles.kubernetes import (
    APPLIED,
    KUBERNETES,
    ROOT,
    Object,
    built,
    front,
    loaded,
    numbers,
    of_kind,
    pod,
    rendered,
    selected,
    sidecar,
)
from tests.doubles.published import LATEST, strictly_valid

# Native sidecars are on by default since the first; the last is what is known here.
VERSIONS = ("1.29", LATEST)
PRODUCTION = [name for name in APPLIED if name.endswith("-production")]
COMPONENTS = sorted(one.name for one in (KUBERNETES / "components").iterdir())
# Kinds that a cluster knows only with an operator, and every field of theirs that is used.
PODMONITOR = {"podMetricsEndpoints", "selector"}
ENDPOINT = {"port", "path", "interval", "relabelings"}
RELABELING = {"sourceLabels", "separator", "targetLabel", "replacement"}
# What kustomize has not deprecated: no bases, commonLabels, vars, patchesStrategicMerge, patchesJson6902.
KUSTOMIZATION = {
    *("apiVersion", "kind", "resources", "components", "configMapGenerator", "images", "patches", "replacements")
}


def labels(name: str) -> dict[str, str]:
    """Those of Sidecar's pods."""
    found: dict[str, str] = front(name)["spec"]["template"]["metadata"]["labels"]
    return found


def opened(policy: Object) -> dict[int, list[Any] | None]:
    """The ports that a policy lets in, each with from where; None is from everywhere."""
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    return {port["port"]: rule.get("from") for rule in policy["spec"]["ingress"] for port in rule["ports"]}


def policy_of(name: str) -> Object:
    """The policy over Sidecar's own pods."""
    (found,) = (one for one in of_kind(name, "NetworkPolicy") if "sidecar-form" in one["metadata"].get("labels", {}))
    return found


@pytest.mark.parametrize("name", APPLIED)
def test_what_is_kept_rendered_is_what_kubectl_renders(name: str) -> None:
    command = f"kubectl kustomize deploy/kubernetes/{name} > deploy/kubernetes/rendered/{Path(name).name}.yaml"
    assert built(KUBERNETES / name) == rendered(name), command


def test_nothing_is_kept_rendered_that_is_not_there() -> None:
    kept = {one.stem for one in (KUBERNETES / "rendered").iterdir()}
    assert kept == {Path(name).name for name in APPLIED}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", APPLIED)
def test_each_object_is_strictly_valid(name: str, version: str) -> None:
    known = [one for one in rendered(name) if one["kind"] != "PodMonitor"]
    assert len(known) >= 3
    for one in known:
        strictly_valid(one, version)


@pytest.mark.parametrize("name", APPLIED)
def test_no_object_is_there_twice_or_left_as_its_component_has_it(name: str) -> None:
    named = Counter((one["kind"], one["metadata"]["name"]) for one in rendered(name))
    assert set(named.values()) == {1}
    assert "replaced" not in str(rendered(name))


def test_what_is_for_production_can_be_applied_to_one_namespace_together() -> None:
    together = [(one["kind"], one["metadata"]["name"]) for name in PRODUCTION for one in rendered(name)]
    assert len(PRODUCTION) == 2
    assert len(set(together)) == len(together)


@pytest.mark.parametrize("path", sorted(KUBERNETES.rglob("kustomization.yaml")), ids=lambda path: path.parent.name)
def test_nothing_deprecated_is_asked_of_kustomize(path: Path) -> None:
    kustomization = yaml.safe_load(path.read_text())
    assert set(kustomization) <= KUSTOMIZATION
    version = "v1alpha1" if path.parent.name in COMPONENTS else "v1beta1"
    assert kustomization["apiVersion"] == f"kustomize.config.k8s.io/{version}"
    for generated in kustomization.get("configMapGenerator", ()):
        # With a hash in its name each change of the rules would replace every pod.
        kept = {"disableNameSuffixHash": True} if generated.get("behavior") != "replace" else None
        assert generated.get("options") == kept


def test_each_component_is_in_a_form_that_is_applied_and_each_file_is_used() -> None:
    used, listed = set(), set()
    for path in KUBERNETES.rglob("kustomization.yaml"):
        kustomization = yaml.safe_load(path.read_text())
        used |= {Path(one).name for one in kustomization.get("components", ())}
        files = [*kustomization.get("resources", ()), *(one.get("path") for one in kustomization.get("patches", ()))]
        files += [file for one in kustomization.get("configMapGenerator", ()) for file in one["files"]]
        listed |= {path, *((path.parent / file).resolve() for file in files if file)}
    assert sorted(used) == COMPONENTS
    kept = set((KUBERNETES / "rendered").iterdir())
    assert {one for one in KUBERNETES.rglob("*") if one.is_file()} - kept == {one for one in listed if one.is_file()}


@pytest.mark.parametrize("name", APPLIED)
def test_each_service_leads_to_a_port_that_somebody_listens_on(name: str, tmp_path: Path) -> None:
    listened = {listener.address.port for listener in loaded(name, tmp_path).rules.listeners}
    (leading,) = (one for one in of_kind(name, "Service") if "sidecar-form" in one["metadata"].get("labels", {}))
    assert selected(leading["spec"]["selector"], labels(name))
    # A number: a native sidecar's port is found by its name from Kubernetes 1.33 on only.
    assert {port["targetPort"] for port in leading["spec"]["ports"]} == listened
    assert listened <= set(numbers(sidecar(name)).values())


@pytest.mark.parametrize("name", [name for name in APPLIED if "standalone" in name])
def test_the_backend_is_each_of_its_pods_by_one_name(name: str, tmp_path: Path) -> None:
    (behind,) = (one for one in of_kind(name, "Service") if "sidecar-form" not in one["metadata"].get("labels", {}))
    assert behind["spec"]["clusterIP"] == "None"
    (port,) = behind["spec"]["ports"]
    (upstream,) = loaded(name, tmp_path).rules.upstreams.values()
    (endpoint,) = upstream.endpoints
    assert str(endpoint.url) == f"http://{behind['metadata']['name']}:{port['port']}"
    for other in of_kind(name, "Deployment"):
        if other != front(name):
            assert selected(behind["spec"]["selector"], other["spec"]["template"]["metadata"]["labels"])
            assert port["port"] in numbers(other["spec"]["template"]["spec"]["containers"][0]).values()
    assert not selected(behind["spec"]["selector"], labels(name))


@pytest.mark.parametrize("name", APPLIED)
def test_each_deployment_selects_its_own_pods_only(name: str) -> None:
    deployments = of_kind(name, "Deployment")
    for one in deployments:
        assert one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]
    assert len({str(one["spec"]["selector"]) for one in deployments}) == len(deployments)


@pytest.mark.parametrize("name", PRODUCTION)
def test_budget_and_autoscaler_are_for_the_deployment_and_own_its_size(name: str) -> None:
    (budget,) = of_kind(name, "PodDisruptionBudget")
    (scaler,) = of_kind(name, "HorizontalPodAutoscaler")
    assert budget["spec"]["selector"] == front(name)["spec"]["selector"]
    # One less must still be one, or no node could ever be drained.
    assert scaler["spec"]["minReplicas"] > budget["spec"]["maxUnavailable"]
    assert "replicas" not in front(name)["spec"]
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", front(name)["metadata"]["name"])
    (metric,) = scaler["spec"]["metrics"]
    measured = {one["name"]: one for one in pod(name)["containers"]}[metric["containerResource"]["container"]]
    assert measured["resources"]["requests"]["cpu"]  # what the percentage is of


@pytest.mark.parametrize("name", PRODUCTION)
def test_the_network_policy_lets_in_the_traffic_and_prometheus_and_nothing_else(name: str, tmp_path: Path) -> None:
    rules = loaded(name, tmp_path).rules
    policy = policy_of(name)
    # An empty selector would be every pod of the namespace.
    assert policy["spec"]["podSelector"] == front(name)["spec"]["selector"]
    watching = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    traffic = {listener.address.port: None for listener in rules.listeners}
    assert opened(policy) == {**traffic, rules.admin.address.port: watching}


def test_nobody_but_sidecar_gets_to_the_backend_behind_a_standalone_one() -> None:
    name = "overlays/standalone-production"
    (other,) = (one for one in of_kind(name, "NetworkPolicy") if one != policy_of(name))
    (behind,) = (one for one in of_kind(name, "Service") if one["spec"].get("clusterIP") == "None")
    assert other["spec"]["podSelector"]["matchLabels"] == behind["spec"]["selector"]
    only = [{"podSelector": front(name)["spec"]["selector"]}]
    assert opened(other) == {behind["spec"]["ports"][0]["port"]: only}


@pytest.mark.parametrize("name", PRODUCTION)
def test_the_pod_monitor_scrapes_the_admin_with_the_labels_that_alerts_expect(name: str, tmp_path: Path) -> None:
    (monitor,) = of_kind(name, "PodMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor["spec"]) == PODMONITOR
    assert monitor["spec"]["selector"] == front(name)["spec"]["selector"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert set(endpoint) == ENDPOINT
    assert {key for one in endpoint["relabelings"] for key in one} == RELABELING
    assert {one["targetLabel"] for one in endpoint["relabelings"]} == {"job", "app", "instance"}
    told = {one["targetLabel"]: one.get("sourceLabels", [])[-1:] for one in endpoint["relabelings"]}
    assert told["app"][0].removeprefix("__meta_kubernetes_pod_label_") in labels(name)
    admin = loaded(name, tmp_path).rules.admin.address
    assert numbers(sidecar(name))[endpoint["port"]] == admin.port
    assert not admin.is_loopback


def test_production_runs_a_named_version_and_nobody_pulls_what_latest_is_today() -> None:
    for name in APPLIED:
        for deployment in of_kind(name, "Deployment"):
            spec = deployment["spec"]["template"]["spec"]
            for container in [*spec.get("initContainers", ()), *spec["containers"]]:
                assert container["imagePullPolicy"] == "IfNotPresent"
                assert (container["image"] == "sidecar:latest") == (name not in PRODUCTION)


def test_the_overlay_of_the_page_makes_the_base_somebody_s_own(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    found = re.search(r"```yaml\n# deploy/kubernetes/overlays/shop/kustomization.yaml\n(.*?)```", page, re.DOTALL)
    assert found
    up = os.path.relpath(KUBERNETES, tmp_path.resolve())
    # Also with the component that the page names beside it.
    text = found[1].replace("labels:\n", "  - ../../components/monitoring\nlabels:\n", 1)
    (tmp_path / "kustomization.yaml").write_text(text.replace("../../", f"{up}/"))
    (tmp_path / "sidecar.yaml").write_text("version: 1\n")
    objects = {one["kind"]: one for one in built(tmp_path)}
    for one in objects.values():
        if one["kind"] != "PodMonitor":
            strictly_valid(one)
        assert one["metadata"]["namespace"] == "shop"
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    (app,) = spec["containers"]
    assert (app["image"], "args" in app) == ("registry.example.com/shop:7", False)
    assert app["livenessProbe"]["httpGet"] == {"path": "/alive", "port": "app"}
    assert spec["initContainers"][0]["image"] == "registry.example.com/sidecar:0.1.0"
    assert objects["ConfigMap"]["data"] == {"sidecar.yaml": "version: 1\n"}
    selecting = [objects["Service"]["spec"]["selector"], objects["Deployment"]["spec"]["selector"]["matchLabels"]]
    selecting += [objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]]
    selecting += [objects[kind]["spec"]["selector"]["matchLabels"] for kind in ("PodDisruptionBudget", "PodMonitor")]
    assert selecting == [{"app": "shop"}] * len(selecting)


def test_the_other_overlay_that_the_page_shows_fronts_somebody_elses_pods(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    found = re.search(r"```yaml\n# deploy/kubernetes/overlays/shop-front/kustomization.yaml\n(.*?)```", page, re.DOTALL)
    assert found
    up = os.path.relpath(KUBERNETES, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(found[1].replace("../../", f"{up}/"))
    (tmp_path / "sidecar.yaml").write_text("version: 1\n")
    objects = {(one["kind"], one["metadata"]["name"]): one for one in built(tmp_path)}
    for one in objects.values():
        strictly_valid(one)
        assert one["metadata"]["namespace"] == "shop"
    pods = objects["Service", "backend-pods"]["spec"]
    assert (pods["selector"], pods["ports"][0]["port"]) == ({"app": "shop"}, 8000)
    assert objects["ConfigMap", "sidecar-rules"]["data"] == {"sidecar.yaml": "version: 1\n"}
    (container,) = objects["Deployment", "sidecar"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/sidecar:0.1.0"


@pytest.mark.parametrize("page", ["docs/kubernetes.md", "docs/lifecycle.md", "deploy/observability/README.md"])
def test_a_page_that_leads_to_manifests_leads_to_what_there_is(page: str) -> None:
    led = re.findall(r"\]\(([^)#]*kubernetes[^)#]*)", (ROOT / page).read_text())
    assert [one for one in led if not ((ROOT / page).parent / one).exists()] == []
    assert led
