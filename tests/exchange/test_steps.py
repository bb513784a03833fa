"""Steps are distinct words, and none is the nothing that means to go on."""

from sidecar.exchange import steps


def test_no_two_steps_are_alike_and_none_is_zero() -> None:
    values = [steps.ATTEMPT, steps.REJECT, steps.DELIVER, steps.STOP, steps.WAIT, steps.SUBSTITUTE]
    assert len(set(values)) == len(values)
    assert all(values)
