"""The key `tracing`: what it is without a word, and what makes no sense in it."""

from __future__ import annotations

import json

import pytest

from sidecar.rules.effective import effective
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError

TEXT = """\
version: 1
listeners: [{address: ':8080'}]
upstreams: {app: {endpoints: 'http://127.0.0.1:1'}}
routes: [{name: all, upstream: app}]
"""


def loaded(tracing: str) -> Loaded:
    return load_text(f"{TEXT}tracing: {tracing}\n", "f", Given())


def test_traces_are_continued_and_recorded_nowhere_without_a_word() -> None:
    rule = load_text(TEXT, "f", Given()).rules.tracing
    assert (rule.headers, rule.sample, rule.export) == (True, 1.0, None)


def test_a_collector_is_enough_to_export() -> None:
    export = loaded("{export: {endpoint: 'http://127.0.0.1:4318'}}").rules.tracing.export
    assert export is not None
    assert (export.endpoint, dict(export.headers), export.service, dict(export.resource)) == (
        "http://127.0.0.1:4318",
        {},
        "sidecar",
        {},
    )


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{sample: 2}", "f:5:19: error: `2` is not a ratio"),
        ("{exprot: {}}", "f:5:11: error: unknown key `exprot`; did you mean `export`?"),
        ("{export: {}}", "error: `endpoint` is missing"),
        ("{export: {endpoint: 'collector:4318'}}", "f:5:30: error: `collector:4318` is not the URL of a collector"),
        ("{export: {endpoint: 'grpc://c:4317'}}", "f:5:30: error: `grpc://c:4317` is not the URL of a collector"),
        ("{export: {endpoint: 'http://c:99999'}}", "f:5:30: error: `http://c:99999` is not a URL: Port out of range"),
        ("{export: {endpoint: 'http://u:p@c'}}", "f:5:30: error: the URL of a collector has no user"),
        ("{export: {endpoint: 'http://c/a b'}}", "f:5:30: error: `http://c/a b` holds a character"),
        ("{export: {endpoint: 'http://c', service: ''}}", "error: `service` is empty"),
        (
            '{export: {endpoint: "http://c", headers: {authorization: "a\\nb"}}}',
            "f:5:67: error: the secret value is not a header value",
        ),
    ],
)
def test_what_makes_no_sense_is_told_where_it_stands(written: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(written)
    assert sentence in str(caught.value)


def test_the_headers_of_an_export_are_never_shown() -> None:
    found = loaded("{export: {endpoint: 'http://c', headers: {authorization: s3cret}}}")
    assert "s3cret" not in json.dumps(effective(found.rules, found.secrets)) + repr(found.rules)
