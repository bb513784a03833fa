"""The units of deploy/systemd under a real systemd: what docs/systemd.md promises of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.doubles.booted import Booted, booted
from tests.doubles.certificates import server_certificate
from tests.doubles.servers import require

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
PAGE = (ROOT / "docs" / "systemd.md").read_text()
SIDECAR = "sidecar.service"
URL = "http://127.0.0.1:8080"
ADMIN = "http://127.0.0.1:9901"
PORTS = {"shop": 8101, "blog": 8111}
RULES = """\
version: 1
listeners: [{{address: "{address}"}}]
upstreams: {{app: {{endpoints: ["http://127.0.0.1:3000"]}}}}
routes: [{{name: all, upstream: app, response_headers: {{set: {{x-rules: {version}}}}}}}]
drain: {{announce: 0s, deadline: {deadline}}}
admin: {{address: "127.0.0.1:{admin}"{more}}}
"""
APP = """\
[Service]
Type=exec
ExecStart=/opt/sidecar/bin/sidecar demo --backend 127.0.0.1:3000
"""
BURSTY = """\
import asyncio, sys


async def ask(times):
    for _ in range(times):
        reader, writer = await asyncio.open_connection("127.0.0.1", 8080)
        writer.write(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        writer.close()


async def main():
    await asyncio.gather(*[ask(int(sys.argv[1])) for _ in range(4)])
    print("every one of them was answered")


asyncio.run(main())
"""


def rules(
    version: str = "one", address: str = ":8080", deadline: str = "25s", admin: int = 9901, more: str = ""
) -> str:
    return RULES.format(version=version, address=address, deadline=deadline, admin=admin, more=more)


@asynccontextmanager
async def installed(
    *, files: dict[str, str] | None = None, drop_in: str = "", programs: dict[str, Path] | None = None
) -> AsyncIterator[Booted]:
    """A machine on which it is installed and an application runs; `drop_in` is what `systemctl edit` would add."""
    require("curl")
    units = {path.name: path.read_text() for path in UNITS.iterdir() if path.suffix in (".service", ".socket")}
    units |= {"app.service": APP, f"{SIDECAR}.d/override.conf": drop_in}
    given = {"/etc/sidecar/sidecar.yaml": rules(), "/opt/bursty.py": BURSTY, **(files or {})}
    async with booted(units, given, programs) as system:
        await system.ran("systemctl", "start", "app")
        yield system


async def version_in_force(system: Booted) -> str:
    found = re.search("x-rules: (.*)\r", await system.asked(URL, "--include"))
    assert found
    return found[1]


async def main_pid(system: Booted) -> int:
    return int(await system.shows(SIDECAR, "MainPID"))


async def beats(system: Booted) -> None:
    """Waits until systemd has heard once more that it lives."""
    before = await system.shows(SIDECAR, "WatchdogTimestampMonotonic")
    async with asyncio.timeout(30):
        while await system.shows(SIDECAR, "WatchdogTimestampMonotonic") == before:
            await asyncio.sleep(0.05)


async def test_it_starts_reloads_and_stops_and_systemd_knows_each_of_it() -> None:
    async with installed() as system:
        await system.ran("systemctl", "enable", "--now", "sidecar")
        assert await system.shows(SIDECAR, "StatusText") == "serving on 1 listener, rules of generation 1"
        assert await version_in_force(system) == "one"
        config = system.root / "etc/sidecar/sidecar.yaml"
        config.write_text(rules("two"))
        await system.ran("systemctl", "reload", "sidecar")
        await system.becomes(SIDECAR, "StatusText", "rules of generation 2")
        assert await version_in_force(system) == "two"
        config.write_text(rules("three") + "bogus: 1\n")
        await system.ran("systemctl", "reload", "sidecar")
        await system.becomes(SIDECAR, "StatusText", "newer rules are refused: /etc/sidecar/sidecar.yaml:7:1: error:")
        assert await system.shows(SIDECAR, "SubState") == "running"
        assert await version_in_force(system) == "two"
        refused = await system.journal("--unit=sidecar", "--priority=err")
        assert json.loads(refused.splitlines()[-1])["level"] == "error"
        assert "unknown key `bogus`" in refused
        assert "serving on" not in refused
        await system.ran("systemctl", "stop", "sidecar")
        assert await system.shows(SIDECAR, "Result") == "success"
        assert "drained: every request was answered" in await system.journal("--unit=sidecar")


async def test_rules_that_cannot_be_used_are_told_and_not_started_again() -> None:
    async with installed(files={"/etc/sidecar/sidecar.yaml": "bogus: 1\n"}) as system:
        code, _ = await system.tried("systemctl", "start", "sidecar")
        assert code != 0
        assert await system.shows(SIDECAR, "SubState") == "failed"
        assert "the rules cannot be used: " in await system.shows(SIDECAR, "StatusText")
        assert await system.shows(SIDECAR, "NRestarts") == "0"


async def test_an_address_that_is_taken_is_told_and_tried_until_it_is_free() -> None:
    taken = "[Service]\nType=exec\nExecStart=/opt/sidecar/bin/sidecar demo --backend 0.0.0.0:8080\n"
    async with installed(files={"/etc/systemd/system/taker.service": taken}) as system:
        await system.ran("systemctl", "start", "taker")
        await system.tried("curl", "-sS", "--retry", "50", "--retry-connrefused", "--retry-delay", "0", URL)
        await system.tried("systemctl", "start", "--no-block", "sidecar")
        await system.becomes(SIDECAR, "StatusErrno", "98")
        assert "Address already in use" in await system.shows(SIDECAR, "StatusText")
        await system.ran("systemctl", "stop", "taker")
        await system.becomes(SIDECAR, "SubState", "running")
        assert await version_in_force(system) == "one"


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_loop_that_hangs_is_aborted_and_started_again(workers: int) -> None:
    files = {"/etc/sidecar/sidecar.env": f"SIDECAR_WORKERS={workers}\n"}
    async with installed(files=files, drop_in="[Service]\nWatchdogSec=3\n") as system:
        await system.ran("systemctl", "start", "sidecar")
        before = await main_pid(system)
        assert await system.shows(SIDECAR, "WatchdogUSec") == "3s"
        if workers > 1:
            one = (await system.ran("ps", "-o", "pid=", "--ppid", str(before))).split()[0]
            await system.ran("kill", "-STOP", one)
            await system.becomes(SIDECAR, "StatusText", "1 of 2 workers up")
            await system.becomes(SIDECAR, "StatusText", "2 of 2 workers up")
            assert "has not answered for 3s and is aborted" in await system.journal("--priority=warning")
            assert await main_pid(system) == before
            return
        await system.ran("kill", "-STOP", str(before))
        await system.becomes(SIDECAR, "NRestarts", "1")
        await system.becomes(SIDECAR, "SubState", "running")
        assert await main_pid(system) != before
        assert await version_in_force(system) == "one"


async def test_what_watches_it_is_content_with_one_that_is_well() -> None:
    async with installed(drop_in="[Service]\nWatchdogSec=1\n") as system:
        await system.ran("systemctl", "start", "sidecar")
        for _ in range(3):
            await beats(system)
        assert await system.shows(SIDECAR, "NRestarts") == "0"


async def test_with_its_socket_unit_nobody_is_refused_over_restarts_and_a_crash() -> None:
    async with installed() as system:
        await system.ran("systemctl", "enable", "--now", "sidecar.socket")
        assert await version_in_force(system) == "one"  # the first client starts it
        asking = asyncio.ensure_future(system.ran("/opt/python/bin/python3", "/opt/bursty.py", "60"))
        await system.ran("systemctl", "restart", "sidecar")
        await asking
        await system.ran("systemctl", "kill", "-s", "KILL", "sidecar")
        assert await version_in_force(system) == "one"  # it waited
        await system.becomes(SIDECAR, "NRestarts", "1")


async def test_its_socket_unit_is_added_to_one_that_runs_as_the_page_says() -> None:
    (line,) = re.findall(r"^# (systemctl stop sidecar && .*)$", PAGE, flags=re.MULTILINE)
    async with installed() as system:
        await system.ran("systemctl", "enable", "--now", "sidecar")
        code, _ = await system.tried("systemctl", "enable", "--now", "sidecar.socket")
        assert code != 0, "systemd would take it without a stop: the page need not tell of one"
        assert "already active, refusing" in await system.journal("--unit=sidecar.socket")
        await system.ran("sh", "-ec", line)
        assert await version_in_force(system) == "one"
        assert await system.shows(SIDECAR, "TriggeredBy") == "sidecar.socket"


async def test_a_new_version_takes_over_and_is_the_main_process_under_the_watchdog() -> None:
    async with installed(drop_in="[Service]\nWatchdogSec=2\n") as system:
        await system.ran("systemctl", "start", "sidecar")
        before = await main_pid(system)
        asking = asyncio.ensure_future(system.ran("/opt/python/bin/python3", "/opt/bursty.py", "100"))
        await system.ran("systemctl", "kill", "-s", "USR2", "--kill-whom=main", "sidecar")
        async with asyncio.timeout(60):
            while await main_pid(system) == before:
                await asyncio.sleep(0.05)
            await asking
            while (system.root / "proc" / str(before)).exists():
                await asyncio.sleep(0.05)
        await beats(system)
        assert await system.shows(SIDECAR, "NRestarts") == "0"
        assert "reception only permitted" not in await system.journal()
        await system.ran("systemctl", "stop", "sidecar")
        assert await system.shows(SIDECAR, "Result") == "success", await system.journal()


async def test_a_drain_may_last_as_long_as_its_rules_say_and_the_unit_does_not() -> None:
    files = {"/etc/sidecar/sidecar.yaml": rules(deadline="60s")}
    async with installed(files=files, drop_in="[Service]\nTimeoutStopSec=2\n") as system:
        await system.ran("systemctl", "start", "sidecar")
        slow = asyncio.ensure_future(system.asked(f"{URL}/slow?seconds=5"))
        async with asyncio.timeout(30):
            while not json.loads(await system.asked(f"{ADMIN}/status"))["drain"]["in_flight"]["requests"]:
                pass
        await system.ran("systemctl", "stop", "sidecar")
        await slow
        assert await system.shows(SIDECAR, "Result") == "success"


async def test_a_unix_socket_is_given_to_another_group_as_the_page_says() -> None:
    unix = '"unix:/run/sidecar/shop.sock", unix: {mode: "0660", group: www-data}'
    named = re.search("a `group`, `www-data` say,\ntakes `(.*)`, `(.*)` and `(.*)`", PAGE)
    assert named
    drop_in = "\n".join(["[Service]", *named.groups(), ""])
    given = {"/etc/sidecar/sidecar.yaml": rules().replace('":8080"', unix)}
    async with installed(files=given, drop_in=drop_in) as system:
        await system.ran("systemctl", "start", "sidecar")
        assert await system.ran("stat", "-c", "%G %a", "/run/sidecar/shop.sock") == "www-data 660\n"
        await system.asked("http://shop", "--unix-socket", "/run/sidecar/shop.sock")


async def test_several_instances_have_each_its_rules_its_port_and_its_admin() -> None:
    files = {f"/etc/sidecar/{name}.yaml": rules(name, f":{port}", admin=port + 1) for name, port in PORTS.items()}
    async with installed(files=files) as system:
        await system.ran("systemctl", "start", *(f"sidecar@{name}" for name in PORTS))
        for name, port in PORTS.items():
            assert f"x-rules: {name}" in await system.asked(f"http://127.0.0.1:{port}", "--include")
        await system.ran("systemctl", "stop", "sidecar@shop")
        assert await system.shows("sidecar@blog.service", "SubState") == "running"


async def test_credentials_reach_the_rules_and_nobody_else() -> None:
    drop_in = "[Service]\nLoadCredential=token:/etc/sidecar/secret\nLoadCredential=tls.key:/etc/sidecar/key.pem\n"
    identity = server_certificate("localhost")
    text = rules(address=":8443", more=', token: "${file:/run/credentials/sidecar.service/token}"')
    tls = ', tls: {certificate: /etc/sidecar/web.pem, private_key: "${CREDENTIALS_DIRECTORY}/tls.key"}}'
    files = {
        "/etc/sidecar/secret": "s3cret\n",
        "/etc/sidecar/key.pem": identity.private_key.decode(),
        "/etc/sidecar/web.pem": (identity.pem + identity.chain).decode(),
        "/etc/sidecar/sidecar.yaml": text.replace('":8443"}', f'":8443"{tls}'),
    }
    async with installed(files=files, drop_in=drop_in) as system:
        for name in ("secret", "key.pem"):
            (system.root / "etc/sidecar" / name).chmod(0o600)
        await system.ran("systemctl", "start", "sidecar")
        assert "x-rules: one" in await system.asked("https://localhost:8443", "--insecure", "--include")
        reload = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", f"{ADMIN}/reload")
        assert await system.ran(*reload) == "401"
        assert await system.ran(*reload, "-H", "Authorization: Bearer s3cret") == "200"


async def test_the_executable_is_a_service_too(executable: Path) -> None:
    (drop_in,) = re.findall(
        r"```ini\n# systemctl edit sidecar\n(\[Service\]\nExecStart=\n.*?)```", PAGE, flags=re.DOTALL
    )
    watched = f"{drop_in}WatchdogSec=2\n"
    programs = {"/usr/local/bin/sidecar": executable}
    async with installed(drop_in=watched, programs=programs) as system:
        await system.ran("systemctl", "enable", "--now", "sidecar.socket")
        assert await version_in_force(system) == "one"
        before = await main_pid(system)
        assert await system.shows(SIDECAR, "StatusText") == "serving on 1 listener, rules of generation 1"
        await system.ran("systemctl", "kill", "-s", "USR2", "--kill-whom=main", "sidecar")
        async with asyncio.timeout(60):
            while await main_pid(system) == before or (system.root / "proc" / str(before)).exists():
                await asyncio.sleep(0.05)
        await beats(system)
        assert await version_in_force(system) == "one"
        assert await system.shows(SIDECAR, "NRestarts") == "0"
        await system.ran("systemctl", "stop", "sidecar")
        assert await system.shows(SIDECAR, "Result") == "success"
        assert "drained: every request was answered" in await system.journal("--unit=sidecar")
