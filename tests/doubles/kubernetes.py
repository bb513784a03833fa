"""The manifests of deploy/kubernetes as a cluster would get them, with what is in them by name.

Owns the rendering and the looking up; what has to hold is the tests' own. No cluster is asked.
"""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from tests.doubles.certificates import server_certificate
from tests.doubles.servers import require

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
Object = dict[str, Any]
# What `kubectl apply -k` may be given.
APPLIED = (
    "native-sidecar",
    "standalone",
    *sorted(f"overlays/{one.name}" for one in (KUBERNETES / "overlays").iterdir()),
)
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@functools.cache
def rendered(name: str) -> tuple[Object, ...]:
    """Every object of one of `APPLIED`, as it is kept in deploy/kubernetes/rendered. Not to be changed."""
    return tuple(yaml.safe_load_all((KUBERNETES / "rendered" / f"{Path(name).name}.yaml").read_text()))


def built(folder: Path) -> tuple[Object, ...]:
    """Every object of the kustomization in a folder, as kubectl renders it.

    Skips the calling test where kubectl is too old for components, in CI too: Debian 12 has no other."""
    kubectl = require("kubectl")
    told = json.loads(_printed(kubectl, "version", "--client", "-o", "json"))
    version = told.get("kustomizeVersion", "v2")
    if int(version.removeprefix("v").partition(".")[0]) < 5:
        pytest.skip(f"the kustomize of kubectl is {version}, and 5 is needed; deploy/kubernetes/rendered is tested")
    return tuple(yaml.safe_load_all(_printed(kubectl, "kustomize", str(folder))))


def _printed(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # it warns of what is deprecated
    return done.stdout


def of_kind(name: str, kind: str) -> list[Object]:
    """The objects of one kind."""
    return [one for one in rendered(name) if one["kind"] == kind]


def front(name: str) -> Object:
    """The Deployment with Sidecar in it."""
    (found,) = (one for one in of_kind(name, "Deployment") if "sidecar-form" in one["metadata"]["labels"])
    return found


def pod(name: str) -> Object:
    """The spec of its pods."""
    spec: Object = front(name)["spec"]["template"]["spec"]
    return spec


def containers(spec: Object) -> list[Object]:
    """All containers of a pod."""
    return [*spec.get("initContainers", ()), *spec["containers"]]


def sidecar(name: str) -> Object:
    """The container that runs Sidecar."""
    (found,) = (one for one in containers(pod(name)) if one["name"] == "sidecar")
    return found


def numbers(container: Object) -> dict[str, int]:
    """The ports that a container names."""
    return {port["name"]: port["containerPort"] for port in container.get("ports", ())}


def command_lines(container: Object) -> Iterator[list[str]]:
    """Every command that the container or its kubelet runs, by its words."""
    yield ["sidecar", *container["args"]]
    hook = container.get("lifecycle", {}).get("preStop", {})
    for place in (*(container.get(probe, {}) for probe in PROBES), hook):
        if "exec" in place:
            yield [str(word) for word in place["exec"]["command"]]


def environment(container: Object) -> dict[str, str]:
    """Its environment; what comes out of a Secret is some word."""
    return {one["name"]: one.get("value", "a secret") for one in container.get("env", ())}


def loaded(name: str, folder: Path) -> Loaded:
    """The rules that the container reads, with its environment, its Secrets in `folder`; raises as loading does."""
    (mapping,) = of_kind(name, "ConfigMap")
    files = server_certificate().write(folder, "tls")
    text = mapping["data"]["sidecar.yaml"]
    for path, file in (("/etc/tls/tls.crt", files.certificate), ("/etc/tls/tls.key", files.private_key)):
        text = text.replace(path, str(file))
    return load_text(text, "sidecar.yaml", Given(environ=environment(sidecar(name))))


def selected(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels, which must not be empty, takes an object with these."""
    assert selector
    return selector.items() <= labels.items()
