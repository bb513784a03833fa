"""PostgreSQL behind a TCP listener, with the programs that people use: psql and pgbench notice nothing of the proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.certificates import root, server_certificate
from tests.doubles.postgres import Postgres, postgres
from tests.doubles.running import RunningProxy, example, rules_text, running
from tests.doubles.servers import Ended, ended, printed, require

WAITERS = 4
ROWS = 200_000


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres(server_certificate()) as started:
        yield started


def rules(server: Postgres, upstream: str = "", route: str = "") -> str:
    """A TCP listener in front of the server."""
    return rules_text(
        f"tcp://127.0.0.1:{server.port}",
        listener="protocol: tcp",
        upstream=upstream,
        route=f"match: {{listener: public}}, {route}",
    )


def program(name: str) -> str:
    """One of the server's own version; what is found first may be a slow wrapper."""
    return str(Path(require("initdb")).resolve().with_name(name))


def psql(proxy: RunningProxy, *options: str) -> list[str]:
    """A command that asks through the proxy."""
    where = ["-h", "localhost", "-p", str(proxy.port), "-U", "postgres", "-d", "postgres"]
    return [program("psql"), "-XAtq", *where, *options]


async def test_queries_and_bulk_data_come_through_and_each_connection_is_counted_as_one_request(
    server: Postgres,
) -> None:
    async with running(rules=rules(server)) as proxy:
        assert await printed(*psql(proxy, "-c", "select 6 * 7")) == "42\n"
        copied = await printed(*psql(proxy, "-c", f"copy (select * from generate_series(1, {ROWS})) to stdout"))
        assert copied.split() == [str(number) for number in range(1, ROWS + 1)]
        await printed(*psql(proxy, "-c", "create table given (number int)"))
        await printed(*psql(proxy, "-c", "copy given from stdin"), given=copied.encode())
        assert await printed(*psql(proxy, "-c", "select count(*) from given")) == f"{ROWS}\n"
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 5}


async def test_the_example_serves(server: Postgres) -> None:
    async with running(given=example("tcp-postgres", f"tcp://127.0.0.1:{server.port}", upstream="postgres")) as proxy:
        assert await printed(*psql(proxy, "-c", "select 6 * 7")) == "42\n"


async def test_pgbench_meets_no_error(server: Postgres) -> None:
    async with running(rules=rules(server)) as proxy:
        bench = [program("pgbench"), "-h", "127.0.0.1", "-p", str(proxy.port), "-U", "postgres"]
        await printed(*bench, "-i", "-s1", "-q", "postgres")
        steady = await printed(*bench, "-c4", "-j1", "-t50", "-n", "postgres")
        assert "number of transactions actually processed: 200/200" in steady
        assert "number of failed transactions: 0 " in steady
        anew = await printed(*bench, "-C", "-S", "-c4", "-j1", "-t10", "-n", "postgres")
        assert "number of transactions actually processed: 40/40" in anew
        await proxy.quiet()
        assert {status for _, status in proxy.requests()} == {200}


async def test_tls_of_the_server_passes_through_untouched(server: Postgres, tmp_path: Path) -> None:
    environment = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": root().write(tmp_path)}
    async with running(rules=rules(server)) as proxy:
        ask = psql(proxy, "-c", "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()")
        assert await printed(*ask, environment=environment) == "t|TLSv1.3\n"


async def _asks_until_answered(proxy: RunningProxy, failures: list[str]) -> str:
    while True:
        end = await ended(*psql(proxy, "-c", "select 'back'"))
        if end.code == 0:
            return end.text
        failures.append(end.text)


async def test_a_restart_under_hold_is_seen_by_nobody_who_connects_meanwhile(server: Postgres) -> None:
    hold = "hold: {timeout: 60s, release: 100/s}"
    async with running(rules=rules(server, hold, "timeout: {request: 60s}")) as proxy:
        queue = proxy.proxy.current.runtime.upstreams["app"].hold
        assert queue is not None
        for _ in range(3):
            await asyncio.to_thread(server.stop)
            failures: list[str] = []
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(_asks_until_answered(proxy, failures)) for _ in range(WAITERS)]
                await proxy.until(lambda: queue.snapshot(0.0)["held"] == WAITERS)
                await asyncio.to_thread(server.start)
            assert [one.result() for one in asked] == ["back\n"] * WAITERS
            # It accepts connections a moment before it is ready, and says so itself to whoever is that early.
            assert [one for one in failures if "the database system is starting up" not in one] == []


async def test_a_rate_of_connections_is_kept(server: Postgres) -> None:
    async with running(rules=rules(server, route="rate_limits: [{name: each, rate: 2/h, burst: 2}]")) as proxy:
        ends: list[Ended] = [await ended(*psql(proxy, "-c", "select 1")) for _ in range(4)]
        assert [end.code for end in ends] == [0, 0, 2, 2]
        assert "closed the connection unexpectedly" in ends[-1].text
        await proxy.quiet()
        assert proxy.requests() == {("TCP", 200): 2, ("TCP", 429): 2}


async def test_a_connection_above_the_limit_waits_in_line_until_another_one_ends(server: Postgres) -> None:
    async with running(rules=rules(server, route="concurrency: {max: 1, max_queue: 4, max_wait: 60s}")) as proxy:
        first = await asyncio.create_subprocess_exec(
            *psql(proxy), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(b"select 'inside';\n")
        assert await first.stdout.readline() == b"inside\n"
        second = asyncio.ensure_future(printed(*psql(proxy, "-c", "select 'after'")))
        await proxy.until(lambda: proxy.in_flight() == 2)
        (route,) = (await proxy.status())["routes"]
        told = route["policies"]["everything/concurrency"]
        assert (told["in_flight"], told["queued"]) == (1, 1)
        assert not second.done()
        first.stdin.close()
        assert await second == "after\n"
        assert await first.wait() == 0
