"""The name decides: exactly, then by a wildcard for one label, then the first."""

from __future__ import annotations

import pytest

from sidecar.tls.names import index_by_name, look_up

NAMES = index_by_name([("one.test", "*.both.test"), ("*.two.test", "a.both.test", "ONE.test")])


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("one.test", 0),
        ("One.Test.", 0),
        ("x.both.test", 0),
        ("a.both.test", 1),
        ("x.two.test", 1),
        ("two.test", None),
        ("y.x.two.test", None),
        ("*.two.test", 1),
        ("test", None),
        ("", None),
    ],
)
def test_a_name_finds_its_identity(asked: str, index: int | None) -> None:
    assert look_up(NAMES, asked) == index
