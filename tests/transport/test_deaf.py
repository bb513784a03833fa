"""The receiver that hears nothing has every method that a receiver needs."""

from __future__ import annotations

import inspect

import pytest

from sidecar.transport.deaf import DEAF
from sidecar.transport.stream import RequestReceiver, ResponseReceiver


@pytest.mark.parametrize("ear", [RequestReceiver, ResponseReceiver])
def test_every_call_is_taken_and_nothing_answered(ear: type) -> None:
    names = [name for name, value in vars(ear).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert names
    for name in names:
        arguments = [None] * (len(inspect.signature(getattr(ear, name)).parameters) - 1)
        assert getattr(DEAF, name)(*arguments) is None
