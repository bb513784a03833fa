"""What deploy/kubernetes has in its pods: commands that exist, rules that load, budgets that add up, few rights."""

from __future__ import annotations

import asyncio
import copy
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.cli.parser import parser
from sidecar.policies.health_gate import HealthCheckSpec, HoldSpec
from sidecar.policies.units import parse_duration, parse_size
from tests.doubles.backend import Backend
from tests.doubles.kubernetes import (
    APPLIED,
    KUBERNETES,
    PROBES,
    ROOT,
    Object,
    command_lines,
    containers,
    environment,
    front,
    loaded,
    numbers,
    of_kind,
    pod,
    sidecar,
)
from tests.doubles.pod_security import violations
from tests.doubles.process import process
from tests.doubles.servers import ended

NATIVE = [name for name in APPLIED if "native" in name]
STANDALONE = [name for name in APPLIED if "standalone" in name]
# Seconds. What a client that was told at the deadline gets for its answer, and what the application may take to end.
LAST_ANSWERS = 1
APPLICATION = 30


def every_container() -> list[Object]:
    """Every container of every pod."""
    deployments = [one for name in APPLIED for one in of_kind(name, "Deployment")]
    return [one for deployment in deployments for one in containers(deployment["spec"]["template"]["spec"])]


def test_every_command_is_one_that_the_command_line_accepts() -> None:
    for container in every_container():
        for program, *words in command_lines(container):
            assert program == "sidecar"  # the image has no shell and nothing else to run
            parser().parse_args(words)


@pytest.mark.parametrize("name", APPLIED)
def test_rules_load_without_a_lint_from_a_whole_folder_that_is_mounted_where_they_are_read(
    name: str, tmp_path: Path
) -> None:
    assert loaded(name, tmp_path).warnings == ()
    mounts = {one["name"]: one for one in sidecar(name)["volumeMounts"]}
    # One mounted by subPath is never updated by the kubelet.
    assert all(set(one) == {"name", "mountPath", "readOnly"} for one in mounts.values())
    volumes = {one["name"]: one for one in pod(name)["volumes"]}
    assert set(volumes) == set(mounts)
    (mapping,) = of_kind(name, "ConfigMap")
    assert volumes["rules"]["configMap"] == {"name": mapping["metadata"]["name"]}
    arguments = parser().parse_args(sidecar(name)["args"])
    assert arguments.config == f"{mounts['rules']['mountPath']}/{next(iter(mapping['data']))}"


@pytest.mark.parametrize("name", APPLIED)
def test_every_file_that_the_rules_name_is_in_a_mounted_secret(name: str) -> None:
    (mapping,) = of_kind(name, "ConfigMap")
    named = {str(Path(one).parent) for one in re.findall(r"(/etc/[\w./-]+)", mapping["data"]["sidecar.yaml"])}
    secret = {one["name"] for one in pod(name)["volumes"] if "secret" in one}
    mounted = {one["mountPath"] for one in sidecar(name)["volumeMounts"] if one["name"] in secret}
    assert named - {"/etc"} == mounted


@pytest.mark.parametrize("name", NATIVE)
def test_the_sidecar_starts_before_the_application_and_fronts_its_port(name: str, tmp_path: Path) -> None:
    (beside,) = pod(name)["initContainers"]
    (app,) = pod(name)["containers"]
    assert beside["name"] == "sidecar"
    assert beside["restartPolicy"] == "Always"
    (upstream,) = loaded(name, tmp_path).rules.upstreams.values()
    assert [str(one.url) for one in upstream.endpoints] == [f"http://127.0.0.1:{numbers(app)['app']}"]
    assert not set(numbers(app).values()) & set(numbers(beside).values())
    assert not set(numbers(app)) & set(numbers(beside))


