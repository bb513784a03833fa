"""Workloads that nobody wrote: whatever their ports, probes and hooks are, the invariants hold, and can be undone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.inject.asked import Asked
from sidecar.inject.injection import inject, uninject
from sidecar.inject.ports import Wanted
from sidecar.inject.values import block
from tests.inject import invariants
from tests.inject.invariants import VERSION, injected, objects

NAMES = ("http", "web", "http-app", "http-frontend-1", "http-fronte-app", "api", "redis", "metrics", "tcp-3000")
NUMBERS = (80, 443, 3000, 8080, 9901, 9902, 13000, 18080, 55535, 55536, 65535)
WORDS = st.sampled_from(["on", "0755", "1e3", "plain", "two\nlines\n", "", "a: b", "{{ x }}"])


@st.composite
def containers(draw: Any) -> list[dict[str, Any]]:
    numbers = iter(draw(st.permutations(NUMBERS)))
    found = []
    for index in range(draw(st.integers(1, 3))):
        names = iter(draw(st.permutations(NAMES)))
        ports: list[dict[str, Any]] = []
        for _ in range(draw(st.integers(0, 3))):
            port: dict[str, Any] = {"containerPort": next(numbers)}
            port |= {"name": next(names)} if draw(st.booleans()) else {}
            port |= draw(
                st.sampled_from([{}, {"protocol": "TCP"}, {"protocol": "UDP"}, {"hostPort": port["containerPort"]}])
            )
            ports.append(port)
        one: dict[str, Any] = {"name": f"c{index}", "image": f"app:{index}"}
        one |= {"ports": ports} if ports or draw(st.booleans()) else {}
        targets = [port["name"] for port in ports if "name" in port and port.get("protocol") != "UDP"] + [3000]
        for probe in draw(st.sets(st.sampled_from(["startupProbe", "livenessProbe", "readinessProbe"]))):
            one[probe] = {draw(st.sampled_from(["httpGet", "tcpSocket"])): {"port": draw(st.sampled_from(targets))}}
        hook = {"httpGet": {"port": draw(st.sampled_from(targets)), "path": "/x"}}
        one |= draw(
            st.sampled_from(
                [{}, {"lifecycle": {}}, {"lifecycle": {"preStop": hook}}, {"lifecycle": {"postStart": hook}}]
            )
        )
        one |= {"args": draw(st.lists(WORDS, max_size=2))} if draw(st.booleans()) else {}
        found.append(one)
    return found


@st.composite
def manifests(draw: Any) -> str:
    spec: dict[str, Any] = {"containers": draw(containers())}
    if draw(st.booleans()):
        spec["initContainers"] = [{"name": "first", "image": "first:1"}]
        if draw(st.booleans()):
            spec["initContainers"][0] |= {"restartPolicy": "Always", "ports": [{"name": "http", "containerPort": 2020}]}
    if draw(st.booleans()):
        spec["terminationGracePeriodSeconds"] = draw(st.integers(0, 100))
    if draw(st.booleans()):
        spec["volumes"] = draw(st.sampled_from([[], [{"name": "sidecar-rules", "emptyDir": {}}]]))
    metadata: dict[str, Any] = {"labels": {"app": "x", "word": draw(WORDS)}}
    if draw(st.booleans()):
        metadata["annotations"] = draw(st.dictionaries(st.sampled_from(["a", "b/c"]), WORDS))
    kind = draw(st.sampled_from(["Deployment", "StatefulSet", "DaemonSet", "Pod"]))
    one: dict[str, Any] = {"apiVersion": "v1" if kind == "Pod" else "apps/v1", "kind": kind}
    if kind == "Pod":
        one |= {"metadata": {"name": "x", **metadata}, "spec": spec}
    else:
        template = {"metadata": metadata, "spec": spec}
        one |= {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template}}
    targets = st.sampled_from([*NAMES, *NUMBERS])
    ports = [
        {"name": f"p{index}", "port": 80 + index, **({"targetPort": target} if target else {})}
        for index, target in enumerate(draw(st.lists(st.one_of(st.none(), targets), min_size=1, max_size=3)))
    ]
    service: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    service["spec"] = {"selector": {"app": "x"}, "ports": ports}
    documents = [block(one), block(service)]
    return "---\n".join(documents[:: draw(st.sampled_from([1, -1]))])


ASKED = st.builds(
    Asked,
    ports=st.one_of(
        st.just(()),
        st.lists(
            st.builds(Wanted, st.sampled_from(["3000", "8080", "http", "web"]), st.sampled_from(["http", "tcp"])),
            min_size=1,
            max_size=2,
            unique_by=lambda one: one.which,
        ).map(tuple),
    ),
    drain=st.sampled_from([None, 1.0, 50.0]),
)


@given(manifests(), ASKED)
def test_every_invariant_holds_and_once_more_changes_nothing(text: str, asked: Asked) -> None:
    found = inject([("x", text)], asked, VERSION)
    if not found.count("injected"):
        assert found.count("refused") == 1
        assert found.text == text
        return
    for invariant in invariants.ALL:
        invariant(text, found.text)
    again = inject([("x", found.text)], asked, VERSION)
    assert again.text == found.text
    assert again.count("unchanged") == 1
    assert injected(found.text, Asked(image="sidecar:latest")) == found.text
    assert objects(uninject([("x", found.text)]).text) == objects(text)
