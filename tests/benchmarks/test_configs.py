"""Every proxy is told the same: where to listen, where to send, one worker, the same timeouts, no log."""

import json
from pathlib import Path

import pytest
import yaml

from benchmarks import configs
from sidecar.rules.load import load_rules


@pytest.fixture
def every(tmp_path: Path) -> dict[str, str]:
    return {
        "nginx": configs.nginx(tmp_path, 7001, 7002, 100),
        "haproxy": configs.haproxy(7001, 7002, 100),
        "caddy": configs.caddy(7001, 7002),
        "envoy": configs.envoy(7001, 7002, policies=False),
        "envoy+policies": configs.envoy(7001, 7002, policies=True),
        "sidecar": configs.sidecar(7001, 7003, 7002, 100, policies=False),
        "sidecar+policies": configs.sidecar(7001, 7003, 7002, 100, policies=True),
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


def test_nginx_braces_are_balanced(every: dict[str, str]) -> None:
    assert every["nginx"].count("{") == every["nginx"].count("}")


def test_only_the_policies_row_of_envoy_limits_retries_and_ejects(every: dict[str, str]) -> None:
    bare, full = json.loads(every["envoy"]), json.loads(every["envoy+policies"])
    for word in ("local_ratelimit", "retry_policy", "retry_budget", "outlier_detection"):
        assert word not in json.dumps(bare)
        assert word in json.dumps(full)


def test_only_the_policies_row_of_sidecar_limits_retries_breaks_and_ejects(every: dict[str, str]) -> None:
    bare, full = yaml.safe_load(every["sidecar"]), yaml.safe_load(every["sidecar+policies"])
    assert bare["routes"][0]["retry"] is None
    assert "rate_limits" not in bare["routes"][0]
    assert set(full["upstreams"]["app"]) - set(bare["upstreams"]["app"]) == {"ejection", "circuit_breaker"}
    assert {"rate_limits", "retry"} <= set(full["routes"][0])


@pytest.mark.parametrize("policies", [False, True])
def test_sidecar_accepts_its_rules(tmp_path: Path, policies: bool) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(configs.sidecar(7001, 7003, 7002, 100, policies=policies))
    assert load_rules(str(path)).rules.version == 1


def test_the_limit_of_the_policies_rows_can_be_brought_within_reach() -> None:
    assert '"max_tokens": 5' in configs.envoy(1, 2, policies=True, limit=5)
    assert "rate: 5/s, burst: 5" in configs.sidecar(1, 3, 2, 100, policies=True, limit=5)


def test_access_logs_are_off(every: dict[str, str]) -> None:
    assert "access_log off;" in every["nginx"]
    assert "access: off" in every["sidecar"]
    assert "option httplog" not in every["haproxy"]
    assert "access_log" not in every["envoy"]
