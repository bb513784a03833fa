"""One input from end to end: what becomes of each of its objects, and the text that comes out.

A workload that cannot be injected passes through as it is, with the reason; what is no manifest at all ends everything,
so that half of an input is never taken for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sidecar.inject.asked import Asked
from sidecar.inject.inputs import Found, Input, Note, Verdict
from sidecar.inject.objects import CHOICE, LEFT_ALONE, Path, Refused, Table, choice, named, part, pod_path, table
from sidecar.inject.services import Selection, Workload, about, repointed, restored, selecting
from sidecar.inject.workloads import Given, Injected, injected, is_ours, taken_out_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes out."""

    text: str
    notes: tuple[Note, ...]

    def count(self, verdict: Verdict) -> int:
        """How many objects met it."""
        return sum(note.verdict == verdict for note in self.notes)


def inject(texts: Sequence[tuple[str, str]], asked: Asked, version: str) -> Outcome:
    """Put a sidecar into every workload of these (name, text); ConfigError for what is no manifest.

    BadRules (plans.py) where the rules that were given cannot be used.
    """
    return _Injection(Input(texts), asked, version).outcome()


def uninject(texts: Sequence[tuple[str, str]]) -> Outcome:
    """Take what `inject` put in out again; ConfigError for what is no manifest."""
    return _Removal(Input(texts)).outcome()


class _Judgement:
    """What is said of the objects of an input."""

    def __init__(self, given: Input) -> None:
        self._input = given
        self._notes: list[Note] = []
        self._refused: set[int] = set()

    def _say(self, one: Found, verdict: Verdict, sentence: str = "", path: Path = ()) -> None:
        self._notes.append(Note(one.place(path), verdict, one.ours, sentence))

    def _judged(self, one: Found, judge: Callable[[Found], T], otherwise: T) -> T:
        try:
            return judge(one)
        except Refused as refused:
            self._say(one, "refused", str(refused), refused.path)
            self._refused.add(id(one))
        return otherwise

    def outcome(self) -> Outcome:
        """The text, and what there is to say."""
        return Outcome(self._input.text(), tuple(self._notes))


class _Injection(_Judgement):
    def __init__(self, given: Input, asked: Asked, version: str) -> None:
        super().__init__(given)
        self._asked = asked
        self._version = version
        self._maps = {(one.ours.namespace, one.ours.name): one for one in given.objects if one.kind == "ConfigMap"}
        self._known = {key: one.value for key, one in self._maps.items()}
        self._services = Selection()
        self._workloads = Selection()
        for one in given.objects:
            if one.kind == "Service":
                self._judged(one, self._service, None)
        for one in given.objects:
            self._judged(one, self._workload, None)
        for one in given.objects:
            if id(one) not in self._refused:
                self._judged(one, self._beside, None)

    def _service(self, one: Found) -> None:
        # As it was before: what it leads to now says nothing about the application.
        self._services.add(restored(one.value), part(one.value, ("spec", "selector")), True)

    def _selecting(self, one: Found, labels: Table) -> list[Table]:
        return [service for service in self._services.near(labels) if selecting(service, one.ours, labels)]

    def _workload(self, one: Found) -> None:
        try:
            path = pod_path(one.value)
            if path is None:
                if one.kind != "PodTemplate" and isinstance(one.value.get("spec"), dict) and _has_pod(one.value):
                    raise Refused(f"a {one.kind} is not injected; its annotation `{CHOICE}: disabled` says so, too")
                return
        except Refused:
            if choice(one.value, ()) != "disabled":
                raise
            self._say(one, "note", LEFT_ALONE)
            return
        labels = table(one.value, (*path, "metadata", "labels"))
        result = self._judged(one, lambda one: self._injected(one, path, labels), None)
        fronts = result.fronts if result else ()
        self._workloads.add(Workload(one.ours, labels, fronts), labels, False)

    def _injected(self, one: Found, path: Path, labels: Table) -> Injected:
        services = self._selecting(one, labels)
        given = Given(self._asked, self._version, one.ours, services, self._known)
        result = injected(one.value, path, given)
        one.new = result.value
        if result.config_map is not None:
            self._keep(one, result.config_map)
        self._say(one, result.verdict, result.sentence)
        for sentence in result.notes:
            self._say(one, "note", sentence)
        if result.verdict == "injected" and not services and one.new is not one.value:
            self._say(one, "note", _unseen(result))
        return result

    def _keep(self, one: Found, config_map: Table) -> None:
        """Put the ConfigMap in front of its workload, or its rules into the one that is there."""
        ours = named(config_map)
        present = self._maps.get((ours.namespace, ours.name))
        if present is None:
            one.before.append(config_map)
        else:
            present.new = {**present.value, "data": config_map["data"]}
        self._known[ours.namespace, ours.name] = config_map

    def _beside(self, one: Found) -> None:
        notes: list[str] = []
        if one.kind == "Service":
            selector = table(one.value, ("spec", "selector"))
            one.new, notes = repointed(one.value, self._meant(selector))
            if one.new != one.value:
                notes.append(
                    "is led elsewhere: apply it once the workload is rolled out; older pods do not listen there"
                )
        elif one.kind in ("NetworkPolicy", "PodMonitor"):
            notes = list(about(one.value, self._workloads.all))
        for sentence in notes:
            self._say(one, "note", sentence)

    def _meant(self, selector: Table) -> list[Workload]:
        first = dict(list(selector.items())[:1])
        return self._workloads.near(first)


def _unseen(result: Injected) -> str:
    """A Service that nobody showed us may be the one that matters."""
    leads = ", ".join(f"`targetPort: {front.listens}` instead of {front.number}" for front in result.fronts)
    by_name = " (by name it follows from Kubernetes 1.33 on)" if any(front.was for front in result.fronts) else ""
    return f"no Service of the input selects it; one that does has to say {leads}{by_name}"


def _has_pod(value: Table) -> bool:
    try:
        return bool(part(value, ("spec", "template", "spec", "containers")))
    except Refused:
        return False


class _Removal(_Judgement):
    def __init__(self, given: Input) -> None:
        super().__init__(given)
        gone: set[tuple[str, str]] = set()
        for one in given.objects:
            gone |= self._judged(one, self._bare, set())
        for one in given.objects:
            if one.kind == "Service":
                one.new = self._judged(one, lambda one: restored(one.value), one.value)
            elif one.kind == "ConfigMap":
                one.gone = is_ours(one.value) and (one.ours.namespace, one.ours.name) in gone

    def _bare(self, one: Found) -> set[tuple[str, str]]:
        """The namespace and name of the ConfigMap that nobody needs any more."""
        try:
            path = pod_path(one.value)
        except Refused:
            path = None
        if path is None:
            return set()
        new, name = taken_out_of(one.value, path)
        if new is None:
            self._say(one, "unchanged", "has no sidecar of ours")
            return set()
        one.new = new
        self._say(one, "taken out")
        return {(one.ours.namespace, name)}
