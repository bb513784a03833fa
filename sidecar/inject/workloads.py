"""One workload: whether a sidecar can go into it, how it is put in, and what an injected one keeps.

An injected workload is left as it is, byte for byte; a new image changes the image. Anything else that is asked takes
the sidecar out and puts another one in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sidecar.inject.asked import DEFAULT_DEADLINE, Asked, RulesFile, of_record
from sidecar.inject.objects import (
    CHOICE,
    CONTAINER,
    INJECTED,
    LEFT_ALONE,
    Ours,
    Path,
    Refused,
    Table,
    choice,
    part,
    table,
    tables,
)
from sidecar.inject.plans import FILE, Plan, met, rules_text, written
from sidecar.inject.pods import has_host_port, own_preStop, put_in, recorded, taken_out
from sidecar.inject.ports import Front, asked_otherwise, chosen, containers, declared, used
from sidecar.inject.services import known_by
from sidecar.inject.values import copied

_LONGEST_NAME = 253
_FOR = "sidecar-proxy/for"
_KEPT = "has its sidecar already"


@dataclass(frozen=True, slots=True)
class Given:
    """What a workload is injected with, and what is known around it: the Services that select it, and the ConfigMaps of
    the input by namespace and name."""

    asked: Asked
    version: str
    ours: Ours
    services: Sequence[Table]
    maps: Mapping[tuple[str, str], Table]


@dataclass(frozen=True, slots=True)
class Injected:
    """What became of a workload. Without fronts it has no sidecar, because its author does not want one."""

    value: Table
    verdict: Literal["injected", "unchanged", "note"]
    sentence: str
    fronts: tuple[Front, ...] = ()
    config_map: Table | None = None
    notes: tuple[str, ...] = ()


def injected(value: Table, path: Path, given: Given) -> Injected:
    """The workload with a sidecar; Refused with the reason where there cannot be one."""
    wants = choice(value, path)
    if wants not in ("", "enabled", "disabled"):
        raise Refused(f"`{CHOICE}` is `disabled` or `enabled`, not `{wants}`")
    if wants == "disabled":
        return Injected(value, "note", LEFT_ALONE)
    pod = table(value, path)
    _suited(pod, path, given.ours)
    if INJECTED in table(pod, ("metadata", "annotations"), path):
        return _again(value, path, pod, given)
    for key, index, one in containers(pod["spec"], (*path, "spec")):
        if one["name"] == CONTAINER:
            raise Refused(
                f"it has a container `{CONTAINER}` that was not put there by this", (*path, "spec", key, index)
            )
    plan = _plan(pod, path, given)
    new = _with_pod(value, path, put_in(pod, plan, given.asked, given.version))
    return Injected(
        new, "injected", _told(plan), plan.fronts, _config_map(value, plan, given), _notes(pod, plan, given)
    )


def taken_out_of(value: Table, path: Path) -> tuple[Table | None, str]:
    """The workload without its sidecar, and the name of its ConfigMap; None where it has none of ours."""
    pod = table(value, path)
    if INJECTED not in table(pod, ("metadata", "annotations"), path):
        return None, ""
    return _with_pod(value, path, taken_out(pod)), str(recorded(pod).get("configMap", ""))


def is_ours(config_map: Table) -> bool:
    """Whether a ConfigMap was written here."""
    metadata = config_map.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and INJECTED in annotations


def _suited(pod: Table, path: Path, ours: Ours) -> None:
    at = (*path, "spec")
    spec = table(pod, ("spec",), path)
    if not ours.name:
        raise Refused("it has no name", ("metadata",))
    if not tables(spec, ("containers",), at):
        raise Refused("its pod has no containers", at)
    for key, index, one in containers(spec, at):
        if "{{" in f"{one['name']} {one.get('image')}":
            raise Refused("this is a template (`{{ … }}`); render it first, as with `helm template`", (*at, key, index))
        table(one, ("lifecycle", "preStop"), (*at, key, index))
    tables(spec, ("volumes",), at)
    if spec.get("hostNetwork") is True:
        raise Refused("its pods have the node's network, where every port is shared with others", (*at, "hostNetwork"))
    systems = (part(spec, ("os", "name"), at), table(spec, ("nodeSelector",), at).get("kubernetes.io/os"))
    if "windows" in systems:
        raise Refused("its pods run on Windows, and the sidecar on Linux only", at)
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, bool) or not isinstance(grace, int | None):
        raise Refused("`terminationGracePeriodSeconds` must be a number", (*at, "terminationGracePeriodSeconds"))


def _again(value: Table, path: Path, pod: Table, given: Given) -> Injected:
    at = (*path, "spec")
    ours = [one for one in tables(pod["spec"], ("initContainers",), at) if one["name"] == CONTAINER]
    if not ours:
        raise Refused("its annotations say that it has a sidecar, but no container is one; inject the original", at)
    record = recorded(pod)
    fronts = _fronts(record)
    asked = given.asked
    if asked.changes_nothing_but_the_image:
        if asked.image in (None, ours[0].get("image")):
            return Injected(value, "unchanged", _KEPT, fronts)
        pod = copied(pod)
        next(one for one in pod["spec"]["initContainers"] if one["name"] == CONTAINER)["image"] = asked.image
        return Injected(_with_pod(value, path, pod), "injected", f"image {asked.image}", fronts)
    return _with_something_else(value, path, pod, given, ours[0])


def _with_something_else(value: Table, path: Path, pod: Table, given: Given, ours: Table) -> Injected:
    """Taken out and put in again. Rules that were written here stay as somebody edited them, while they would be
    written as they were; `ours`, the container, in all that nothing was asked about."""
    record = recorded(pod)
    before = replace(of_record(record), image=ours.get("image"))
    merged = given.asked.over(before)
    if merged.rules is not None and not merged.rules.name:
        merged = replace(merged, rules=_rules_again(record, given))
    original = taken_out(pod)
    plan = _plan(original, path, replace(given, asked=merged), str(record.get("configMap", "")))
    new = put_in(original, plan, merged, pod["metadata"]["annotations"][INJECTED], ours)
    deadline = DEFAULT_DEADLINE if before.drain is None else before.drain
    wrote = rules_text(_fronts(record), _port(plan.admin), deadline)
    config_map = None if merged.rules is None and plan.rules == wrote else _config_map(value, plan, given)
    notes = _notes(original, plan, given)
    present = given.maps.get((given.ours.namespace, plan.config_map), {}).get("data")
    if config_map is not None and present == config_map["data"]:
        config_map = None
    elif config_map is not None and merged.rules is None and present not in (None, {FILE: wrote}):
        lost = f"its rules are written anew, without what somebody changed in ConfigMap {plan.config_map}"
        notes = (*notes, lost)
    if new == pod and config_map is None:
        return Injected(value, "unchanged", _KEPT, plan.fronts)
    if new != pod:
        new["metadata"]["annotations"][INJECTED] = given.version
    return Injected(_with_pod(value, path, new), "injected", _told(plan), plan.fronts, config_map, notes)


def _rules_again(record: Table, given: Given) -> RulesFile:
    name = str(record.get("configMap"))
    present = given.maps.get((given.ours.namespace, name))
    if present is None:
        raise Refused(f"its rules were given with -c, and ConfigMap {name} is not in the input; give one of them")
    return RulesFile(f"ConfigMap/{name}", _text_of(present, name))


def _port(admin: str) -> int:
    port = admin.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0


def _plan(pod: Table, path: Path, given: Given, again: str = "") -> Plan:
    """What goes into the pod. `again`: the name of the ConfigMap that it had before."""
    at, asked = (*path, "spec"), given.asked
    spec = pod["spec"]
    ports, taken = declared(spec, at), used(spec, at)
    names = {port["name"] for _, _, one in containers(spec, at) for port in one.get("ports") or () if port.get("name")}
    name = asked.config_map or again or _name_of_map(given)
    present = given.maps.get((given.ours.namespace, name))
    known = known_by(given.services)
    if asked.rules is not None:
        plan = met(asked.rules.text, asked.rules.name, ports or known.numbers, asked, names, name, True)
    elif present is not None and not again:
        text = _text_of(present, name)
        plan = met(text, f"ConfigMap/{name}", ports or known.numbers, asked, names, name, False)
    else:
        others = {**known.others, **asked_otherwise(spec, at)}
        fronted = chosen(ports, asked.ports, known.numbers, known.web, others)
        plan = written(fronted, taken, names, asked, name)
        if asked.config_map:
            needs = " and ".join(f"listen on {one.listens} and lead to {one.endpoint}" for one in plan.fronts)
            note = f"ConfigMap {name} is not in the input: its `{FILE}` has to {needs}"
            plan = replace(plan, rules=None, notes=(*plan.notes, note))
    clashing = {one.listens for one in plan.fronts} & taken
    if clashing or _port(plan.admin) in taken | {one.listens for one in plan.fronts}:
        number = min(clashing or {_port(plan.admin)})
        raise Refused(f"port {number} is the application's own, and the rules have the sidecar listen there", at)
    return plan


def _name_of_map(given: Given) -> str:
    """NAME-sidecar, unless that is somebody else's."""
    ours = given.ours
    for middle in ("", f"-{ours.kind.lower()}"):
        name = ours.name[: _LONGEST_NAME - len(middle) - 8] + middle + "-sidecar"
        present = given.maps.get((ours.namespace, name))
        if present is None or _is_for(present, ours):
            return name
    raise Refused(f"a ConfigMap {ours.name}-sidecar is in the input, but not one of ours; name it with `--config-map`")


