"""Whole manifests, differently shaped: what comes out is valid, leads everything to the sidecar, and can be undone."""

from __future__ import annotations

import pytest

from sidecar.inject.asked import Asked, RulesFile, wanted
from sidecar.inject.injection import Outcome, inject, uninject
from sidecar.inject.plans import BadRules
from sidecar.rules.problems import ConfigError
from tests.inject import invariants
from tests.inject.invariants import MANIFESTS, VERSION, given, injected, objects, sidecar_of, spec_of

ASKED: dict[str, Asked] = {"probes.yaml": Asked(ports=(wanted("http-frontend-1"),))}
NAMES = sorted(path.name for path in MANIFESTS.iterdir())
CASES = [pytest.param(name, ASKED.get(name, Asked()), id=name) for name in NAMES] + [
    pytest.param("several-containers.yaml", Asked(ports=(wanted("redis=tcp"), wanted("web"))), id="two ports"),
    pytest.param("web.yaml", Asked(workers="auto", sets=("log.level=debug",), drain=60.0), id="options"),
    pytest.param("web.yaml", Asked(drain=2.5, image="mirror/sidecar:1"), id="a short drain"),
]


def outcome(text: str, asked: Asked | None = None) -> Outcome:
    return inject([("input.yaml", text)], asked or Asked(), VERSION)


def said(found: Outcome) -> str:
    return "\n".join(map(str, found.notes))


def test_there_are_manifests_of_many_shapes() -> None:
    assert len(NAMES) >= 14


@pytest.mark.parametrize(("name", "asked"), CASES)
def test_what_comes_out_is_valid_and_all_invariants_hold(name: str, asked: Asked) -> None:
    after = injected(given(name), asked)
    invariants.valid(after)
    for invariant in invariants.ALL:
        invariant(given(name), after)
    assert (after != given(name)) == (name != "job.yaml")


@pytest.mark.parametrize(("name", "asked"), CASES)
def test_once_more_changes_no_byte(name: str, asked: Asked) -> None:
    after = injected(given(name), asked)
    again = outcome(after, asked)
    assert again.text == after
    assert again.count("refused") == outcome(given(name), asked).count("refused")
    assert injected(after) == after


@pytest.mark.parametrize(("name", "asked"), CASES)
def test_another_image_changes_the_image_only(name: str, asked: Asked) -> None:
    after = injected(given(name), asked)
    newer = injected(after, Asked(image="sidecar:newer"))
    before = asked.image or "sidecar:latest"
    assert newer == after.replace(f"image: {before}", "image: sidecar:newer").replace(f'"{before}"', '"sidecar:newer"')
    assert injected(newer, asked if asked.image is None else Asked()) == newer


@pytest.mark.parametrize(("name", "asked"), CASES)
def test_taken_out_again_it_is_what_it_was(name: str, asked: Asked) -> None:
    after = injected(given(name), asked)
    undone = uninject([("input.yaml", after)])
    assert objects(undone.text) == objects(given(name))
    assert undone.count("taken out") == sum(
        "image: " + (asked.image or "sidecar:latest") in line or '"sidecar:latest"' in line
        for line in after.splitlines()
    )


@pytest.mark.parametrize("name", ["web.yaml", "init-containers.yaml", "pod.yaml"])
def test_taken_out_again_not_even_a_comment_is_lost(name: str) -> None:
    assert uninject([("input.yaml", injected(given(name)))]).text == given(name)


def test_only_lines_that_have_to_change_do() -> None:
    before, after = given("several-containers.yaml").splitlines(), injected(given("web.yaml")).splitlines()
    lost = [line for line in given("web.yaml").splitlines() if line not in after]
    assert [line.strip() for line in lost] == [
        "- name: http",
        "httpGet: {path: /ready, port: http}",
        "targetPort: http",
    ] or [line.strip() for line in lost] == ["httpGet: {path: /ready, port: http}", "targetPort: http"]
    assert "# A shop: what most people have. This comment, and every other one, stays where it is." in after
    assert before


def test_documents_that_are_not_touched_are_printed_as_they_are() -> None:
    text = given("shop.yaml")
    after = injected(text)
    for kind in ("Ingress", "HorizontalPodAutoscaler", "CronJob", "Namespace"):
        (document,) = (one for one in text.split("---\n") if f"kind: {kind}\n" in one)
        assert document in after


def test_a_job_is_refused_with_the_reason_where_it_stands() -> None:
    found = outcome(given("shop.yaml"))
    assert (found.count("injected"), found.count("refused")) == (1, 1)
    assert "input.yaml:54:1: refused: CronJob/report: a CronJob is called by nobody" in said(found)


