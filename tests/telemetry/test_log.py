"""The access log writes what it was asked for, a bounded number of lines, and never costs a request."""

from __future__ import annotations

import json
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord
from sidecar.telemetry.log import MAX_LINES_PER_SECOND, Access, AccessLog, AccessSettings
from sidecar.telemetry.stats import Stats


class Log:
    """An access log on a page, at an instant of our choice. Samples wait for ever, or until the flush."""

    def __init__(self, access: Access = "errors", seed: int = 1, coloured: bool = False, **settings: Any) -> None:
        self.now = 50.0
        self.wall = 1_700_000_000.25
        self.works = True
        self.page: list[bytes] = []
        self.stats = Stats()
        self.log = AccessLog(
            AccessSettings(access, **settings),
            self.stats,
            self._write,
            self._start,
            random.Random(seed).random,
            coloured=coloured,
            monotonic=lambda: self.now,
            wall=lambda: self.wall,
        )

    def _write(self, line: bytes) -> bool:
        if self.works:
            self.page.append(line)
        return self.works

    def _start(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        work.close()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.page]

    def logged(self) -> list[str]:
        return [line["logged"] for line in self.lines() if "logged" in line]

    def end(self, made: ExchangeRecord) -> bool:
        """An exchange ends, as proxy/ tells it; whether it was wanted."""
        wanted = self.log.wants(made.status, made.reason is not None or bool(made.fallback), made.duration_ms / 1000)
        if wanted:
            self.log.exchange(made)
        return wanted


def record(status: int = 200, reason: Reason | None = None, seconds: float = 0.001) -> ExchangeRecord:
    made = ExchangeRecord()
    made.status = status
    made.reason = reason
    made.duration_ms = seconds * 1000
    return made


@pytest.mark.parametrize(
    ("access", "status", "reason", "wanted"),
    [
        ("errors", 200, None, False),
        ("errors", 404, None, False),
        ("errors", 500, None, True),
        ("errors", 429, Reason.RATE_LIMITED, True),
        ("sampled", 200, None, False),
        ("sampled", 404, None, False),
        ("sampled", 500, None, True),
        ("sampled", 429, Reason.RATE_LIMITED, True),
        ("all", 200, None, True),
        ("off", 500, Reason.RESET, False),
    ],
)
def test_the_rules_say_which_exchanges_are_written(
    access: Access, status: int, reason: Reason | None, wanted: bool
) -> None:
    log = Log(access, share=0.0)
    assert log.end(record(status, reason)) is wanted
    assert len(log.page) == wanted


def test_a_fallbacks_answer_is_written_although_it_is_no_error() -> None:
    log = Log("errors")
    made = record(200)
    made.fallback = "static"
    assert log.end(made)
    assert [(line["fallback"], line["logged"]) for line in log.lines()] == [("static", "error")]


@pytest.mark.parametrize(("seconds", "wanted"), [(0.4999, False), (0.5, True), (60.0, True)])
def test_a_sampled_log_has_every_slow_exchange(seconds: float, wanted: bool) -> None:
    log = Log("sampled", share=0.0, slow=0.5)
    assert log.end(record(seconds=seconds)) is wanted
    assert log.logged() == ["slow"] * wanted


@pytest.mark.parametrize("access", ["errors", "off"])
def test_slow_exchanges_are_of_no_concern_to_other_logs(access: Access) -> None:
    assert not Log(access, slow=0.5).end(record(seconds=9.0))


def test_each_line_says_why_it_is_there() -> None:
    log = Log("sampled", share=1.0, slow=1.0)
    for made in (record(500, seconds=2.0), record(429, Reason.RATE_LIMITED), record(seconds=1.0), record(404)):
        log.end(made)
    log.log.flush()
    assert log.logged() == ["error", "error", "slow", "sample"]
    log = Log("all")
    log.end(record(500))
    log.end(record(200))
    assert log.logged() == ["error", "all"]


def test_other_rules_are_followed_from_then_on() -> None:
    log = Log("off")
    assert not log.end(record(500))
    log.log.follow(AccessSettings("errors", "text"))
    assert log.end(record(500))
    assert log.page[0].startswith(b"2023-11-14T22:13:20.250Z 500 ")


def test_text_is_coloured_when_asked_for() -> None:
    log = Log("all", form="text", coloured=True)
    log.end(record(200))
    assert b"\x1b[32m200\x1b[0m" in log.page[0]


@pytest.mark.parametrize("access", ["errors", "sampled"])
def test_lines_past_the_second_s_share_are_dropped_counted_and_told(access: Access) -> None:
    log = Log(access)
    for _ in range(MAX_LINES_PER_SECOND + 5):
        log.end(record(503))
    assert len(log.page) == MAX_LINES_PER_SECOND
    assert log.stats.access_log_dropped == 5
    log.now += 1
    log.end(record(503))
    told, line = log.lines()[-2:]
    assert (told["event"], told["dropped"], told["level"]) == ("access_log_dropped", 5, "warning")
    assert line["status"] == 503
    log.log.flush()
    assert len(log.page) == MAX_LINES_PER_SECOND + 2, "told once"


