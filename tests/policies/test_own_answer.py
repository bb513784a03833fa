"""What a route may answer by itself, and the fields of a fixed answer."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.own_answer import RedirectSpec, RespondSpec, fixed_fields
from tests.policies.specs import refused


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (RedirectSpec, {}, "scheme", "leads back to itself"),
        (RedirectSpec, {"status": 301}, "scheme", "leads back to itself"),
        (RedirectSpec, {"host": "a:1"}, "host", "has a port"),
        (RedirectSpec, {"host": "[::1]:1"}, "host", "not the name of a host"),
        (RedirectSpec, {"host": "a@b"}, "host", "not the name of a host"),
        (RedirectSpec, {"host": "a\r\nx: 1"}, "host", "not the name of a host"),
        (RedirectSpec, {"port": 0}, "port", "from 1 to 65535"),
        (RedirectSpec, {"path": "new"}, "path", "begin with /"),
        (RedirectSpec, {"path": "/a#b"}, "path", "no `#`"),
        (RedirectSpec, {"path": "/a\r\nx: 1"}, "path", "no `#`"),
        (RespondSpec, {"status": 304, "body": "x"}, "body", "cannot be sent"),
        (RespondSpec, {"body": "\ud800"}, "body", "surrogate"),
        (RespondSpec, {"headers": {"transfer-encoding": "x"}}, "headers", "transfer-encoding"),
        (RespondSpec, {"headers": {"date": "x", "x-request-id": "y"}}, "headers", "may not set date, x-request-id"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize("given", [{"host": "[2001:db8::1]"}, {"port": 1}, {"path": "/a?b"}, {"scheme": "http"}])
def test_one_of_scheme_host_port_and_path_is_enough(given: dict[str, Any]) -> None:
    assert RedirectSpec(**given).status == 308


@pytest.mark.parametrize(
    ("status", "headers", "length", "expected"),
    [
        (200, {}, 0, b"content-length: 0\r\n"),
        (200, {}, 2, b"content-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n"),
        (200, {"content-type": "a/b"}, 2, b"content-type: a/b\r\ncontent-length: 2\r\n"),
        (204, {"x-a": "1"}, 0, b"x-a: 1\r\n"),
        (304, {}, 0, b""),
        (205, {}, 0, b"content-length: 0\r\n"),
    ],
)
def test_a_fixed_answer_announces_its_body_and_its_type(
    status: int, headers: dict[str, str], length: int, expected: bytes
) -> None:
    assert fixed_fields(status, headers, length) == expected


def test_further_fields_stand_where_the_rule_has_none_of_that_name() -> None:
    assert fixed_fields(204, {}, 0, cache_control="no-store") == b"cache-control: no-store\r\n"
    assert fixed_fields(204, {"cache-control": "a"}, 0, cache_control="no-store") == b"cache-control: a\r\n"