def test_who_opted_out_is_left_alone_and_told() -> None:
    found = outcome(given("opted-out.yaml"))
    assert (found.count("injected"), found.count("refused")) == (1, 0)
    assert "note: Deployment/plain: is left alone" in said(found)
    assert sidecar_of(objects(found.text)[0]) is None


def test_other_ports_than_before_are_asked_for_and_the_service_follows() -> None:
    text = given("shop.yaml")
    first = injected(text)
    second = injected(first, Asked(ports=(wanted("http-admin"),)))
    assert second == injected(second)
    for invariant in invariants.ALL:
        invariant(text, second)
    (service,) = (one for one in objects(second) if one["kind"] == "Service")
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http", 18081]
    assert objects(uninject([("x", second)]).text) == objects(text)


def test_rules_that_somebody_edited_stay_as_long_as_the_ports_do() -> None:
    first = injected(given("web.yaml"))
    edited = first.replace("upstream: http}", "upstream: http, timeout: {request: 3s}}")
    assert edited != first
    assert injected(edited) == edited
    more = injected(edited, Asked(workers="2"))
    assert "timeout: {request: 3s}" in more
    assert sidecar_args(more)[3:] == ["--workers", "2"]
    anew = outcome(edited, Asked(drain=40.0))
    assert "{request: 3s}" not in anew.text
    assert "its rules are written anew, without what somebody changed in ConfigMap web-sidecar" in said(anew)
    assert "written anew" not in said(outcome(first, Asked(drain=40.0)))


def sidecar_args(text: str) -> list[str]:
    (found,) = (sidecar_of(one) for one in objects(text) if one["kind"] in invariants.PODS)
    assert found is not None
    return list(found["args"])


RULES = """\
version: 1
listeners: [{name: public, address: ":8000"}]
drain: {announce: 1s, deadline: 10s}
admin: {address: "127.0.0.1:9905"}
upstreams: {app: {endpoints: ["http://localhost:3000"]}}
routes: [{name: all, upstream: app}]
"""


def test_rules_of_ones_own_go_into_the_config_map_as_they_are() -> None:
    asked = Asked(rules=RulesFile("my.yaml", RULES))
    after = injected(given("web.yaml"), asked)
    for invariant in invariants.ALL:
        invariant(given("web.yaml"), after)
    (mapping,) = (one for one in objects(after) if one["kind"] == "ConfigMap")
    assert mapping["data"] == {"sidecar.yaml": RULES}
    assert spec_of(objects(after)[1])["terminationGracePeriodSeconds"] == 45
    assert injected(after, asked) == after == injected(after)
    more = injected(after, Asked(workers="3"))
    assert RULES.splitlines()[1] in more
    assert "9905" in str(objects(more)[1])


def test_changed_rules_of_ones_own_change_the_config_map() -> None:
    after = injected(given("web.yaml"), Asked(rules=RulesFile("my.yaml", RULES)))
    newer = RULES.replace("name: all", "name: every")
    again = injected(after, Asked(rules=RulesFile("my.yaml", newer)))
    assert [one["data"] for one in objects(again) if one["kind"] == "ConfigMap"] == [{"sidecar.yaml": newer}]
    assert len(objects(again)) == 3


def test_rules_that_cannot_be_used_print_nothing() -> None:
    with pytest.raises(BadRules) as caught:
        injected(given("web.yaml"), Asked(rules=RulesFile("my.yaml", RULES.replace("upstream: app", "upstream: x"))))
    assert str(caught.value.problems[0]).startswith("my.yaml:6:")


def test_a_config_map_of_the_input_is_checked_and_used() -> None:
    mapping = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\ndata:\n  sidecar.yaml: |\n"
    text = given("web.yaml") + mapping + "".join(f"    {line}\n" for line in RULES.splitlines())
    after = injected(text, Asked(config_map="mine"))
    for invariant in invariants.ALL:
        invariant(text, after)
    assert mapping in after
    assert injected(after) == after


def test_a_config_map_that_is_not_there_is_told_what_it_needs() -> None:
    found = outcome(given("web.yaml"), Asked(config_map="elsewhere"))
    assert "its `sidecar.yaml` has to listen on 13000 and lead to http://127.0.0.1:3000" in said(found)
    assert "kind: ConfigMap" not in found.text
    assert injected(found.text, Asked(config_map="elsewhere")) == found.text


def test_two_workloads_of_one_name_have_two_config_maps() -> None:
    text = given("web.yaml") + "---\n" + given("web.yaml").split("---\n")[0].replace("Deployment", "StatefulSet")
    after = injected(text)
    maps = {one["metadata"]["name"] for one in objects(after) if one["kind"] == "ConfigMap"}
    assert maps == {"web-sidecar", "web-statefulset-sidecar"}
    assert injected(after) == after


