"""The JSON Schema says what decoding does."""

from __future__ import annotations

import json
import re
from typing import Any

from sidecar.rules.json_schema import json_schema
from sidecar.rules.keys import keys_of
from sidecar.rules.schema import ListenerRule, RouteRule, RuleSet

SCHEMA = json_schema()


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for item in node for found in references(item)] if isinstance(node, list) else []


def patterns(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
        return own + [found for value in node.values() for found in patterns(value)]
    return [found for item in node for found in patterns(item)] if isinstance(node, list) else []


def test_it_is_plain_json_of_the_2020_draft_without_unknown_keys() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["additionalProperties"] is False


def test_every_reference_has_its_definition_and_every_pattern_compiles() -> None:
    found = references(SCHEMA)
    assert found
    assert {reference.removeprefix("#/$defs/") for reference in found} <= set(SCHEMA["$defs"])
    assert all(re.compile(pattern) for pattern in patterns(SCHEMA))


def test_every_key_is_there_with_a_description() -> None:
    assert set(SCHEMA["properties"]) == {key.name for key in keys_of(RuleSet)}
    for record in (ListenerRule, RouteRule):
        properties = SCHEMA["$defs"][record.__name__]["properties"]
        assert set(properties) == {key.name for key in keys_of(record)}
        assert all(value["description"] for value in properties.values())


def test_defaults_are_named_in_the_words_of_the_file() -> None:
    properties = SCHEMA["$defs"]["ListenerRule"]["properties"]
    assert properties["max_header_bytes"]["default"] == "32KiB"
    assert properties["timeouts"]["default"] == {"headers": "10s", "body": "30s", "idle": "75s"}
    assert SCHEMA["$defs"]["RouteRule"]["required"] == ["name"]