def test_the_log_that_is_to_have_all_has_no_such_bound() -> None:
    log = Log("all")
    for number in range(MAX_LINES_PER_SECOND + 5):
        log.end(record(503 if number % 2 else 200))
    assert (len(log.page), log.stats.access_log_dropped) == (MAX_LINES_PER_SECOND + 5, 0)


def test_lines_that_cannot_be_written_are_counted_and_told_later() -> None:
    log = Log("all")
    log.works = False
    log.end(record())
    log.log.flush()
    assert log.stats.access_log_dropped == 1
    log.works = True
    log.log.flush()
    assert [line["dropped"] for line in log.lines()] == [1]


def test_lines_that_were_taken_and_lost_later_are_counted_and_told() -> None:
    log = Log("all")
    log.end(record())
    log.log.lost(3)
    log.now += 1
    log.end(record())
    assert log.stats.access_log_dropped == 3
    assert [line.get("dropped") for line in log.lines()] == [None, 3, None]


def test_what_a_lost_notice_told_of_is_told_again_and_not_counted_again() -> None:
    log = Log("all")
    log.log.lost(3)
    log.log.flush()
    log.log.lost(1, 3)  # as a full disk says of that notice and of a line
    log.log.flush()
    assert log.stats.access_log_dropped == 4
    assert [line["dropped"] for line in log.lines()] == [3, 4]


def test_who_finds_no_place_among_the_samples_is_not_sampled_and_not_dropped() -> None:
    log = Log("sampled", share=1.0, rate=10.0)
    assert sum(log.end(record()) for _ in range(100)) == 10
    log.log.flush()
    assert (log.logged(), log.stats.access_log_dropped) == (["sample"] * 10, 0)


def test_a_sample_that_cannot_be_written_is_counted() -> None:
    log = Log("sampled", share=1.0)
    log.end(record())
    log.works = False
    log.log.flush()
    assert log.stats.access_log_dropped == 1


def test_a_line_tells_when_to_the_millisecond() -> None:
    log = Log("all")
    for log.wall in (1_700_000_000.25, 1_700_000_000.9996, 1_700_000_001.0, 1_700_000_060.5):
        log.end(record())
    assert [line["time"] for line in log.lines()] == [
        "2023-11-14T22:13:20.250Z",
        "2023-11-14T22:13:20.999Z",
        "2023-11-14T22:13:21.000Z",
        "2023-11-14T22:14:20.500Z",
    ]


def test_a_sample_tells_when_it_ended_and_not_when_its_turn_came() -> None:
    log = Log("sampled", share=1.0)
    log.end(record())
    log.wall += 60
    log.log.flush()
    assert log.lines()[0]["time"] == "2023-11-14T22:13:20.250Z"


endings = st.lists(
    st.tuples(
        st.sampled_from([200, 204, 302, 404, 429, 500, 503]),
        st.booleans(),
        st.floats(0.0, 3.0),
        st.sampled_from([0.0, 0.0, 0.1, 1.0]),
    ),
    max_size=200,
)


@given(endings, st.floats(0.0, 1.0), st.integers(0, 1 << 32))
def test_within_the_bound_every_error_and_every_slow_exchange_is_written(
    ended: list[tuple[int, bool, float, float]], share: float, seed: int
) -> None:
    log = Log("sampled", seed, share=share, slow=1.0)
    expected = []
    for status, refused, seconds, pause in ended:
        log.now += pause
        log.end(record(status, Reason.RATE_LIMITED if refused else None, seconds))
        if status >= 500 or refused:
            expected.append("error")
        elif seconds >= 1.0:
            expected.append("slow")
    assert log.logged() == expected
    assert log.stats.access_log_dropped == 0


@given(endings, st.integers(0, 1 << 32))
def test_a_share_of_one_is_everything_and_of_nothing_nothing(
    ended: list[tuple[int, bool, float, float]], seed: int
) -> None:
    whole, none = Log("sampled", seed, share=1.0, rate=1000.0), Log("sampled", seed, share=0.0)
    for status, _refused, _seconds, _pause in ended:
        if status < 500:
            assert whole.end(record(status))
            assert not none.end(record(status))


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_share_holds(share: float, seed: int) -> None:
    log, exchanges = Log("sampled", seed, share=share), 50_000
    sampled = 0
    for _ in range(exchanges):
        if log.log.wants(200, False, 0.001):
            sampled += 1
    mean = exchanges * share
    assert abs(sampled - mean) < 4 * (mean * (1 - share)) ** 0.5, "four standard deviations of a fair draw"


def test_a_share_that_is_next_to_nothing_is_none_of_a_lifetime() -> None:
    log = Log("sampled", share=1e-300)
    assert not any(log.end(record()) for _ in range(100))
