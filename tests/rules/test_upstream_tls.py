"""What a rule may say of TLS towards an upstream."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.rules.upstream_tls import SERVER_NAME, UpstreamTls
from tests.policies.specs import refused


@pytest.mark.parametrize(
    ("given", "key", "sentence"),
    [
        ({"certificate": "/c"}, "certificate", "go together"),
        ({"private_key": "/k"}, "certificate", "go together"),
        ({"verify": False, "ca": "/ca"}, "ca", "is not looked at"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(given: dict[str, Any], key: str, sentence: str) -> None:
    refused(UpstreamTls, given, key, sentence)


@pytest.mark.parametrize("given", [{}, {"ca": "/ca"}, {"verify": False}, {"certificate": "/c", "private_key": "/k"}])
def test_a_half_that_stands_alone_is_taken(given: dict[str, Any]) -> None:
    assert UpstreamTls(**given).min_version == "1.2"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("App.Internal", "app.internal"),
        ("app.internal.", "app.internal"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
    ],
)
def test_a_server_is_named_by_a_host_name_or_an_address(text: str, name: str) -> None:
    assert SERVER_NAME.parse(text) == name


@pytest.mark.parametrize("text", ["", "app:443", "https://app", "*.app", "10.0.0", "a b", "unix:/x"])
def test_anything_else_is_no_name_of_a_server(text: str) -> None:
    with pytest.raises(ValueError, match="is not a name of a server"):
        SERVER_NAME.parse(text)
