"""Looks at a sidecar, one after the other."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from sidecar.app.errors import CommandError
from sidecar.cli.looks import Glance, Looks, glance, pause
from sidecar.model.address import Address
from tests.doubles.admin import answering
from tests.doubles.sample_status import EVENTS, STATUS

LIMIT_SECONDS = 30.0


def heard(looks: Looks, count: int) -> list[Glance | str]:
    found: list[Glance | str] = []
    while len(found) < count:
        looks.wait()
        found += looks.take()
    return found


def test_a_glance_is_the_status_and_the_events() -> None:
    with answering() as told:
        told.paths = {"/status": STATUS, "/events": {"events": EVENTS}}
        assert glance(Address.parse(told.address)) == Glance(STATUS, EVENTS)


def test_a_sidecar_without_events_is_seen_too() -> None:
    with answering() as told:
        told.paths = {"/status": STATUS}
        assert glance(Address.parse(told.address)) == Glance(STATUS, [])


def test_who_does_not_answer_is_looked_for_again() -> None:
    with answering() as told:
        told.paths = {"/status": [{"no": "phase"}, STATUS]}
        with Looks(Address.parse(told.address), 0.01) as looks:
            sentence, seen = heard(looks, 2)[:2]
    assert isinstance(sentence, str)
    assert "is no sidecar's admin address" in sentence
    assert seen == Glance(STATUS, [])


def test_whoever_waits_is_woken_by_what_is_typed() -> None:
    reader, writer = os.pipe()
    with answering() as told:
        told.paths = {"/status": STATUS}
        with Looks(Address.parse(told.address), LIMIT_SECONDS) as looks:
            assert heard(looks, 1) == [Glance(STATUS, [])]
            os.write(writer, b"q")
            assert looks.wait(reader)
            os.read(reader, 1)
            os.write(looks.wake, b"\0")
            assert not looks.wait(reader)
    os.close(reader)
    os.close(writer)


def test_who_leaves_does_not_wait_for_a_sidecar_that_hangs() -> None:
    before = threading.enumerate()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with Looks(Address.parse(f"127.0.0.1:{silent.getsockname()[1]}"), 0.01):
            accepted, _ = silent.accept()  # it asks, and gets no answer
        thread = next(one for one in threading.enumerate() if one.name == "looks" and one not in before)
        assert thread.is_alive()
        accepted.close()
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()


def test_one_look_at_nobody_is_an_error() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(CommandError, match="no sidecar answers"):
            glance(Address.parse(f"127.0.0.1:{silent.getsockname()[1]}"))


def test_what_takes_long_to_tell_is_asked_for_less_often() -> None:
    assert pause(1.0, 0.125, heard=True) == 0.875
    assert pause(1.0, 1.0, heard=True) == 4.0
    assert pause(1.0, 0.25, heard=False) == 0.75
    assert pause(1.0, 5.0, heard=False) == 0.0  # it hangs: to ask again costs nobody anything
