"""What leads to a pod: Services of the same input are led to the sidecar, of all else there is something to say.

Services are led by number, those that went by name as well: before Kubernetes 1.33 a Service does not find the name of
a native sidecar's port, and would have no endpoint at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.inject.objects import (
    ORIGINAL,
    Ours,
    Path,
    Refused,
    Table,
    held,
    is_meant,
    may_meet,
    named,
    part,
    table,
    tables,
)
from sidecar.inject.ports import Declared, Front, is_by_bytes, is_web
from sidecar.inject.values import copied

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the input as others see it: what its pods are labelled, and what fronts them, if anything does."""

    ours: Ours
    labels: Table
    fronts: tuple[Front, ...] = ()

    @property
    def injected(self) -> bool:
        """Whether it has a sidecar."""
        return bool(self.fronts)

    def front(self, target: Any) -> Front | None:
        """What fronts the port that a Service's targetPort means."""
        for one in self.fronts:
            if target == (one.was if isinstance(target, str) else one.number) and target is not None:
                return one
        return None


def selecting(service: Table, ours: Ours, labels: Table) -> bool:
    """Whether a Service leads to pods with these labels."""
    return may_meet(named(service), ours) and is_meant(part(service, ("spec", "selector")), labels)


def ports_of(service: Table) -> list[Table]:
    """Its TCP ports; Refused where they are none."""
    found = tables(service, ("spec", "ports"))
    for index, port in enumerate(found):
        if isinstance(port.get("port"), bool) or not isinstance(port.get("port"), int):
            raise Refused("`port` must be a number", ("spec", "ports", index, "port"))
    return [port for port in found if port.get("protocol") in (None, "TCP")]


@dataclass(frozen=True, slots=True)
class Known:
    """What Services say of a pod's ports: their numbers, the targets that are http, and those that are something else,
    with who says so."""

    numbers: list[Declared]
    web: set[int | str]
    others: dict[int | str, str]


def known_by(services: Sequence[Table]) -> Known:
    """What these Services say of the ports that they lead to."""
    known: dict[int, Declared] = {}
    web: set[int | str] = set()
    others: dict[int | str, str] = {}
    for service, port in [(one, port) for one in services for port in ports_of(one)]:
        target = _target(port)
        name = str(port.get("name") or "")
        spoken = str(port.get("appProtocol") or "").rpartition("/")[2]
        if isinstance(target, int):
            known[target] = Declared(target)
        if is_by_bytes(spoken) or (not spoken and is_by_bytes(name)):
            others[target] = f"{named(service)}, whose port is `{spoken or name}`"
        elif spoken == "http" or is_web(name):
            web.add(target)
    return Known(list(known.values()), web - others.keys(), others)


