"""What an admission is without a policy of its own."""

from __future__ import annotations

import math

import pytest

from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, NO_TIME, REFUSED, WAIT, Admission, Applicant


class _Anyone(Applicant):
    deadline = math.inf

    def key(self, key: object) -> str:
        return ""

    def granted(self, now: float) -> None:
        raise AssertionError("nobody waits")


def test_a_verdict_is_told_from_a_permit_by_its_sign() -> None:
    assert ADMITTED == 0
    assert len({REFUSED, WAIT}) == 2
    assert max(REFUSED, WAIT) < 0


def test_an_admission_refuses_by_its_own_name_and_status_unless_it_says_otherwise() -> None:
    admission = Admission("login/concurrency", Reason.CONCURRENCY_LIMITED)
    assert admission.rule == "login/concurrency"
    assert admission.status == 0
    assert admission.retry_after == NO_TIME
    assert not admission.shadow


def test_an_admission_must_decide_and_need_not_do_more() -> None:
    admission = Admission("login/concurrency", Reason.CONCURRENCY_LIMITED, shadow=True)
    with pytest.raises(NotImplementedError):
        admission.try_acquire(0.0, _Anyone())
    with pytest.raises(NotImplementedError):
        admission.resume(0.0, _Anyone())
    admission.withdraw(0.0, _Anyone())
    admission.settle(0.0, 1, Outcome.SUCCESS, 0.1)
    admission.inherit(admission, 0.0)
    assert admission.answer_fields(0.0, _Anyone()) == b""
    assert admission.snapshot(0.0) == {}
    assert admission.shadow
