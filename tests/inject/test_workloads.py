"""Which workloads a sidecar can go into, and the reasons of the others."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.inject.asked import Asked, RulesFile, wanted
from sidecar.inject.injection import Outcome, inject
from sidecar.inject.objects import INJECTED, ORIGINAL
from sidecar.inject.values import block
from sidecar.inject.workloads import is_ours
from tests.inject.invariants import given, injected, objects


def judged(asked: Asked | None = None, *, annotations: Any = None, **spec: Any) -> Outcome:
    pod = {
        "containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 3000, "name": "http"}]}],
        **spec,
    }
    template = {"metadata": {"labels": {"a": "b"}, "annotations": annotations}, "spec": pod}
    value = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": template}}
    return inject([("m.yaml", block(value))], asked or Asked(), "1")


def reason(found: Outcome) -> str:
    (note,) = found.notes
    assert note.verdict == "refused"
    return str(note)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"hostNetwork": True}, "its pods have the node's network"),
        ({"nodeSelector": {"kubernetes.io/os": "windows"}}, "its pods run on Windows"),
        ({"os": {"name": "windows"}}, "its pods run on Windows"),
        ({"containers": []}, "its pod has no containers"),
        ({"containers": "x"}, "`containers` must be a list of mappings"),
        ({"containers": [{"name": "sidecar"}]}, "it has a container `sidecar` that was not put there by this"),
        ({"initContainers": [{"name": "sidecar"}]}, "it has a container `sidecar`"),
        ({"containers": [{"name": "app"}]}, "no container declares a TCP port"),
        ({"containers": [{"name": "a", "image": "{{ .Values.image }}"}]}, "this is a template"),
        ({"terminationGracePeriodSeconds": "30"}, "`terminationGracePeriodSeconds` must be a number"),
        ({"volumes": {}}, "`volumes` must be a list"),
        ({"annotations": {"sidecar-proxy/inject": "maybe"}}, "`sidecar-proxy/inject` is `disabled` or `enabled`"),
        ({"annotations": {INJECTED: "1"}}, "its annotations say that it has a sidecar, but no container is one"),
    ],
)
def test_a_workload_that_cannot_have_a_sidecar_passes_with_the_reason(spec: dict[str, Any], said: str) -> None:
    found = judged(**spec)
    assert said in reason(found)
    assert reason(found).startswith("m.yaml:")
    assert found.text == judged(Asked(workers="2"), **spec).text


def test_what_a_service_calls_redis_is_not_fronted_as_http() -> None:
    text = given("web.yaml").replace("- name: http\n              containerPort", "- containerPort")
    text = text.replace("port: http}", "port: 3000}").replace("targetPort: http", "targetPort: 3000")
    assert "behind 13000" in str(inject([("m.yaml", text)], Asked(), "1").notes[0])
    called = text.replace("- name: http\n      port: 80", "- name: tcp-redis\n      port: 80")
    assert "`--port 3000=tcp` fronts its bytes" in reason(inject([("m.yaml", called)], Asked(), "1"))


def test_a_port_of_the_node_is_told_about_schedulers_that_do_not_see_it() -> None:
    app = {"name": "app", "ports": [{"containerPort": 3000, "hostPort": 80}]}
    assert "before Kubernetes 1.34 two such pods may meet" in "".join(map(str, judged(containers=[app]).notes))


def test_a_reason_has_the_place_of_what_is_wrong() -> None:
    text = given("web.yaml").replace("containerPort: 3000", "containerPort: http")
    assert reason(inject([("m.yaml", text)], Asked(), "1")).startswith("m.yaml:24:30: refused: Deployment/web: ")


def test_an_unnamed_workload_is_refused() -> None:
    text = given("web.yaml").replace("  name: web\n  labels", "  labels")
    assert "it has no name" in reason(inject([("m.yaml", text)], Asked(), "1"))


def test_a_port_of_the_application_is_not_taken_by_given_rules() -> None:
    rules = "version: 1\nlisteners: [{name: a, address: ':3000'}]\n"
    rules += "upstreams: {a: {endpoints: ['http://127.0.0.1:3000']}}\nroutes: [{name: a, upstream: a}]\n"
    asked = Asked(rules=RulesFile("r", rules))
    assert "port 3000 is the application's own" in reason(judged(asked))
    admin = rules.replace("':3000'", "':4000'") + "admin: {address: '127.0.0.1:3000'}\n"
    assert "port 3000 is the application's own" in reason(judged(Asked(rules=RulesFile("r", admin))))


@pytest.mark.parametrize(
    ("old", "new"),
    [('"fronts"', '"front"'), ('{"fronts"', '["fronts"'), ('[3000,13000,"http"', '[3000,13000,["http"]')],
)
def test_a_record_that_somebody_changed_is_refused(old: str, new: str) -> None:
    text = injected(given("web.yaml"))
    assert old in text
    found = inject([("m.yaml", text.replace(old, new, 1))], Asked(workers="2"), "1")
    assert "no longer readable" in reason(found)


def test_rules_that_were_given_have_to_be_there_again() -> None:
    rules = "version: 1\nlisteners: [{name: a, address: ':4000'}]\n"
    rules += "upstreams: {a: {endpoints: ['http://127.0.0.1:3000']}}\nroutes: [{name: a, upstream: a}]\n"
    text = injected(given("web.yaml"), Asked(rules=RulesFile("r", rules))).split("---\n", 1)[1]
    found = inject([("m.yaml", text)], Asked(workers="2"), "1")
    assert "its rules were given with -c, and ConfigMap web-sidecar is not in the input" in reason(found)


def test_a_config_map_of_somebody_else_is_not_overwritten() -> None:
    theirs = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-sidecar}\ndata: {a: b}\n"
    text = given("web.yaml") + theirs
    after = injected(text)
    assert theirs in after
    assert next(one["metadata"]["name"] for one in objects(after)) == "web-deployment-sidecar"
    both = text + theirs.replace("web-", "web-deployment-")
    assert "name it with `--config-map`" in reason(inject([("m.yaml", both)], Asked(), "1"))


def test_a_config_map_that_was_kept_is_used_again() -> None:
    after = injected(given("web.yaml"))
    kept = after.split("---\n", 1)[0].replace("deadline: 25s", "deadline: 20s")
    again = injected(kept + "---\n" + given("web.yaml"))
    assert kept in again
    assert again.count("kind: ConfigMap") == 1
    assert "--wait, 25s" in again


def test_a_config_map_without_rules_is_refused() -> None:
    theirs = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\ndata: {a: b}\n"
    found = inject([("m.yaml", given("web.yaml") + theirs)], Asked(config_map="mine"), "1")
    assert "ConfigMap mine has no `sidecar.yaml`" in reason(found)


def test_the_config_map_is_in_the_namespace_and_labelled_as_the_workload_is() -> None:
    (mapping, *_) = (one for one in objects(injected(given("shop.yaml"))) if one["kind"] == "ConfigMap")
    assert mapping["metadata"]["namespace"] == "shop"
    assert mapping["metadata"]["labels"] == {"app.kubernetes.io/name": "shop"}
    assert is_ours(mapping)
    assert not is_ours({"metadata": 5})


def test_an_injected_workload_is_told_as_unchanged() -> None:
    text = injected(given("web.yaml"))
    (note,) = inject([("m.yaml", text)], Asked(ports=(wanted("http"),), image="sidecar:latest"), "2").notes
    assert "refused" not in str(note)
    (note,) = inject([("m.yaml", text)], Asked(), "2").notes
    assert str(note).endswith("unchanged: Deployment/web: has its sidecar already")
    assert ORIGINAL in text
