"""Each cause has a reason to tell the client."""

from __future__ import annotations

from sidecar.model.outcome import REASON_OF, Cause, Outcome


def test_every_cause_has_its_reason() -> None:
    assert set(REASON_OF) == set(Cause)


def test_an_outcome_is_one_of_three() -> None:
    assert {outcome.value for outcome in Outcome} == {"success", "failure", "ignored"}
