"""What every exchange shares."""

from __future__ import annotations

from tests.proxy.bridges import Bridge


def test_a_process_is_not_leaving_until_it_says_so() -> None:
    assert Bridge().environment.draining is False
