"""The benchmarks of slow and of idle clients: how each proxy is started, what is counted, and how it is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import connections, machine, proxies, slow_clients
from benchmarks.connections import Crowd, Served
from benchmarks.slow_clients import ATTACKS, ROWS, Row, attacked, command, measure, sockets, started
from tests.doubles import servers


def sidecar() -> proxies.Proxy:
    return next(one for one in proxies.PROXIES if one.name == "sidecar")


@pytest.mark.parametrize("proxy", ROWS)
def test_every_proxy_is_started_with_its_configuration_in_its_own_folder(proxy: str, tmp_path: Path) -> None:
    line = command(proxy, "program", tmp_path, 1111, 2222, 50)
    (written,) = [one for one in tmp_path.iterdir() if one.is_file()]
    assert str(written) in line
    text = written.read_text()
    assert "1111" in text
    assert "2222" in text


def test_the_places_are_told_to_those_that_know_such_a_thing(tmp_path: Path) -> None:
    command("sidecar", "program", tmp_path, 1111, 2222, 50)
    assert "max_connections: 50\n" in (tmp_path / "sidecar.yaml").read_text()
    command("nginx", "program", tmp_path, 1111, 2222, 50)
    assert "worker_connections 100;" in (tmp_path / "nginx.conf").read_text()
    with pytest.raises(KeyError):
        command("squid", "program", tmp_path, 1111, 2222)


def test_a_row_tells_the_share_that_was_answered() -> None:
    row = Row("sidecar", "slow heads", 200, 199, 1.04, 9.99, 1020, 3 << 20)
    assert row.cells() == ["slow heads", "sidecar", "99.5%", "1.0", "10.0", "1020", "3.0 MiB"]


def test_who_is_not_installed_is_left_out() -> None:
    absent = proxies.Proxy("squid", lambda: None, lambda program: "", lambda program, site: [])
    assert measure(absent, ATTACKS[0], "slowhttptest", 10, 1) is None


def test_somebody_is_served_beside_an_attack_and_beside_idle_connections() -> None:
    servers.require("nginx")
    tester = servers.require("slowhttptest")
    program = sidecar().program()
    assert program is not None
    with started(sidecar(), program, 200) as (running, port):
        row = attacked(running, port, ATTACKS[0], tester, 40, 1)
        assert row.answered == row.asked > 0
        assert row.connections > 0
        with Crowd(port) as crowd:
            before = sockets(running.pid)
            crowd.open(30)
            assert (crowd.errors, crowd.ended()) == (0, 0)
            assert sockets(running.pid) >= before
            assert len({one.getsockname()[0] for one in crowd._open}) == 10


def test_the_lines_of_idle_connections() -> None:
    served = Served(12_345.0, 22.24, 0.5, 1.25, 0)
    alone = ["nginx", "0", "12 300", "22.2", "0.50", "1.25", "–", "0", "0"]
    assert connections._cells("nginx", 0, served, None, 0) == alone
    assert connections._cells("nginx", 9, served, 2048.0, 1)[-3:] == ["2.0 KiB", "1", "0"]


def test_without_a_load_generator_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "find", lambda name: None)
    monkeypatch.setattr(machine, "raise_open_files", lambda wanted=0: wanted)
    assert connections.main(["--idle", "1"]) == 2
    assert slow_clients.main([]) == 2


def test_the_hard_limit_is_raised_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    kernel = SimpleNamespace(
        RLIMIT_NOFILE=7, getrlimit=lambda _: (10, 20), setrlimit=lambda _, limits: asked.append(limits)
    )
    monkeypatch.setattr(connections, "resource", kernel)
    monkeypatch.setattr(machine, "raise_open_files", lambda wanted: wanted)
    connections.raise_hard_limit(15)
    assert asked == []
    connections.raise_hard_limit(40)
    assert asked == [(40, 40)]