def _is_for(config_map: Table, ours: Ours) -> bool:
    return is_ours(config_map) and config_map["metadata"]["annotations"].get(_FOR) == str(ours)


def _text_of(config_map: Table, name: str) -> str:
    text = table(config_map, ("data",)).get(FILE)
    if not isinstance(text, str):
        raise Refused(f"ConfigMap {name} has no `{FILE}`")
    return text


def _config_map(value: Table, plan: Plan, given: Given) -> Table | None:
    """The ConfigMap with the rules, labelled as the workload is; None where somebody else has it."""
    if plan.rules is None:
        return None
    metadata: dict[str, Any] = {"name": plan.config_map}
    if given.ours.namespace:
        metadata["namespace"] = given.ours.namespace
    labels = table(value, ("metadata", "labels"))
    if labels:
        metadata["labels"] = copied(labels)
    metadata["annotations"] = {INJECTED: given.version, _FOR: str(given.ours)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {FILE: plan.rules}}


def _with_pod(value: Table, path: Path, pod: Table) -> Table:
    if not path:
        return pod
    return {**value, "spec": {**value["spec"], "template": pod}}


def _fronts(record: Table) -> tuple[Front, ...]:
    try:
        return tuple(Front(*map(_of_front, one)) for one in record["fronts"])
    except (KeyError, TypeError, ValueError):
        raise Refused("what it was before is no longer readable in its annotations; inject the original") from None


def _of_front(field: Any) -> Any:
    if not isinstance(field, int | str | None):
        raise ValueError("no field of a front")
    return field


def _told(plan: Plan) -> str:
    return ", ".join(f"{one.name} {one.number} behind {one.listens}" for one in plan.fronts)


def _notes(pod: Table, plan: Plan, given: Given) -> tuple[str, ...]:
    hooks = [
        f"container {name} keeps its preStop; it has to last {plan.wait}s, or it stops before the drain ends"
        for name in own_preStop(pod["spec"])
    ]
    if given.ours.kind != "DaemonSet" and has_host_port(pod["spec"], plan):
        hooks.append("its hostPort is the sidecar's now: before Kubernetes 1.34 two such pods may meet on one node")
    return (*plan.notes, *hooks)
