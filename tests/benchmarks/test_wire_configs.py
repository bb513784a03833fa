"""TLS and TCP are told to every proxy alike, and each accepts what it is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import configs, wire_configs
from benchmarks.proxies import find
from benchmarks.wire_configs import ECDSA, RSA, Identity
from sidecar.rules.load import load_rules
from tests.doubles.servers import require


@pytest.fixture
def who(tmp_path: Path) -> Identity:
    return wire_configs.identity(require("openssl"), tmp_path, ECDSA)


@pytest.mark.parametrize(("kind", "algorithm"), [(ECDSA, "prime256v1"), (RSA, "2048 bit")])
def test_a_certificate_is_of_the_kind_that_was_asked_for(tmp_path: Path, kind: str, algorithm: str) -> None:
    openssl = require("openssl")
    made = wire_configs.identity(openssl, tmp_path, kind)
    command = [openssl, "x509", "-in", str(made.certificate), "-noout", "-text"]
    assert algorithm in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_every_proxy_has_the_certificate_and_listens_and_forwards_where_told(tmp_path: Path, who: Identity) -> None:
    every = {
        "nginx": wire_configs.tls_nginx(tmp_path, 7001, 7002, 100, who),
        "envoy": wire_configs.tls_envoy(7001, 7002, who),
        "sidecar": wire_configs.tls_sidecar(7001, 7003, 7002, 100, who),
    }
    for name, text in every.items():
        for part in ("7001", "7002", str(who.certificate), str(who.private_key)):
            assert part in text, (name, part)
    haproxy = wire_configs.tls_haproxy(tmp_path, 7001, 7002, 100, who)
    assert str(tmp_path / "both.pem") in haproxy
    both = (tmp_path / "both.pem").read_text()
    assert "CERTIFICATE" in both
    assert "PRIVATE KEY" in both


def test_bytes_are_relayed_where_told_by_everyone(tmp_path: Path) -> None:
    for text in (
        wire_configs.tcp_nginx(tmp_path, 7001, 7002, 100, None),
        wire_configs.tcp_haproxy(7001, 7002, splice=False),
        wire_configs.tcp_envoy(7001, 7002),
        wire_configs.tcp_sidecar(7001, 7003, 7002, 100),
    ):
        assert "7001" in text
        assert "7002" in text
        assert "http://" not in text


def test_haproxy_accepts_what_it_is_told(tmp_path: Path, who: Identity) -> None:
    program = find(require("haproxy")) or require("haproxy")
    for name, text in (
        ("tls", wire_configs.tls_haproxy(tmp_path, 7001, 7002, 100, who)),
        ("splice", wire_configs.tcp_haproxy(7001, 7002, splice=True)),
    ):
        path = tmp_path / f"{name}.cfg"
        path.write_text(text)
        done = subprocess.run([program, "-c", "-f", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_only_one_row_of_haproxy_splices() -> None:
    assert "splice-auto" not in wire_configs.tcp_haproxy(7001, 7002, splice=False)
    assert "splice-auto" in wire_configs.tcp_haproxy(7001, 7002, splice=True)


def test_nginx_loads_its_stream_module_only_where_it_is_a_file(tmp_path: Path) -> None:
    assert "load_module" not in wire_configs.tcp_nginx(tmp_path, 7001, 7002, 100, None)
    text = wire_configs.tcp_nginx(tmp_path, 7001, 7002, 100, Path("/modules/stream.so"))
    assert text.startswith("load_module /modules/stream.so;\n")
    assert text.count("{") == text.count("}")


def test_envoy_relays_bytes_without_http() -> None:
    chains = json.loads(wire_configs.tcp_envoy(7001, 7002))["static_resources"]["listeners"][0]["filter_chains"]
    assert [each["typed_config"]["@type"].rpartition(".")[2] for each in chains[0]["filters"]] == ["TcpProxy"]


def test_sidecar_accepts_its_rules(tmp_path: Path, who: Identity) -> None:
    for name, text in (
        ("tls", wire_configs.tls_sidecar(7001, 7003, 7002, 100, who)),
        ("tcp", wire_configs.tcp_sidecar(7001, 7003, 7002, 100)),
    ):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        assert load_rules(str(path)).rules.listeners[0].name == "public"


def test_a_configuration_that_has_changed_underneath_is_noticed(
    tmp_path: Path, who: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configs, "nginx", lambda *_: "something else")
    with pytest.raises(ValueError, match="0 times"):
        wire_configs.tls_nginx(tmp_path, 7001, 7002, 100, who)
