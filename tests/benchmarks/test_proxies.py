"""Every row has a program to look for and a command that names its configuration."""

from pathlib import Path

import pytest

from benchmarks import proxies
from benchmarks.processes import ask, free_port
from benchmarks.proxies import PROXIES, Proxy, Site


@pytest.mark.parametrize("proxy", PROXIES, ids=lambda proxy: proxy.name)
def test_the_command_points_at_a_configuration_in_its_own_directory(proxy: Proxy, tmp_path: Path) -> None:
    command = proxy.command("/bin/program", Site(tmp_path, 7001, 7002))
    assert command[0] == "/bin/program"
    written = [Path(word) for word in command if word.startswith(f"{tmp_path}/")]
    assert len(written) == 1
    assert "7002" in written[0].read_text()


def test_single_worker_options_are_given() -> None:
    caddy = next(proxy for proxy in PROXIES if proxy.name == "caddy")
    assert caddy.environment["GOMAXPROCS"] == "1"


def test_envoy_runs_one_worker_without_hot_restart(tmp_path: Path) -> None:
    envoy = next(proxy for proxy in PROXIES if proxy.name == "envoy")
    command = envoy.command("envoy", Site(tmp_path, 1, 2))
    assert command[command.index("--concurrency") + 1] == "1"
    assert "--disable-hot-restart" in command


def test_a_program_that_does_not_exist_is_not_found() -> None:
    assert proxies.find("no-such-program-anywhere") is None


def test_row_names_are_unique_and_begin_with_the_reference() -> None:
    assert proxies.NAMES[0] == "direct"
    assert len(set(proxies.NAMES)) == len(proxies.NAMES)


def test_every_row_with_policies_stands_behind_the_same_proxy_without() -> None:
    full = [proxy for proxy in PROXIES if proxy.policies]
    assert {proxy.name for proxy in full} == {f"{name}+policies" for name in ("nginx", "haproxy", "envoy", "sidecar")}
    for proxy in full:
        assert proxies.NAMES[proxies.NAMES.index(proxy.name) - 1] == proxy.name.removesuffix("+policies")
        assert proxy.name not in proxies.DEFAULT


def test_rows_with_policies_are_added_behind_their_own() -> None:
    assert proxies.with_policies(["direct", "caddy", "sidecar", "nginx"]) == [
        "direct", "nginx", "nginx+policies", "caddy", "sidecar", "sidecar+policies",
    ]  # fmt: skip


# Peers are what a benchmark compares with and not what the product stands on: those that are there take part.
HERE = [each for each in PROXIES if each.policies and each.program() is not None and proxies.find("nginx") is not None]


@pytest.mark.parametrize("proxy", HERE, ids=lambda proxy: str(proxy.name))
def test_the_program_accepts_its_policies_forwards_and_refuses_beyond_its_limit(proxy: Proxy, tmp_path: Path) -> None:
    nginx, program = proxies.find("nginx"), proxy.program()
    assert nginx is not None
    assert program is not None
    for name in ("backend", "near", "far"):
        (tmp_path / name).mkdir()
    backend = free_port()
    with proxies.start_backend(nginx, tmp_path / "backend", backend, None) as behind:
        behind.wait_until_answers(backend)
        far = Site(tmp_path / "far", free_port(), backend)
        with proxy.start(program, far, None) as started:
            started.wait_until_answers(far.port)
            assert [ask(far.port) for _ in range(5)] == [200] * 5
        near = Site(tmp_path / "near", free_port(), backend, 1)
        with proxy.start(program, near, None) as started:
            started.wait_until_answers(near.port)
            assert 429 in [ask(near.port) for _ in range(10)]
