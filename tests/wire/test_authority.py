"""Hosts and ports."""

import pytest

from sidecar.wire.authority import valid_authority


@pytest.mark.parametrize("value", [b"", b"a", b"a.b:80", b"a:", b"[::1]", b"[::1]:80", b"a_b", b"%41", b"*"])
def test_an_authority_is_a_host_and_perhaps_a_port(value: bytes) -> None:
    assert valid_authority(value)


@pytest.mark.parametrize(
    "value",
    [b"u@h", b"h/", b"h?", b"h#", b"h h", b"h:x", b"h:1:2", b"h:123456", b"[", b"[]", b"[::1]1", b"\x00", b"h,i"],
)
def test_anything_else_is_none(value: bytes) -> None:
    assert not valid_authority(value)
