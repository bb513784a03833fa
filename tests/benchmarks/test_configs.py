"""Every proxy is told the same: where to listen, where to send, one worker, the same timeouts, no log."""

import json
from pathlib import Path

import pytest
import yaml

from benchmarks import configs
from sidecar.rules.load import load_rules

LIMIT = 4711


@pytest.fixture
def every(tmp_path: Path) -> dict[str, str]:
    return {
        "nginx": configs.nginx(tmp_path, 7001, 7002, 100),
        "nginx+policies": configs.nginx(tmp_path, 7001, 7002, 100, limit=LIMIT),
        "haproxy": configs.haproxy(7001, 7002, 100),
        "haproxy+policies": configs.haproxy(7001, 7002, 100, limit=LIMIT),
        "caddy": configs.caddy(7001, 7002),
        "envoy": configs.envoy(7001, 7002),
        "envoy+policies": configs.envoy(7001, 7002, limit=LIMIT),
        "sidecar": configs.sidecar(7001, 7003, 7002, 100),
        "sidecar+policies": configs.sidecar(7001, 7003, 7002, 100, limit=LIMIT),
    }


def test_all_listen_and_forward_where_told(every: dict[str, str]) -> None:
    for name, text in every.items():
        assert "7001" in text, name
        assert "7002" in text, name


def test_all_have_the_connect_and_request_timeouts(every: dict[str, str]) -> None:
    for name, text in every.items():
        assert "1s" in text, name
        assert "15s" in text, name
        assert "60s" in text, name


def test_nginx_writes_only_below_its_own_directory(every: dict[str, str], tmp_path: Path) -> None:
    places = [
        line.split()[1] for line in every["nginx"].splitlines() if "_temp_path" in line or line.startswith("pid ")
    ]
    assert len(places) == 6
    assert all(place.startswith(str(tmp_path)) for place in places)


@pytest.mark.parametrize("row", ["nginx", "nginx+policies"])
def test_nginx_braces_are_balanced(every: dict[str, str], row: str) -> None:
    assert every[row].count("{") == every[row].count("}")


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("nginx", ("limit_req zone=all", "limit_req zone=per_client", "limit_conn ", "proxy_next_upstream_tries")),
        ("haproxy", ("track-sc0 int(1)", "track-sc1 src", "maxconn 10000", "retry-on", "observe layer7")),
        ("envoy", ("local_ratelimit", "descriptors", "retry_policy", "retry_budget", "outlier_detection")),
        ("sidecar", ("rate_limits", "key: client_ip", "concurrency", "circuit_breaker", "ejection", "budget")),
    ],
)
def test_only_the_row_with_policies_limits_caps_retries_and_ejects(
    every: dict[str, str], proxy: str, words: tuple[str, ...]
) -> None:
    for word in words:
        assert word not in every[proxy]
        assert word in every[f"{proxy}+policies"]
    assert str(LIMIT) not in every[proxy]
    assert every[f"{proxy}+policies"].count(str(LIMIT)) >= 2, "both rate limits are told the limit"


def test_the_bare_row_of_sidecar_does_not_retry(every: dict[str, str]) -> None:
    assert yaml.safe_load(every["sidecar"])["routes"][0]["retry"] is None


@pytest.mark.parametrize("limit", [None, 5, configs.OUT_OF_REACH])
def test_sidecar_accepts_its_rules(tmp_path: Path, limit: int | None) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(configs.sidecar(7001, 7003, 7002, 100, limit=limit))
    assert load_rules(str(path)).rules.version == 1


def test_envoy_keeps_a_bucket_for_each_caller(every: dict[str, str]) -> None:
    document = json.loads(every["envoy+policies"])
    chain = document["static_resources"]["listeners"][0]["filter_chains"][0]
    filters = chain["filters"][0]["typed_config"]["http_filters"]
    names = [each["name"].rpartition(".")[2] for each in filters]
    assert names == ["all", "per_client", "router"]
    assert filters[1]["typed_config"]["descriptors"][0]["entries"] == [{"key": "remote_address"}]


def test_access_logs_are_off(every: dict[str, str]) -> None:
    assert "access_log off;" in every["nginx"]
    assert "access: off" in every["sidecar"]
    for row in ("haproxy", "haproxy+policies"):
        assert "option httplog" not in every[row]
    for row in ("envoy", "envoy+policies"):
        assert "access_log" not in every[row]