class Selection:
    """Which of many workloads or Services belong together, without comparing each with each."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self._by_item: dict[tuple[str, str], list[Any]] = {}

    def add(self, item: Any, labels: Any, one_of: bool) -> None:
        """`one_of`: the labels are a selector, of which one is enough to find it by."""
        self.all.append(item)
        items = list(labels.items()) if isinstance(labels, dict) else []
        for key, value in items[:1] if one_of else items:
            self._by_item.setdefault((key, repr(value)), []).append(item)

    def near(self, labels: Table) -> list[Any]:
        """Everything that may belong to these labels, in the order it was added for each of them."""
        return [item for key, value in labels.items() for item in self._by_item.get((key, repr(value)), ())]


def repointed(service: Table, workloads: Sequence[Workload]) -> tuple[Table, list[str]]:
    """The Service, led to the sidecars of the pods that it selects, and what is to be said of it."""
    selected = [one for one in workloads if selecting(service, one.ours, one.labels)]
    if not any(one.injected for one in selected):
        return service, []
    service = copied(service)
    record, notes = _record(service), []
    targets = record.get("targets", {})
    for port in ports_of(service):
        key, name = str(port["port"]), port.get("name") or port["port"]
        present = port.get("targetPort", _MISSING)
        before = targets[key][0] if targets.get(key) else _MISSING if key in targets else present
        meant = port["port"] if before in (_MISSING, None) else before
        fronts = [one.front(meant) for one in selected]
        numbers = {front.listens for front in fronts if front}
        if len(numbers) == 1 and all(fronts):
            targets[key] = [] if before is _MISSING else [before]
            port["targetPort"] = numbers.pop()
            if part(service, ("spec", "clusterIP")) == "None":
                said = f"who connects to pods at {meant} goes around the sidecar, which listens on {port['targetPort']}"
                notes.append(f"is headless: {said}")
            continue
        targets.pop(key, None)
        _set(port, before)
        if numbers:
            notes.append(f"port {name} is left at {meant}, {_why(selected, fronts)}")
    _remember(service, record, targets)
    return service, notes


def restored(service: Table) -> Table:
    """The Service as it was before its ports were led anywhere."""
    service = copied(service)
    record = _record(service)
    targets = record.get("targets", {})
    for port in ports_of(service):
        if str(port["port"]) in targets:
            before = targets[str(port["port"])]
            _set(port, before[0] if before else _MISSING)
    _remember(service, record, {})
    return service


def _set(port: Table, target: Any) -> None:
    if target is _MISSING:
        port.pop("targetPort", None)
    else:
        port["targetPort"] = target


def _target(port: Table) -> Any:
    target = port.get("targetPort")
    return port["port"] if target is None else target


def _why(selected: Sequence[Workload], fronts: Sequence[Front | None]) -> str:
    bare = [str(one.ours) for one, front in zip(selected, fronts, strict=True) if front is None]
    if bare:
        return f"because it also selects {', '.join(bare)}, where nothing fronts that; it goes around the sidecar"
    return "because its sidecars listen on different ports; it finds them by name from Kubernetes 1.33 on"


def _record(service: Table) -> Table:
    text = table(service, ("metadata", "annotations")).get(ORIGINAL)
    if text is None:
        return {}
    try:
        record = json.loads(text)
        targets = dict(record.get("targets", {}))
    except (TypeError, ValueError, RecursionError, AttributeError):
        targets = {"": None}
    if not all(isinstance(before, list) for before in targets.values()):
        where = ("metadata", "annotations", ORIGINAL)
        raise Refused("what it was before is no longer readable in this annotation", where)
    return {**record, "targets": targets}


def _remember(service: Table, record: Table, targets: Table) -> None:
    if not (targets or record):
        return
    metadata = held(service, "metadata")
    if targets:
        if not metadata.get("annotations"):
            record["was"] = [metadata["annotations"]] if "annotations" in metadata else []
        said = {"targets": targets, **({"was": record["was"]} if "was" in record else {})}
        held(metadata, "annotations")[ORIGINAL] = json.dumps(said, separators=(",", ":"))
    elif record:
        metadata["annotations"].pop(ORIGINAL, None)
        if not metadata["annotations"] and "was" in record:
            del metadata["annotations"]
            if record["was"]:
                metadata["annotations"] = record["was"][0]


def about(value: Table, workloads: Sequence[Workload]) -> Iterator[str]:
    """What to say of a NetworkPolicy or PodMonitor that is about injected pods."""
    for one in workloads:
        for front in one.fronts:
            if value["kind"] == "PodMonitor":
                yield from _monitored(value, one, front)
            else:
                yield from _let_through(value, one, front)


def _monitored(value: Table, workload: Workload, front: Front) -> Iterator[str]:
    asked = {port.get("port") for port in tables(value, ("spec", "podMetricsEndpoints"))}
    if front.was is not None and front.was in asked and _takes(value, table(value, ("spec", "selector")), workload):
        yield f"asks {workload.ours} for metrics through the sidecar; the application's own port is renamed"


def _let_through(value: Table, workload: Workload, front: Front) -> Iterator[str]:
    inwards = _takes(value, table(value, ("spec", "podSelector")), workload)
    for verb, key in (("in", "ingress"), ("out", "egress")):
        for index, rule in enumerate(tables(value, ("spec", key))):
            where: Path = ("spec", key, index)
            if not (inwards if verb == "in" else _leads_to(value, tables(rule, ("to",), where), workload)):
                continue
            ports = tables(rule, ("ports",), where)
            meant = [port for port in ports if _covers(port, front.number) or _names(port, front.was)]
            if not meant or any(_covers(port, front.listens) for port in ports):
                continue
            listens = f"the sidecar of {workload.ours} listens on {front.listens}"
            if _names(meant[0], front.was):
                yield f"lets port {front.was} {verb} by name, which not every network finds; {listens}: let that {verb}"
            else:
                yield f"lets port {front.number} {verb}; {listens}, which has to be let {verb} instead"


def _takes(value: Table, selector: Table, workload: Workload) -> bool:
    """Whether the pods of a workload may be meant. Expressions are not looked into."""
    labels = selector.get("matchLabels") or {}
    return may_meet(named(value), workload.ours) and (not labels or is_meant(labels, workload.labels))


def _leads_to(value: Table, peers: Sequence[Table], workload: Workload) -> bool:
    for peer in peers:
        labels = table(peer, ("podSelector", "matchLabels"))
        if "namespaceSelector" in peer and (not labels or is_meant(labels, workload.labels)):
            return True
        if "podSelector" in peer and _takes(value, table(peer, ("podSelector",)), workload):
            return True
    return not peers


def _covers(port: Table, number: int) -> bool:
    first, last = port.get("port"), port.get("endPort")
    if first is None:
        return port.get("protocol") in (None, "TCP")  # a protocol alone is all of its ports
    return isinstance(first, int) and first <= number <= (last if isinstance(last, int) else first)


def _names(port: Table, name: str | None) -> bool:
    return name is not None and port.get("port") == name
