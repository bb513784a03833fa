"""A pod with a sidecar put in, and the same pod with it taken out again.

Everything that is changed is remembered in an annotation, as it was: so an injection can be undone, and done again with
something else, without the file it was made from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sidecar.inject.asked import DEFAULT_IMAGE, Asked
from sidecar.inject.objects import CONTAINER, INJECTED, ORIGINAL, Refused, Table, held
from sidecar.inject.plans import FILE, MOUNT, Plan
from sidecar.inject.ports import app_name, asked_at, unused
from sidecar.inject.values import copied

_GRACE = 30
_USER = 65_532
_VOLUME = "sidecar-rules"


def put_in(pod: Table, plan: Plan, asked: Asked, version: str, before: Table | None = None) -> Table:
    """The pod (its metadata and spec) with a sidecar. `before`: the one that it had, maybe changed by hand."""
    pod = copied(pod)
    spec = held(pod, "spec")
    was = {key: _was(where, key) for where, key in ((pod, "metadata"), (spec, "initContainers"), (spec, "volumes"))}
    metadata = held(pod, "metadata")
    was["annotations"] = _was(metadata, "annotations")
    grace = [spec["terminationGracePeriodSeconds"]] if "terminationGracePeriodSeconds" in spec else []
    hosts = _without_host_ports(spec, plan)
    record = {
        "fronts": [[one.number, one.listens, one.name, one.protocol, one.was, one.container] for one in plan.fronts],
        "hosts": hosts,
        "renamed": _renamed(spec, plan),
        "grace": grace,
        "sleeps": _sleeping(spec, plan.wait),
        "was": {key: value for key, value in was.items() if value is not None},
        "asked": asked.remembered(),
        "configMap": plan.config_map,
    }
    own = grace[0] if grace and grace[0] is not None else _GRACE
    spec["terminationGracePeriodSeconds"] = max(own, _GRACE) + plan.wait
    volume = unused_volume(spec)
    ours = container(plan, asked.image or DEFAULT_IMAGE, volume, hosts)
    spec["initContainers"] = [*(spec.get("initContainers") or ()), _as_changed(ours, before) if before else ours]
    spec["volumes"] = [*(spec.get("volumes") or ()), {"name": volume, "configMap": {"name": plan.config_map}}]
    annotations = held(metadata, "annotations")
    annotations[INJECTED] = version
    annotations[ORIGINAL] = json.dumps({key: value for key, value in record.items() if value}, separators=(",", ":"))
    return pod


def container(plan: Plan, image: str, volume: str, hosts: list[list[Any]]) -> Table:
    """The native sidecar: an init container that stays."""
    elsewhere = [] if plan.admin == "127.0.0.1:9901" else ["--admin", plan.admin]
    moved = {number: host for _, number, host in hosts}
    ports = [{"name": one.name, "containerPort": one.listens, **moved.get(one.number, {})} for one in plan.fronts]

    def probe(what: str, period: int, failures: int) -> Table:
        asking = {"exec": {"command": ["sidecar", "probe", what, *elsewhere]}}
        return {**asking, "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures}

    return {
        "name": CONTAINER,
        "image": image,
        # As kubelets do by themselves for every tag but `latest`.
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "args": ["run", "-c", f"{MOUNT}/{FILE}", *plan.arguments],
        "ports": ports,
        # The application is started when this one succeeds, so it asks for nothing that waits for the application.
        "startupProbe": probe("livez", 1, 30),
        # What does not answer will not drain either: it would keep the pod waiting for all of its grace.
        "livenessProbe": {**probe("livez", 10, 3), "terminationGracePeriodSeconds": 5},
        "readinessProbe": probe("readyz", 5, 2),
        "lifecycle": {"preStop": {"exec": {"command": ["sidecar", "drain", "--wait", f"{plan.wait}s", *elsewhere]}}},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": volume, "mountPath": MOUNT, "readOnly": True}],
    }


def _as_changed(ours: Table, before: Table) -> Table:
    """This sidecar with all that does not follow from what was asked (resources, variables, timings) as it was."""
    made = {key: ours[key] for key in ("image", "args", "ports")}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "exec" in (before.get(probe) or {}):
            made[probe] = {**before[probe], "exec": ours[probe]["exec"]}
    made["lifecycle"] = {**(before.get("lifecycle") or {}), **ours["lifecycle"]}
    mounts = [one for one in before.get("volumeMounts") or () if one["mountPath"] != MOUNT]
    made["volumeMounts"] = [*ours["volumeMounts"], *mounts]
    return {**before, **made}


def unused_volume(spec: Table) -> str:
    """The name of the volume with the rules."""
    names = {one.get("name") for one in spec.get("volumes") or () if isinstance(one, dict)}
    return _VOLUME if _VOLUME not in names else unused(_VOLUME, {str(name) for name in names})


def own_preStop(spec: Table) -> list[str]:  # noqa: N802 - the field's name
    """The application's containers that do something of their own before they stop."""
    return [one["name"] for one in spec["containers"] if (one.get("lifecycle") or {}).get("preStop")]


