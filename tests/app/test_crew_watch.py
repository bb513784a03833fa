"""Workers that do not answer are ended; nobody else is."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.app.crew_watch import CrewWatch
from sidecar.app.messages import Beat
from sidecar.telemetry.stats import Stats
from sidecar.workers.link import LinkEndedError
from tests.doubles.timers import Timers


class Link:
    """Counts what is asked; `ended` once the process is gone."""

    def __init__(self) -> None:
        self.asked = 0
        self.ended = False
        self.breaks = False

    def tell(self, body: object) -> None:
        assert body == Beat()
        if self.breaks:
            raise LinkEndedError
        self.asked += 1


class Worker:
    """Notes how it is ended."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.pid = 100 + slot
        self.ready = True
        self.link = Link()
        self.ended: list[tuple[str, float]] = []


class Watched:
    """Two workers under a watch of eight seconds; those in `alive` answer."""

    def __init__(self) -> None:
        self.timers: Timers = Timers()
        self.workers: list[Any] = [Worker(0), Worker(1)]
        for worker in self.workers:
            worker.abort = lambda worker=worker: worker.ended.append(("aborted", self.timers.now))
            worker.kill = lambda worker=worker: worker.ended.append(("killed", self.timers.now))
        crew: Any = self
        loop: Any = self.timers
        self.stats = Stats()
        self.watch = CrewWatch(crew, 8.0, self.stats, loop)
        self.watch.start()

    def answered_for(self, seconds: int, *alive: int) -> None:
        for _ in range(seconds):
            for slot in alive:
                self.watch.heard(self.workers[slot])
            self.timers.pass_by(1.0)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_those_who_answer_live(watched: Watched) -> None:
    watched.answered_for(100, 0, 1)
    assert [worker.ended for worker in watched.workers] == [[], []]
    assert [worker.link.asked for worker in watched.workers] == [51, 51]


def test_one_that_does_not_is_aborted_after_the_time_and_that_is_told(watched: Watched) -> None:
    watched.answered_for(9, 0)
    assert [worker.ended for worker in watched.workers] == [[], [("aborted", 8.0)]]
    (event,) = watched.stats.events.recent
    assert (event.kind, event.subject, event.alarming, event.fields) == ("worker", "worker 1", True, {"pid": 101})
    assert event.text == "has not answered for 8s and is aborted"


def test_one_that_was_stopped_and_cannot_abort_is_killed(watched: Watched) -> None:
    watched.answered_for(10, 0)
    assert watched.workers[1].ended == [("aborted", 8.0), ("killed", 10.0)]


def test_an_answer_that_comes_late_counts(watched: Watched) -> None:
    for _ in range(5):
        watched.answered_for(7)
        watched.answered_for(1, 0, 1)
    assert [worker.ended for worker in watched.workers] == [[], []]


def test_after_a_freeze_of_all_of_them_nobody_is_accused(watched: Watched) -> None:
    watched.timers.jump(3600.0)
    watched.answered_for(20, 0, 1)
    assert [worker.ended for worker in watched.workers] == [[], []]


def test_one_that_has_not_begun_to_serve_is_left_alone(watched: Watched) -> None:
    watched.workers[1].ready = False
    watched.answered_for(30, 0)
    assert watched.workers[1].ended == []
    assert watched.workers[1].link.asked == 1


def test_one_that_is_gone_takes_its_silence_along(watched: Watched) -> None:
    watched.answered_for(7, 0)
    watched.workers[1].link.breaks = True
    watched.answered_for(1, 0)
    watched.workers[1].link.ended = True
    watched.answered_for(9, 0)
    assert [how for how, _ in watched.workers[1].ended] == ["aborted"]
    watched.workers.pop()
    watched.answered_for(9, 0)
    assert [worker.ended for worker in watched.workers] == [[]]


def test_once_stopped_it_looks_no_more(watched: Watched) -> None:
    watched.watch.stop()
    watched.watch.stop()
    watched.answered_for(30)
    assert [worker.ended for worker in watched.workers] == [[], []]