def test_several_files_are_one_input() -> None:
    deployment, service = given("web.yaml").split("---\n")
    found = inject([("a.yaml", deployment), ("b.yaml", service)], Asked(), VERSION)
    assert objects(found.text) == objects(injected(given("web.yaml")))
    assert "no Service of the input" not in said(found)
    assert "b.yaml:1:1: note: Service/web: is led elsewhere: apply it once the workload is rolled out" in said(found)
    assert "led elsewhere" not in said(outcome(found.text))


def test_json_beside_yaml_becomes_documents_of_one_stream() -> None:
    found = inject([("a.json", given("deployment.json")), ("b.yaml", given("web.yaml"))], Asked(), VERSION)
    assert [one["kind"] for one in objects(found.text)] == [
        "ConfigMap",
        "Deployment",
        "ConfigMap",
        "Deployment",
        "Service",
    ]
    assert found.text.startswith("---\n")
    assert inject([("all.yaml", found.text)], Asked(), VERSION).text == found.text


def test_windows_line_ends_stay() -> None:
    text = given("web.yaml").replace("\n", "\r\n")
    after = injected(text)
    assert after.count("\r\n") == after.count("\n")
    assert after.replace("\r\n", "\n") == injected(given("web.yaml"))


def test_what_is_no_manifest_ends_everything_with_every_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        inject([("a.yaml", "a: [\n"), ("b.yaml", "- 1\n"), ("c.yaml", "x: 1\n")], Asked(), VERSION)
    assert [problem.file for problem in caught.value.problems] == ["a.yaml", "b.yaml", "c.yaml"]


def test_an_input_without_anything_says_nothing() -> None:
    assert outcome("# nothing\n---\n---\n") == Outcome("# nothing\n---\n---\n", ())
    assert outcome("") == Outcome("", ())


def test_what_holds_pods_and_is_not_known_is_refused() -> None:
    text = given("web.yaml").replace("apps/v1", "argoproj.example/v1").replace("Deployment", "Rollout")
    found = outcome(text)
    assert "refused: Rollout/web: a Rollout is not injected" in said(found)
    assert found.text == text


@pytest.mark.parametrize(("version", "kind"), [("batch/v1", "Job"), ("argoproj.example/v1", "Rollout")])
def test_who_cannot_be_injected_may_opt_out_too(version: str, kind: str) -> None:
    text = given("web.yaml").replace("apps/v1", version).replace("kind: Deployment", f"kind: {kind}")
    chosen = text.replace("metadata:", "metadata:\n  annotations: {sidecar-proxy/inject: disabled}", 1)
    assert outcome(chosen).count("refused") == 0
    assert f"note: {kind}/web: is left alone" in said(outcome(chosen))
    assert outcome(text).count("refused") == 1


def test_a_typed_list_is_a_list() -> None:
    text = given("list.yaml").replace("kind: List", "kind: DeploymentList")
    assert outcome(text).count("injected") == outcome(given("list.yaml")).count("injected") > 0


def test_a_service_that_cannot_be_read_is_refused_once() -> None:
    found = outcome(given("web.yaml").replace("port: 80", "port: eighty"))
    assert found.count("refused") == 1
    assert "`port` must be a number" in said(found)


def test_what_somebody_changed_in_the_sidecar_stays() -> None:
    text = injected(given("web.yaml")).replace("limits: {memory: 256Mi}", "limits: {memory: 1Gi, cpu: 2}")
    text = text.replace("periodSeconds: 1\n", "periodSeconds: 2\n")
    mounts = "          volumeMounts:\n"
    more = f"          env: [{{name: A, value: b}}]\n{mounts}            - {{name: certs, mountPath: /certs}}\n"
    text = text.replace(mounts, more)
    text = text.replace("      volumes:\n", "      volumes:\n        - {name: certs, emptyDir: {}}\n")
    again = injected(text, Asked(drain=10.0))
    (before,) = (sidecar_of(one) for one in objects(text) if one["kind"] == "Deployment")
    (after,) = (sidecar_of(one) for one in objects(again) if one["kind"] == "Deployment")
    assert before
    assert after
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"lifecycle", "volumeMounts"}
    assert after["lifecycle"]["preStop"]["exec"]["command"][-1] == "15s"
    assert [one["mountPath"] for one in after["volumeMounts"]] == ["/etc/sidecar", "/certs"]
    assert injected(again) == again


def test_many_documents_are_no_matter() -> None:
    text = "".join(
        f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{n}}}\nspec: {{selector: {{a: s{n}}}}}\n"
        for n in range(2000)
    )
    text += given("web.yaml").replace("# A", "---\n# A", 1)
    assert outcome(text).count("injected") == 1
