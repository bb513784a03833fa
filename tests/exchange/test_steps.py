"""Steps are distinct words, and none is the nothing that means to go on."""

from sidecar.exchange import steps
from sidecar.policies.contract import Key


def test_no_two_steps_are_alike_and_none_is_zero() -> None:
    values = [steps.ATTEMPT, steps.REJECT, steps.DELIVER, steps.STOP, steps.WAIT, steps.SUBSTITUTE]
    assert len(set(values)) == len(values)
    assert all(values)


def test_nobody_has_no_key_and_waits_for_nothing() -> None:
    steps.NOBODY.woken()
    assert steps.NOBODY.key(Key()) == ""
