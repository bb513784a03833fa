"""Kubernetes objects as far as an injection knows them: which hold pods, how a part is reached, what selects what.

Whatever is read here was written by hand: a part that is not what it has to be is refused at its place, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Table = dict[str, Any]
Path = tuple[str | int, ...]

INJECTED = "sidecar-proxy/injected"
ORIGINAL = "sidecar-proxy/original"
CHOICE = "sidecar-proxy/inject"
CONTAINER = "sidecar"
LEFT_ALONE = f"is left alone, as its annotation `{CHOICE}: disabled` says"

_TEMPLATED = {
    "Deployment": ("apps", "extensions"),
    "StatefulSet": ("apps",),
    "DaemonSet": ("apps", "extensions"),
    "ReplicaSet": ("apps", "extensions"),
    "ReplicationController": ("",),
}
_CALLED_BY_NOBODY = {"Job": "batch", "CronJob": "batch"}


class Refused(Exception):  # noqa: N818 - a verdict on somebody's manifest
    """This object is left as it is. The message is a sentence for its author; `path` is where the reason stands."""

    def __init__(self, sentence: str, path: Path = ()) -> None:
        super().__init__(sentence)
        self.path = path


@dataclass(frozen=True, slots=True)
class Ours:
    """What is looked at in one object."""

    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name or '?'}"


def named(value: Table) -> Ours:
    """How an object is called. A pod that is given its name later is called by the beginning of it."""
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or str(metadata.get("generateName") or "").rstrip("-.")
    kind = value.get("kind")
    return Ours(str(kind or "?"), str(name or ""), str(metadata.get("namespace") or ""))


def pod_path(value: Table) -> Path | None:
    """Where the pod is in a workload; None where there is none that could be injected. Refused for jobs."""
    kind, group = value.get("kind"), _group(value)
    if kind == "Pod" and group == "":
        return ()
    if kind in _CALLED_BY_NOBODY and group == _CALLED_BY_NOBODY[kind]:
        raise Refused(f"a {kind} is called by nobody, so there is nothing to front")
    return ("spec", "template") if isinstance(kind, str) and group in _TEMPLATED.get(kind, ()) else None


def _group(value: Table) -> str:
    version = str(value.get("apiVersion") or "")
    return version.rpartition("/")[0]


def part(value: Any, path: Path, at: Path = ()) -> Any:
    """What stands at a path, None where nothing does; Refused where a step leads through something else."""
    for depth, step in enumerate(path):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Refused(f"`{_dotted(path[:depth])}` must be a mapping", at + path[:depth])
        value = value.get(str(step))
    return value


def table(value: Any, path: Path, at: Path = ()) -> Table:
    """The mapping at a path, an empty one where nothing is."""
    found = part(value, path, at)
    if found is not None and not isinstance(found, dict):
        raise Refused(f"`{_dotted(path)}` must be a mapping", at + path)
    return found or {}


def tables(value: Any, path: Path, at: Path = ()) -> list[Table]:
    """The list of mappings at a path, an empty one where nothing is."""
    found = part(value, path, at)
    if found is not None and not (isinstance(found, list) and all(isinstance(item, dict) for item in found)):
        raise Refused(f"`{_dotted(path)}` must be a list of mappings", at + path)
    return found or []


def held(value: Table, *path: str) -> Table:
    """The mapping at a path, made where there is none, for something to be put into."""
    for step in path:
        if not isinstance(value.get(step), dict):
            value[step] = {}
        value = value[step]
    return value


def is_meant(selector: Any, labels: Table) -> bool:
    """Whether a plain selector takes pods with these labels. An empty one takes none."""
    if not isinstance(selector, dict) or not selector:
        return False
    return all(labels.get(key) == wanted for key, wanted in selector.items())


def may_meet(one: Ours, other: Ours) -> bool:
    """Whether two objects can be in one namespace; one that names none goes wherever it is applied."""
    return not one.namespace or not other.namespace or one.namespace == other.namespace


def choice(value: Table, path: Path) -> str:
    """What its author wants, said on the workload or on its pod: "" where nothing is said."""
    for where in (("metadata", "annotations"), (*path, "metadata", "annotations")):
        said = table(value, where).get(CHOICE)
        if said is not None:
            return str(said)
    return ""


def _dotted(path: Path) -> str:
    return ".".join(map(str, path)) or "this"
