"""The protocol that wiring fulfils."""

from sidecar.admin.subject import Condition, Subject
from tests.doubles.subject import FakeSubject


async def test_the_double_is_a_subject() -> None:
    subject: Subject = FakeSubject()
    assert subject.conditions()[0].holds


def test_a_condition_needs_no_detail() -> None:
    assert Condition("rules", holds=True).detail == ""
