"""The rows of a comparison differ in one number, and their requests reach what they are to reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import scale_cases
from sidecar.rules.load import load_rules


@pytest.mark.parametrize("case", scale_cases.NAMES)
def test_sidecar_accepts_the_rules_of_every_row(case: str, tmp_path: Path) -> None:
    for number, row in enumerate(scale_cases.rows(case, 40, 50)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(row.rules(7001, 7003, 7002))
        assert load_rules(str(path)).rules.routes


def test_the_tables_of_routes_are_of_the_size_they_are_named_for() -> None:
    few, many = scale_cases.rows(scale_cases.ROUTES, 300, 1)
    assert (few.name, many.name) == ("10 routes", "300 routes")
    assert [row.rules(1, 2, 3).count("upstream: app}") for row in (few, many)] == [10, 300]


def test_one_key_stands_beside_many_in_a_table_that_holds_them_and_one_that_does_not() -> None:
    one, forgetful, whole = scale_cases.rows(scale_cases.KEYS, 10, 1_000_000)
    assert one.name == "one key"
    assert forgetful.name == "1000000 keys, 100000 remembered"
    assert "max_keys: 100000}" in forgetful.rules(1, 2, 3)
    assert "max_keys: 1000000}" in whole.rules(1, 2, 3)
    assert whole.fill == 1_000_000


def test_a_script_sends_a_whole_request_with_a_number_in_it_from_where_it_is_told() -> None:
    script = scale_cases.keys(7, 7).script(40)
    found = re.search(r'^local before, after = "(.*)", "(.*)"$', script, re.MULTILINE)
    assert found is not None
    text = (found[1] + "3" + found[2]).replace("\\r\\n", "\r\n").replace('\\"', '"')
    assert text.startswith("GET /small HTTP/1.1\r\nHost: ")
    assert text.endswith("\r\nX-Api-Key: customer-3\r\n\r\n")
    assert "local n = 40\n" in script
    assert "n = (n + 1) % 7\n" in script
    assert "VERDICT" in script


def test_what_is_seen_stands_beside_the_same_rules_with_nothing_seen() -> None:
    nothing, usual, *_ = scale_cases.rows(scale_cases.SEEN, 1, 1)
    assert (nothing.module, usual.module) == ("benchmarks.unseen", "sidecar")
    changed = nothing.rules(1, 2, 3).replace("headers: false", "headers: true").replace("access: off", "access: errors")
    assert changed == usual.rules(1, 2, 3)
