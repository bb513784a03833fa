"""Impossible numbers are refused where they are made."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.transport.settings import DownstreamSettings, PoolSettings


@pytest.mark.parametrize(
    "wrong", [{"header_timeout": 0}, {"body_timeout": -1}, {"idle_timeout": 0}, {"max_body_bytes": -1}]
)
def test_a_listener_needs_possible_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        DownstreamSettings(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"max_connections": 0}, {"max_connects_per_second": 0}, {"idle_timeout": 0}, {"max_lifetime": 0}]
)
def test_a_pool_needs_possible_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        PoolSettings(**wrong)


def test_what_may_be_absent_may_be_absent() -> None:
    assert DownstreamSettings(max_body_bytes=None).max_body_bytes is None
    assert PoolSettings(max_connects_per_second=None, max_lifetime=None).max_lifetime is None
