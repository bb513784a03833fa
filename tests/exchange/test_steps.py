"""Steps are distinct words."""

from sidecar.exchange import steps


def test_no_two_steps_are_alike() -> None:
    values = [steps.ATTEMPT, steps.REJECT, steps.DELIVER, steps.STOP]
    assert len(set(values)) == len(values)
