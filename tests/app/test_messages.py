"""What supervisor and workers say to each other survives the way between two processes."""

from __future__ import annotations

import pickle

import pytest

from sidecar.admin.subject import Condition
from sidecar.app.messages import Adopt, Begin, Findings, Happened, Inspect, Left, Place, Sight, read_only
from sidecar.debug.terms import ProfileTerms
from sidecar.model.address import Address
from sidecar.telemetry.events import Event
from tests.doubles.running import loaded, rules_text

RULES = rules_text(
    "http://127.0.0.1:1",
    upstream="circuit_breaker: {consecutive_failures: 3}, hold: {timeout: 1s}",
    route="rate_limits: [{name: all, rate: 10/s}], response_headers: {set: {a: b}}, fallback: {status: 200, body: x}",
)
PLACE = Place(Address("127.0.0.1", 80), 2, False)


@pytest.mark.parametrize(
    "message",
    [
        Begin(loaded(rules=RULES), "a.yaml", 1, 4, 5, [PLACE], [("app", "app/a", False, "ill")], ["app/a"]),
        Adopt(loaded("http://127.0.0.1:1"), [PLACE]),
        Sight([Condition("serving", holds=True, detail="")], [b"phase"], [b"routes"], ["b"], ["e"]),
        Happened(Event(1.0, "breaker", "upstream.app", "open", {"to": "open"})),
        Findings([("app", "app/a", True, "")]),
        Inspect(7, ProfileTerms(2.0, 100)),
        Left(3, {}),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_arrives_as_it_was_sent(message: object) -> None:
    assert pickle.loads(pickle.dumps(message)) == message


def test_rules_that_arrive_cannot_be_changed_either() -> None:
    rules = pickle.loads(pickle.dumps(loaded(rules=RULES))).rules
    assert type(rules.upstreams) is type(read_only({}))
