"""Names are looked up again and again; only a change is told, and a failure changes nothing. Virtual time."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from sidecar.model.address import Address
from sidecar.transport.resolver import Resolver
from sidecar.transport.tasks import Tasks
from tests.transport.doubles import VirtualLoop


class Names:
    """A resolver whose answers the test gives, and what it told."""

    def __init__(self, loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch, interval: float = 30.0) -> None:
        self.loop = loop
        self.answer: list[str] | OSError = []
        self.asked: list[float] = []
        self.told: list[tuple[Address, ...]] = []
        monkeypatch.setattr(loop, "getaddrinfo", self._getaddrinfo)
        self.resolver = Resolver(Address("app.internal", 80), interval, self.changed, loop, Tasks(loop))

    def changed(self, addresses: tuple[Address, ...]) -> None:
        self.told.append(addresses)

    async def _getaddrinfo(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        assert (host, port) == ("app.internal", 80)
        self.asked.append(self.loop.time())
        if isinstance(self.answer, OSError):
            raise self.answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in self.answer]


@pytest.fixture
def names(virtual: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(virtual, monkeypatch)


def test_the_first_answer_is_told_sorted_and_without_doubles(names: Names) -> None:
    names.answer = ["10.0.0.2", "10.0.0.1", "10.0.0.2"]
    names.resolver.start()
    names.loop.turn()
    assert names.told == [(Address("10.0.0.1", 80), Address("10.0.0.2", 80))]


def test_only_a_changed_answer_is_told(names: Names) -> None:
    names.answer = ["10.0.0.1", "10.0.0.2"]
    names.resolver.start()
    names.loop.advance(30.1)
    names.answer = ["10.0.0.2", "10.0.0.1"]
    names.loop.advance(30)
    assert len(names.told) == 1
    names.answer = ["10.0.0.3"]
    names.loop.advance(30)
    assert names.told[1:] == [(Address("10.0.0.3", 80),)]
    assert names.asked == pytest.approx([0, 30, 60, 90], abs=0.1)


@pytest.mark.parametrize("worse", [socket.gaierror(-2, "Name or service not known"), []])
def test_a_failure_keeps_the_last_good_answer(names: Names, worse: list[str] | OSError) -> None:
    names.answer = ["10.0.0.1"]
    names.resolver.start()
    names.loop.advance(1)
    names.answer = worse
    names.loop.advance(60)
    assert len(names.told) == 1
    assert names.resolver.known == (Address("10.0.0.1", 80),)


def test_without_any_answer_it_asks_every_second(names: Names) -> None:
    names.answer = socket.gaierror(-2, "Name or service not known")
    names.resolver.start()
    names.loop.advance(3.5)
    assert len(names.asked) == 4
    names.answer = ["10.0.0.1"]
    names.loop.advance(1)
    assert names.told == [(), (Address("10.0.0.1", 80),)]


def test_a_name_that_fails_is_logged_once_and_not_at_every_try(names: Names, caplog: pytest.LogCaptureFixture) -> None:
    names.answer = socket.gaierror(-2, "Name or service not known")
    names.resolver.start()
    names.loop.advance(3.5)
    assert caplog.text.count("no address is known yet") == 1
    names.answer = ["10.0.0.1"]
    names.loop.advance(1)
    names.answer = socket.gaierror(-2, "Name or service not known")
    names.loop.advance(100)
    assert caplog.text.count("keeping the 1 known") == 1
    assert names.told[-1] == (Address("10.0.0.1", 80),)


def test_a_failing_listener_does_not_end_it(
    virtual: VirtualLoop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Names):
        def changed(self, addresses: tuple[Address, ...]) -> None:
            super().changed(addresses)
            raise RuntimeError("a bug")

    names = Failing(virtual, monkeypatch)
    names.answer = ["10.0.0.1"]
    names.resolver.start()
    virtual.advance(1)
    names.answer = ["10.0.0.2"]
    virtual.advance(30)
    assert len(names.told) == 2
    assert "a bug" in caplog.text


def test_stopped_it_asks_no_more(names: Names) -> None:
    names.answer = ["10.0.0.1"]
    names.resolver.start()
    names.resolver.start()
    names.loop.advance(1)
    names.resolver.stop()
    names.loop.advance(100)
    assert len(names.asked) == 1


def test_an_interval_of_nothing_is_refused(virtual: VirtualLoop) -> None:
    with pytest.raises(ValueError, match="more than zero"):
        Resolver(Address("h", 1), 0, lambda _: None, virtual, Tasks(virtual))
