"""Every row is what its kind says, in a configuration that its program takes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import overload_rows
from benchmarks.overload_rows import ADAPTIVE, NAMES, PLACES, PLAIN, ROWS, TOLD, Row
from benchmarks.proxies import Proxy, Site
from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.retry import RetrySpec
from sidecar.rules.load import load_rules
from tests.doubles import servers

PROXIED = [row for row in ROWS if row.proxy is not None]


def written(row: Row, folder: Path) -> Path:
    assert row.proxy is not None
    command = row.proxy.command("/bin/program", Site(folder, 7001, 7002))
    (path,) = [Path(word) for word in command if word.startswith(f"{folder}/")]
    return path


def named(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


@pytest.mark.parametrize("row", PROXIED, ids=lambda row: row.name)
def test_the_command_points_at_a_configuration_in_its_own_folder(row: Row, tmp_path: Path) -> None:
    text = written(row, tmp_path).read_text()
    assert "7002" in text


@pytest.mark.parametrize("family", ["nginx", "haproxy", "caddy", "envoy", "sidecar"])
def test_a_row_that_is_told_differs_from_the_plain_one_by_the_capacity(family: str, tmp_path: Path) -> None:
    (tmp_path / "told").mkdir()
    plain = written(named(family), tmp_path).read_text()
    told = written(named(f"{family} told"), tmp_path / "told").read_text()
    assert str(PLACES) in told
    assert len(told) > len(plain) - 20


def test_each_name_stands_once_and_its_family_is_a_program() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(ROWS)
    assert {row.kind for row in ROWS} == {PLAIN, ADAPTIVE, TOLD}
    assert [row.name for row in ROWS if row.proxy is None] == ["direct"]
    assert all(isinstance(row.proxy, Proxy) and row.proxy.name == row.name for row in PROXIED)


def test_sidecar_as_it_comes_is_told_nothing_but_its_endpoint(tmp_path: Path) -> None:
    (route,) = load_rules(str(written(named("sidecar"), tmp_path))).rules.routes
    assert route.spec(BulkheadSpec) is None
    assert route.spec(RetrySpec) is not None


def test_sidecar_told_has_the_places_and_a_line(tmp_path: Path) -> None:
    (route,) = load_rules(str(written(named("sidecar told"), tmp_path))).rules.routes
    limit = route.spec(BulkheadSpec)
    assert limit is not None
    assert (limit.max, limit.max_queue, limit.max_wait) == (PLACES, 5 * PLACES, 0.1)


def test_envoy_has_its_own_circuit_breakers_unless_told(tmp_path: Path) -> None:
    def cluster(row: str) -> dict[str, object]:
        document: dict[str, Any] = json.loads(written(named(row), tmp_path).read_text())
        (only,) = document["static_resources"]["clusters"]
        return dict(only)

    assert "circuit_breakers" not in cluster("envoy")
    assert cluster("envoy told")["circuit_breakers"] == {
        "thresholds": [{"max_connections": PLACES, "max_pending_requests": 5 * PLACES}]
    }


def test_envoy_adaptive_filters_before_it_routes(tmp_path: Path) -> None:
    text = written(named("envoy adaptive"), tmp_path).read_text()
    assert 0 < text.index("adaptive_concurrency") < text.index("http.router")


@pytest.mark.parametrize("row", ["nginx", "nginx told"])
def test_nginx_takes_its_configuration(row: str, tmp_path: Path) -> None:
    program = servers.require("nginx")
    path = written(named(row), tmp_path)
    done = subprocess.run([program, "-t", "-e", "stderr", "-c", path], capture_output=True, text=True, check=False)
    assert "test is successful" in done.stderr


@pytest.mark.parametrize("row", ["haproxy", "haproxy told"])
def test_haproxy_takes_its_configuration(row: str, tmp_path: Path) -> None:
    program = servers.require("haproxy")
    done = subprocess.run([program, "-c", "-f", written(named(row), tmp_path)], capture_output=True, check=False)
    assert done.returncode == 0


def test_a_change_that_does_not_find_its_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 times"):
        overload_rows._replaced("a b a", "a", "c")


def test_a_program_that_is_missing_has_no_version() -> None:
    missing = Proxy("gone", lambda: None, lambda program: program, lambda program, site: [program])
    assert list(overload_rows.versions([Row("gone", PLAIN, missing)])) == ["python"]
