"""What is asked of an injection, and how a pod remembers it."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.inject.asked import Asked, RulesFile, of_record, recalled, wanted
from sidecar.inject.objects import Refused
from sidecar.inject.ports import Wanted


def test_ports_are_read_with_how_they_are_spoken() -> None:
    assert [wanted(text) for text in ("http", "3000", "redis=tcp")] == [
        Wanted("http"),
        Wanted("3000"),
        Wanted("redis", "tcp"),
    ]
    assert str(wanted("redis=tcp")) == "redis=tcp"


@pytest.mark.parametrize("text", ["", "=tcp", "redis=udp", "redis=", "0", "70000"])
def test_other_words_are_no_port(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        wanted(text)


def test_what_was_asked_is_remembered() -> None:
    asked = Asked("image", (Wanted("a", "tcp"),), None, "map", ("a=b",), "2", 30.0)
    record = asked.remembered()
    assert "image" not in record
    assert recalled(record) == Asked(None, (Wanted("a", "tcp"),), None, "map", ("a=b",), "2", 30.0)
    assert Asked().remembered() == {}
    given = Asked(rules=RulesFile("x", "y")).remembered()
    assert recalled(given).rules == RulesFile("", "")


def test_what_is_said_now_counts_more_than_what_was_said() -> None:
    before = Asked("old", (Wanted("a"),), None, "map", ("a=b",), "2", 30.0)
    assert Asked().over(before) == before
    assert Asked(drain=1.0, ports=(Wanted("b"),)).over(before).ports == (Wanted("b"),)
    assert Asked(rules=RulesFile("x", "y")).over(before).config_map is None
    assert Asked(image="new").changes_nothing_but_the_image
    assert not Asked(image="new", workers="1").changes_nothing_but_the_image


@pytest.mark.parametrize("record", [{"asked": []}, {"asked": {"ports": [1]}}, {"asked": {"drain": "x"}}, []])
def test_a_record_that_somebody_changed_is_refused(record: Any) -> None:
    with pytest.raises(Refused, match="no longer readable"):
        of_record(record)