def _was(table: Table, key: str) -> list[Any] | None:
    """What is to be put back when nothing is left of what was added: [] for nothing, None where something was there."""
    if key not in table:
        return []
    return [copied(table[key])] if not table[key] else None


def _put_back(table: Table, key: str, was: Table) -> None:
    if key not in was or table.get(key):
        return
    table.pop(key, None)
    if was[key]:
        table[key] = was[key][0]


def has_host_port(spec: Table, plan: Plan) -> bool:
    """Whether a port that is fronted is one of the node, too."""
    return any(True for _ in _host_ports(spec, plan))


def _host_ports(spec: Table, plan: Plan) -> Iterator[tuple[str, Table]]:
    fronted = {one.number for one in plan.fronts}
    for one in spec["containers"]:
        for port in one.get("ports") or ():
            if port["containerPort"] in fronted and "hostPort" in port and port.get("protocol") in (None, "TCP"):
                yield one["name"], port


def _without_host_ports(spec: Table, plan: Plan) -> list[list[Any]]:
    """[container, number, {hostPort, hostIP}] of each fronted port that had one; it has none now."""
    return [
        [name, port["containerPort"], {key: port.pop(key) for key in ("hostPort", "hostIP") if key in port}]
        for name, port in _host_ports(spec, plan)
    ]


def _renamed(spec: Table, plan: Plan) -> list[list[str]]:
    """[container, from, to] of each port whose name the sidecar's has now; probes by that name follow."""
    every = [*spec["containers"], *(spec.get("initContainers") or ())]
    names = {port.get("name") for one in every for port in one.get("ports") or ()} | {one.name for one in plan.fronts}
    found = []
    for one in every:
        for port in one.get("ports") or ():
            name = port.get("name")
            if name is not None and any(name == front.name for front in plan.fronts):
                called = app_name(name, names)
                names.add(called)
                found.append([one["name"], name, called])
                _rename(one, name, called)
    return found


def _rename(one: Table, name: str, called: str) -> None:
    for port in one.get("ports") or ():
        if port.get("name") == name:
            port["name"] = called
    for asked in asked_at(one):
        if asked.get("port") == name:
            asked["port"] = called


def _sleeping(spec: Table, seconds: int) -> Table:
    """Give each container without a preStop hook one that lasts as long as the drain; what was there, by its name."""
    found: Table = {}
    for one in spec["containers"]:
        lifecycle = one.get("lifecycle")
        if lifecycle and lifecycle.get("preStop"):
            continue
        was = _was(one, "lifecycle")
        hook = [] if not lifecycle or "preStop" not in lifecycle else [lifecycle["preStop"]]
        found[one["name"]] = [was, hook]
        held(one, "lifecycle")["preStop"] = {"sleep": {"seconds": seconds}}
    return found


def recorded(pod: Table) -> Table:
    """What a pod remembers of its injection; Refused where that is not to be read."""
    try:
        record = json.loads(pod["metadata"]["annotations"][ORIGINAL])
    except (KeyError, TypeError, ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise Refused("what it was before is no longer readable in its annotations; inject the original")
    return record


def taken_out(pod: Table) -> Table:
    """The pod without its sidecar; Refused where what it was is not remembered."""
    record = recorded(pod)
    pod = copied(pod)
    try:
        _restore(pod, record)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise Refused("what it was before does not fit what it is; inject the original") from None
    return pod


def _restore(pod: Table, record: Table) -> None:
    spec, metadata = pod["spec"], pod["metadata"]
    by_name = {one["name"]: one for one in [*spec["containers"], *(spec.get("initContainers") or ())]}
    mounted = {mount["name"] for mount in by_name[CONTAINER].get("volumeMounts") or () if mount["mountPath"] == MOUNT}
    spec["initContainers"] = [one for one in spec["initContainers"] if one["name"] != CONTAINER]
    spec["volumes"] = [one for one in spec["volumes"] if one["name"] not in mounted]
    for name, before, called in record.get("renamed", ()):
        if name in by_name:
            _rename(by_name[name], called, before)
    for name, number, host in record.get("hosts", ()):
        for port in by_name.get(name, {}).get("ports") or ():
            if port["containerPort"] == number and port.get("protocol") in (None, "TCP"):
                port.update(host)
    for name, (was, hook) in record.get("sleeps", {}).items():
        lifecycle = by_name.get(name, {}).get("lifecycle") or {}
        if "sleep" in (lifecycle.get("preStop") or {}):
            del lifecycle["preStop"]
            if hook:
                lifecycle["preStop"] = hook[0]
            _put_back(by_name[name], "lifecycle", {} if was is None else {"lifecycle": was})
    spec.pop("terminationGracePeriodSeconds", None)
    if "grace" in record:
        spec["terminationGracePeriodSeconds"] = record["grace"][0]
    for key in (INJECTED, ORIGINAL):
        metadata["annotations"].pop(key, None)
    was = record.get("was", {})
    for table, key in ((metadata, "annotations"), (spec, "initContainers"), (spec, "volumes"), (pod, "metadata")):
        _put_back(table, key, was)
