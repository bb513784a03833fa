"""What timeouts may say."""

from __future__ import annotations

from sidecar.policies.timeout import TimeoutSpec


def test_by_default_a_request_is_bounded_and_a_stream_is_not() -> None:
    spec = TimeoutSpec()
    assert (spec.request, spec.attempt, spec.idle, spec.total) == (15.0, None, 60.0, None)


def test_every_part_can_be_off() -> None:
    spec = TimeoutSpec(request=None, idle=None)
    assert (spec.request, spec.idle, spec.mode) == (None, None, "enforce")
