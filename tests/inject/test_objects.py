"""What an injection knows of Kubernetes' objects."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.inject.objects import (
    CHOICE,
    Ours,
    Refused,
    choice,
    is_meant,
    may_meet,
    named,
    part,
    pod_path,
    table,
    tables,
)


@pytest.mark.parametrize(
    ("version", "kind", "path"),
    [
        ("v1", "Pod", ()),
        ("apps/v1", "Deployment", ("spec", "template")),
        ("extensions/v1beta1", "DaemonSet", ("spec", "template")),
        ("v1", "ReplicationController", ("spec", "template")),
        ("apps/v1", "Pod", None),
        ("serving.example/v1", "Deployment", None),
        ("v1", "Service", None),
        ("batch.example/v1", "Job", None),
    ],
)
def test_pods_are_found_by_group_and_kind(version: str, kind: str, path: Any) -> None:
    assert pod_path({"apiVersion": version, "kind": kind}) == path


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_a_job_is_refused(kind: str) -> None:
    with pytest.raises(Refused, match=f"a {kind} is called by nobody"):
        pod_path({"apiVersion": "batch/v1", "kind": kind})


def test_what_is_not_what_it_has_to_be_is_refused_at_its_place() -> None:
    with pytest.raises(Refused, match="`a` must be a mapping") as caught:
        part({"a": [1]}, ("a", "b"), ("spec",))
    assert caught.value.path == ("spec", "a")
    with pytest.raises(Refused, match=r"`a\.b` must be a mapping"):
        table({"a": {"b": 1}}, ("a", "b"))
    with pytest.raises(Refused, match="`a` must be a list of mappings"):
        tables({"a": [1]}, ("a",))
    assert part({"a": None}, ("a", "b")) is None
    assert table({}, ("a",)) == {}
    assert tables({"a": None}, ("a",)) == []


def test_a_selector_takes_pods_with_all_of_its_labels() -> None:
    assert is_meant({"a": "1"}, {"a": "1", "b": "2"})
    assert not is_meant({"a": "1", "b": "3"}, {"a": "1", "b": "2"})
    assert not is_meant({}, {"a": "1"})
    assert not is_meant(None, {"a": "1"})


def test_an_object_without_a_namespace_goes_wherever_it_is_applied() -> None:
    one, other = Ours("A", "a", "x"), Ours("B", "b", "y")
    assert not may_meet(one, other)
    assert may_meet(one, Ours("B", "b", ""))
    assert str(one) == "A/a"


def test_a_pod_that_is_named_later_is_called_by_its_beginning() -> None:
    assert named({"kind": "Pod", "metadata": {"generateName": "once-"}}).name == "once"
    assert str(named({"kind": "Pod"})) == "Pod/?"


def test_the_author_may_choose_on_the_workload_or_on_its_pod() -> None:
    says = {"metadata": {"annotations": {CHOICE: "disabled"}}}
    assert choice(says, ("spec", "template")) == "disabled"
    assert choice({"spec": {"template": says}}, ("spec", "template")) == "disabled"
    assert choice({}, ()) == ""