@pytest.mark.parametrize("name", APPLIED)
def test_no_probe_waits_for_what_waits_for_it(name: str) -> None:
    asked = {probe: sidecar(name)[probe]["exec"]["command"][-1] for probe in PROBES}
    # The application is started after the startup probe, and a restart would not bring a backend back.
    assert (asked["startupProbe"], asked["livenessProbe"]) == ("livez", "livez")
    # Of a pod with the application in it, readiness is the application's too. Alone, it answers for one that is away.
    assert asked["readinessProbe"] == ("readyz" if name in NATIVE else "startupz")


@pytest.mark.parametrize("name", APPLIED)
def test_a_process_that_hangs_is_ended_without_the_grace_of_a_drain(name: str) -> None:
    assert sidecar(name)["livenessProbe"]["terminationGracePeriodSeconds"] <= 5


@pytest.mark.parametrize("name", STANDALONE)
def test_alone_it_waits_for_pods_that_are_away_and_sends_none_where_nobody_listens(name: str, tmp_path: Path) -> None:
    (upstream,) = loaded(name, tmp_path).rules.upstreams.values()
    assert upstream.spec(HealthCheckSpec) is not None
    hold = upstream.spec(HoldSpec)
    assert hold is not None
    assert upstream.resolve is not None
    assert hold.timeout >= 2 * upstream.resolve


def test_a_probe_gives_up_by_itself_before_the_kubelet_kills_it() -> None:
    for container in every_container():
        for probe in PROBES:
            if "exec" in container.get(probe, {}):
                arguments = parser().parse_args(container[probe]["exec"]["command"][1:])
                assert container[probe]["timeoutSeconds"] > arguments.timeout


