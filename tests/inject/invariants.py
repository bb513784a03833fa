"""What has to hold of manifests before and after an injection, read with none of the code that injects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from sidecar.inject.asked import Asked
from sidecar.inject.injection import inject
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.schema import RuleSet
from tests.doubles.published import strictly_valid

MANIFESTS = Path(__file__).with_name("manifests")
VERSION = "9.9.9"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PODS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod")
_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*")

Object = dict[str, Any]


def given(name: str) -> str:
    return (MANIFESTS / name).read_text()


def injected(text: str, asked: Asked | None = None) -> str:
    return inject([("input.yaml", text)], asked or Asked(), VERSION).text


def objects(text: str) -> list[Object]:
    """Every object of a text, those of lists too."""
    if text.lstrip().startswith("{"):
        decoder, rest, found = json.JSONDecoder(), text.strip(), []
        while rest:
            value, end = decoder.raw_decode(rest)
            found.append(value)
            rest = rest[end:].strip()
    else:
        found = [one for one in yaml.load_all(text, Loader=_LOADER) if one is not None]
    return [item for one in found for item in (one["items"] if one["kind"] == "List" else [one])]


def key(one: Object) -> tuple[str, str]:
    metadata = one["metadata"]
    return one["kind"], metadata.get("name") or metadata["generateName"]


def spec_of(one: Object) -> Object:
    spec: Object = one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]
    return spec


def labels_of(one: Object) -> Object:
    metadata = one["metadata"] if one["kind"] == "Pod" else one["spec"]["template"].get("metadata")
    return (metadata or {}).get("labels") or {}


def sidecar_of(one: Object) -> Object | None:
    return next((each for each in spec_of(one).get("initContainers") or () if each["name"] == "sidecar"), None)


def pairs(before: str, after: str) -> Iterator[tuple[Object, Object, RuleSet]]:
    """Each workload that was injected: before, after, and the rules that it has."""
    now = {key(one): one for one in objects(after)}
    for one in objects(before):
        if one["kind"] in PODS and sidecar_of(now[key(one)]) is not None:
            yield one, now[key(one)], rules_of(now[key(one)], now)


def rules_of(one: Object, now: dict[tuple[str, str], Object]) -> RuleSet:
    sidecar = sidecar_of(one)
    assert sidecar is not None
    (mount,) = sidecar["volumeMounts"]
    assert "subPath" not in mount
    (volume,) = (each for each in spec_of(one)["volumes"] if each["name"] == mount["name"])
    assert sidecar["args"][:3] == ["run", "-c", f"{mount['mountPath']}/sidecar.yaml"]
    words = sidecar["args"][3:]
    sets = tuple(word for option, word in pairwise(words) if option == "--set")
    return loaded(now["ConfigMap", volume["configMap"]["name"]]["data"]["sidecar.yaml"], sets).rules


@cache
def loaded(text: str, sets: tuple[str, ...] = ()) -> Loaded:
    found = load_text(text, "sidecar.yaml", Given(sets=sets))
    assert found.warnings == ()
    return found


def meant(ports: Iterator[Object] | list[Object], target: Any) -> int | None:
    """The number that a name or a number stands for."""
    if isinstance(target, int):
        return target
    return next((port["containerPort"] for port in ports if port.get("name") == target), None)


def every_port(one: Object) -> list[Object]:
    """As Kubernetes looks for a name: those of the application first."""
    spec = spec_of(one)
    every = [*spec["containers"], *(spec.get("initContainers") or ())]
    return [port for each in every for port in each.get("ports") or () if port.get("protocol", "TCP") == "TCP"]


def leads_to(rules: RuleSet, listens: int) -> set[int]:
    """The ports of the pod that a listener leads to."""
    (listener,) = (one for one in rules.listeners if one.address.port == listens)
    routes = [
        one
        for one in rules.routes
        if listener.name in one.match.listener or (not one.match.listener and listener.protocol == "http")
    ]
    names = {name for route in routes for name in route.upstreams}
    urls = [endpoint.url.address for name in names for endpoint in rules.upstreams[name].endpoints]
    assert all(url.is_loopback for url in urls)
    return {url.port for url in urls}


def fronted(rules: RuleSet) -> dict[int, int]:
    """The sidecar's port by the application's."""
    return {number: one.address.port for one in rules.listeners for number in leads_to(rules, one.address.port)}


def services_lead_to_the_sidecar(before: str, after: str) -> None:
    now = {key(one): one for one in objects(after)}
    services = [one for one in objects(before) if one["kind"] == "Service" and one["spec"].get("selector")]
    for one, new, rules in pairs(before, after):
        fronts = fronted(rules)
        for service in services:
            if not service["spec"]["selector"].items() <= labels_of(one).items():
                continue
            for port, led in zip(service["spec"]["ports"], now[key(service)]["spec"]["ports"], strict=True):
                number = meant(every_port(one), port.get("targetPort", port["port"]))
                instead = meant(every_port(new), led.get("targetPort", led["port"]))
                tcp = port.get("protocol", "TCP") == "TCP"
                if number is not None:  # a name that nothing had may lead to the sidecar now
                    assert instead == (fronts.get(number, number) if tcp else number)
                assert {**led, "targetPort": 0} == {**port, "targetPort": 0}


def names_lead_to_the_sidecar(before: str, after: str) -> None:
    for one, new, rules in pairs(before, after):
        for port in every_port(one):
            front = fronted(rules).get(port["containerPort"])
            if port.get("name") and front and meant(every_port(one), port["name"]) == port["containerPort"]:
                assert meant(every_port(new), port["name"]) == front


def probes_ask_the_same(before: str, after: str) -> None:
    for one, new, _ in pairs(before, after):
        for kind in ("containers", "initContainers"):
            for old, now in zip(spec_of(one).get(kind) or (), spec_of(new).get(kind) or (), strict=False):
                assert _asked(old) == _asked(now)


def _asked(container: Object) -> list[Any]:
    lifecycle = container.get("lifecycle") or {}
    probes = [container.get(name) for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    found = []
    for probe in [*probes, lifecycle.get("postStart"), lifecycle.get("preStop")]:
        for how in ("httpGet", "tcpSocket", "grpc"):
            if how in (probe or {}):
                asked = probe[how]  # type: ignore[index]
                found.append((how, {**asked, "port": meant(container.get("ports") or [], asked["port"])}))
    return found


def ports_are_nobody_elses(before: str, after: str) -> None:
    for one, new, rules in pairs(before, after):
        sidecar = sidecar_of(new)
        assert sidecar is not None
        own = [port["containerPort"] for port in sidecar["ports"]]
        theirs = {port["containerPort"] for port in every_port(one)}
        assert rules.admin.address.is_loopback
        assert not theirs & {*own, rules.admin.address.port}
        assert len({*own, rules.admin.address.port}) == len(own) + 1
        assert own == [listener.address.port for listener in rules.listeners]
        assert all(1024 <= port <= 65535 for port in own)
        for each in [*spec_of(new)["containers"], *spec_of(new)["initContainers"]]:
            names = [port["name"] for port in each.get("ports") or () if "name" in port]
            assert len(set(names)) == len(names)
            assert all(len(name) <= 15 and _NAME.fullmatch(name) for name in names)
        hosts = [port["hostPort"] for port in every_port(one) if "hostPort" in port]
        assert sorted(port["hostPort"] for port in every_port(new) if "hostPort" in port) == sorted(hosts)


def budgets_add_up(before: str, after: str) -> None:
    for one, new, rules in pairs(before, after):
        sidecar = sidecar_of(new)
        assert sidecar is not None
        command = sidecar["lifecycle"]["preStop"]["exec"]["command"]
        assert command[:3] == ["sidecar", "drain", "--wait"]
        wait = int(command[3].removesuffix("s"))
        assert wait > rules.drain.deadline + 1
        for old, now in zip(spec_of(one)["containers"], spec_of(new)["containers"], strict=True):
            hook = (old.get("lifecycle") or {}).get("preStop")
            found = now["lifecycle"]["preStop"]
            assert found.keys() == hook.keys() if hook else found == {"sleep": {"seconds": wait}}
        own = spec_of(one).get("terminationGracePeriodSeconds", 30)
        assert spec_of(new)["terminationGracePeriodSeconds"] == max(own, 30) + wait


def a_restricted_namespace_takes_the_sidecar(before: str, after: str) -> None:
    for _, new, _ in pairs(before, after):
        sidecar = sidecar_of(new)
        assert sidecar is not None
        assert sidecar["restartPolicy"] == "Always"
        assert spec_of(new)["initContainers"][-1] is sidecar
        rights = sidecar["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["runAsUser"] == 65532
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        assert rights["readOnlyRootFilesystem"] is True


def probes_find_the_admin(before: str, after: str) -> None:
    for _, new, rules in pairs(before, after):
        sidecar = sidecar_of(new)
        assert sidecar is not None
        commands = [sidecar[name]["exec"]["command"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
        commands.append(sidecar["lifecycle"]["preStop"]["exec"]["command"])
        assert sidecar["livenessProbe"]["terminationGracePeriodSeconds"] < 30
        for command in commands:
            address = command[command.index("--admin") + 1] if "--admin" in command else "127.0.0.1:9901"
            assert address == str(rules.admin.address)


def everything_else_is_as_it_was(before: str, after: str) -> None:
    now = {key(one): one for one in objects(after)}
    touched = {key(one) for one, _, _ in pairs(before, after)}
    for one in objects(before):
        if key(one) not in touched and one["kind"] != "Service":
            assert now[key(one)] == one
    for one, new, _ in pairs(before, after):
        assert [each["image"] for each in spec_of(one)["containers"]] == [
            each["image"] for each in spec_of(new)["containers"]
        ]
        assert labels_of(one) == labels_of(new)
        assert {**one["spec"], "template": 0} == {**new["spec"], "template": 0} or one["kind"] == "Pod"
    added = {key(one) for one in objects(after)} - {key(one) for one in objects(before)}
    assert all(kind == "ConfigMap" for kind, _ in added)


ALL = (
    services_lead_to_the_sidecar,
    names_lead_to_the_sidecar,
    probes_ask_the_same,
    ports_are_nobody_elses,
    budgets_add_up,
    a_restricted_namespace_takes_the_sidecar,
    probes_find_the_admin,
    everything_else_is_as_it_was,
)


def valid(text: str) -> None:
    for one in objects(text):
        strictly_valid(one)
