"""Events are kept, logged and told to whoever listens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.telemetry.events import KEPT, Event, Events


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "sidecar.events"):
        yield caplog


def test_an_event_is_kept_with_its_instant_and_its_fields() -> None:
    events = Events(lambda: 1_700_000_000.12345)
    events.tell("breaker", "upstream.app", "closed to open: by hand", {"to": "open"})
    (event,) = events.recent
    first = 1_700_000_000_123
    text = "closed to open: by hand"
    assert event == Event(1_700_000_000.12345, "breaker", "upstream.app", text, {"to": "open"}, False, first)
    assert event.as_mapping() == {
        "id": first,
        "time": 1_700_000_000.123,
        "kind": "breaker",
        "subject": "upstream.app",
        "text": "closed to open: by hand",
        "fields": {"to": "open"},
        "alarming": False,
    }


def test_identifiers_count_up_and_those_of_a_later_life_are_higher() -> None:
    first, second = Events(lambda: 1000.0), Events(lambda: 1001.0)
    for _ in range(3):
        first.tell("k", "a", "")
    second.tell("k", "a", "", alarming=True)
    ids = [event.id for event in (*first.recent, *second.recent)]
    assert ids == sorted(set(ids))
    assert second.recent[0].alarming


def test_only_the_last_events_are_kept_the_oldest_first() -> None:
    events = Events()
    for number in range(KEPT + 3):
        events.tell("k", str(number), "")
    assert [event.subject for event in events.recent] == [str(number) for number in range(3, KEPT + 3)]


def test_each_event_is_one_line_of_the_log_with_its_fields(log: pytest.LogCaptureFixture) -> None:
    events = Events()
    events.tell("readmitted", "app/127.0.0.1:1", "takes attempts again", {"upstream": "app"})
    (record,) = log.records
    assert (record.name, record.levelno) == ("sidecar.events", logging.INFO)
    assert record.getMessage() == "app/127.0.0.1:1: takes attempts again"
    assert record.__dict__["fields"] == {"event": "readmitted", "subject": "app/127.0.0.1:1", "upstream": "app"}


def test_an_alarming_event_is_a_warning(log: pytest.LogCaptureFixture) -> None:
    Events().tell("ejected", "app/127.0.0.1:1", "ejected for 30s", alarming=True)
    assert [record.levelno for record in log.records] == [logging.WARNING]


def test_a_listener_hears_each_event_until_it_leaves() -> None:
    events = Events()
    heard: list[str] = []
    leave = events.subscribe(lambda event: heard.append(event.subject))
    events.tell("k", "a", "")
    events.tell("k", "b", "")
    leave()
    leave()
    events.tell("k", "c", "")
    assert heard == ["a", "b"]


def test_one_callable_may_listen_twice_and_leave_once() -> None:
    events = Events()
    heard: list[Event] = []
    first = events.subscribe(heard.append)
    events.subscribe(heard.append)
    events.tell("k", "a", "")
    first()
    events.tell("k", "b", "")
    assert [event.subject for event in heard] == ["a", "a", "b"]


def test_a_listener_that_fails_is_logged_and_the_others_still_hear(log: pytest.LogCaptureFixture) -> None:
    events = Events()
    heard: list[Event] = []

    def fails(_event: Event) -> None:
        raise RuntimeError("no room")

    events.subscribe(fails)
    events.subscribe(heard.append)
    events.tell("k", "a", "")
    assert len(heard) == len(events.recent) == 1
    assert "no room" in log.text


def test_a_listener_may_leave_while_it_is_told() -> None:
    events = Events()
    heard: list[str] = []

    def once(event: Event) -> None:
        heard.append(event.subject)
        leave()

    leave = events.subscribe(once)
    events.tell("k", "a", "")
    events.tell("k", "b", "")
    assert heard == ["a"]


def test_an_adopted_event_says_whose_it_is_and_is_heard_but_not_logged_again(log: pytest.LogCaptureFixture) -> None:
    events = Events()
    heard: list[Event] = []
    events.subscribe(heard.append)
    told = Event(5.0, "ejected", "app/127.0.0.1:1", "ejected for 30s", {"upstream": "app"}, True, 7)
    events.adopt(told, 2)
    (adopted,) = heard
    assert list(events.recent) == heard
    assert adopted == replace(told, fields={"upstream": "app", "worker": 2}, id=adopted.id)
    assert adopted.id > 7, "the numbers of one process are its own"
    assert not log.records


@given(st.lists(st.integers(min_value=0, max_value=20)), st.sampled_from([1, 3, KEPT + 5]))
def test_adopted_events_stand_in_the_order_of_time_and_the_latest_are_kept(times: list[int], repeats: int) -> None:
    events = Events()
    instants = times * repeats
    for number, instant in enumerate(instants):
        events.adopt(Event(float(instant), "k", str(number), "", {}), number % 3)
    kept = [event.time for event in events.recent]
    assert kept == [float(instant) for instant in sorted(instants)[-KEPT:]]


def test_an_event_older_than_all_of_a_full_ring_is_heard_and_not_kept() -> None:
    events = Events(lambda: 9.0)
    for number in range(KEPT):
        events.tell("k", str(number), "")
    heard: list[Event] = []
    events.subscribe(heard.append)
    events.adopt(Event(1.0, "k", "old", "", {}), 0)
    assert [event.subject for event in heard] == ["old"]
    assert [event.subject for event in events.recent] == [str(number) for number in range(KEPT)]