@pytest.mark.parametrize("name", NATIVE)
def test_drain_hooks_and_grace_period_of_a_native_sidecar_add_up(name: str, tmp_path: Path) -> None:
    drain = loaded(name, tmp_path).rules.drain
    hook = parser().parse_args(sidecar(name)["lifecycle"]["preStop"]["exec"]["command"][1:])
    (app,) = pod(name)["containers"]
    assert hook.command == "drain"
    wait = parse_duration(hook.wait)
    sleep = app["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < drain.announce < drain.deadline
    assert drain.deadline + LAST_ANSWERS < wait <= sleep
    assert sleep + APPLICATION <= pod(name)["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", STANDALONE)
def test_alone_the_signal_drains_within_the_grace_period(name: str, tmp_path: Path) -> None:
    drain = loaded(name, tmp_path).rules.drain
    assert "lifecycle" not in sidecar(name)
    assert 0 < drain.announce < drain.deadline
    assert drain.deadline + LAST_ANSWERS < pod(name)["terminationGracePeriodSeconds"]
    assert front(name)["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_the_table_of_the_page_has_the_numbers_of_the_manifests(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    budget = dict(re.findall(r"^\| `([^`]+)` \| (\d+) s \|", page, re.MULTILINE))
    drain = loaded("native-sidecar", tmp_path).rules.drain
    (app,) = pod("native-sidecar")["containers"]
    assert {key: int(value) for key, value in budget.items()} == {
        "drain.announce": drain.announce,
        "drain.deadline": drain.deadline,
        "sidecar drain --wait": 30,
        "sleep": app["lifecycle"]["preStop"]["sleep"]["seconds"],
        "terminationGracePeriodSeconds": pod("native-sidecar")["terminationGracePeriodSeconds"],
    }
    assert sidecar("native-sidecar")["lifecycle"]["preStop"]["exec"]["command"][-1] == "30s"


@pytest.mark.parametrize("name", APPLIED)
def test_load_is_refused_before_the_kernel_kills_the_container(name: str, tmp_path: Path) -> None:
    limit = parse_size(sidecar(name)["resources"]["limits"]["memory"] + "B")
    most = loaded(name, tmp_path).rules.overload.max_memory
    assert most is not None
    assert 0.8 * limit < most <= 0.85 * limit
    # A limit of CPU is latency, and requests without it are what the scheduler and the autoscaler need.
    assert set(sidecar(name)["resources"]["limits"]) == {"memory"}
    assert set(sidecar(name)["resources"]["requests"]) == {"cpu", "memory"}


@pytest.mark.parametrize("name", APPLIED)
def test_an_admin_that_others_reach_says_verbs_with_a_token_only(name: str, tmp_path: Path) -> None:
    admin = loaded(name, tmp_path).rules.admin
    exposed = "admin" in numbers(sidecar(name))
    assert admin.address.is_loopback != exposed
    assert admin.address.port == 9901
    verbs = "lifecycle" in sidecar(name)
    assert (admin.token is not None) == (exposed and verbs)
    assert ("SIDECAR_ADMIN_TOKEN" in environment(sidecar(name))) == (exposed and verbs)


def test_pods_are_let_into_a_namespace_of_the_restricted_standard() -> None:
    for name in APPLIED:
        for deployment in of_kind(name, "Deployment"):
            spec = deployment["spec"]["template"]["spec"]
            assert violations(spec) == []
            assert spec["automountServiceAccountToken"] is False
            for container in containers(spec):
                context = container["securityContext"]
                assert (context["runAsUser"], context["runAsGroup"]) == (65532, 65532)
                assert context["readOnlyRootFilesystem"]


def _first(**fields: object) -> Callable[[Object], None]:
    return lambda spec: spec["containers"][0].update(fields)


def _context(**fields: object) -> Callable[[Object], None]:
    return lambda spec: spec["containers"][0]["securityContext"].update(fields)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda spec: spec.update(hostNetwork=True), "pod: host namespaces"),
        (lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "pod: volume types"),
        (lambda spec: spec["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]), "pod: sysctls"),
        (lambda spec: spec["securityContext"].pop("runAsNonRoot"), "app: running as non-root is not demanded"),
        (lambda spec: spec["securityContext"].pop("seccompProfile"), "app: no seccomp profile"),
        (_context(privileged=True), "app: privileged"),
        (_context(allowPrivilegeEscalation=None), "app: privilege escalation"),
        (_context(capabilities={"drop": ["NET_RAW"]}), "app: capabilities"),
        (_context(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}), "app: capabilities"),
        (_context(runAsUser=0), "app: running as root"),
        (_context(runAsNonRoot=False), "app: running as non-root is not demanded"),
        (_context(seccompProfile={"type": "Unconfined"}), "app: seccomp"),
        (_context(seLinuxOptions={"type": "spc_t"}), "app: SELinux"),
        (_context(appArmorProfile={"type": "Unconfined"}), "app: AppArmor"),
        (_context(procMount="Unmasked"), "app: proc mount"),
        (_context(windowsOptions={"hostProcess": True}), "app: host process"),
        (_first(ports=[{"containerPort": 1, "hostPort": 1}]), "app: host ports"),
        (_first(livenessProbe={"httpGet": {"host": "1.1.1.1", "port": 1}}), "app: probes of other hosts"),
    ],
)
def test_a_right_too_many_would_be_found(change: Callable[[Object], None], found: str) -> None:
    spec = copy.deepcopy(pod("native-sidecar"))
    change(spec)
    assert found in violations(spec)


async def test_the_words_of_probes_and_hook_do_what_the_pod_expects_of_them(tmp_path: Path) -> None:
    socket = tmp_path / "app"
    sets = [f"upstreams.app.endpoints=[http://unix:{socket}]", "drain.announce=0s"]
    async with process(rules=KUBERNETES / "native-sidecar" / "sidecar.yaml", sets=sets) as proxy:

        async def code(command: list[str]) -> int:
            admin = {"SIDECAR_ADMIN": f"127.0.0.1:{proxy.admin_port}"}
            return (await ended(sys.executable, "-m", *command, environment=admin)).code

        container = sidecar("native-sidecar")
        started, ready = (container[one]["exec"]["command"] for one in ("startupProbe", "readinessProbe"))
        # Before the application, which waits for the first.
        assert list(await asyncio.gather(code(started), code(ready))) == [0, 1]
        async with Backend(path=socket):
            await proxy.said(r"app/.*\bup\b")
            assert await code(ready) == 0
        assert await code(container["lifecycle"]["preStop"]["exec"]["command"]) == 0
        assert await proxy.ended() == 0
