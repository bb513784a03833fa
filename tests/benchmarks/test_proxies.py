"""Every row has a program to look for and a command that names its configuration."""

from pathlib import Path

import pytest

from benchmarks import proxies
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
