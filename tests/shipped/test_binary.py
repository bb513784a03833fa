"""The one-file executable on a machine that has no Python: it is all that is put there."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from sidecar import __version__
from tests.doubles.backend import Backend
from tests.doubles.certificates import Authority, root, server_certificate, stranger
from tests.doubles.peer import Answer, Peer
from tests.doubles.process import ROOT, ProxyProcess
from tests.doubles.rootfs import Rootfs
from tests.doubles.running import rules_text

PROGRAM = "/usr/local/bin/sidecar"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
ELSEWHERE = "/etc/pki/tls/certs/ca-bundle.crt"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          image: shop:1
          ports: [{name: http, containerPort: 3000}]
"""
FREE_PORTS = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")


class Machine:
    """A bare Debian, and the executable on it."""

    def __init__(self, bare: Rootfs, executable: Path) -> None:
        self.bare = bare
        self.binds = {executable: PROGRAM}

    async def ran(self, *words: str, more: dict[Path, str] | None = None) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a command."""
        return await self.bare.ran([PROGRAM, *words], binds={**self.binds, **(more or {})})

    @asynccontextmanager
    async def serving(self, *words: str, more: dict[Path, str] | None = None) -> AsyncIterator[ProxyProcess]:
        """One that serves, where the kernel chose."""
        command = [PROGRAM, *words, *FREE_PORTS]
        binds = {**self.binds, **(more or {})}
        async with self.bare.running(command, ready="admin on http", binds=binds) as process:
            process.port = int((await process.said(r"(?:listens|serving) on http://127\.0\.0\.1:(\d+)"))[1])
            process.admin_port = int((await process.said(r"admin on http://127\.0\.0\.1:(\d+)"))[1])
            yield process


@pytest.fixture
def machine(bare: Rootfs, executable: Path) -> Machine:
    return Machine(bare, executable)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder that the user in there may read."""
    tmp_path.chmod(0o755)
    return tmp_path


async def asked(port: int, target: str) -> Answer:
    async with await Peer.connect(port) as peer:
        return await peer.get(target)


def test_the_machine_has_no_python(base: Path) -> None:
    found = [path for folder in ("usr/bin", "usr/lib", "usr/local") for path in (base / folder).rglob("*python*")]
    assert [path for path in found if not path.match("*/gdb/*")] == []


async def test_the_demo_serves_and_drains(machine: Machine) -> None:
    async with machine.serving("demo") as proxy:
        answer = await asked(proxy.port, "/echo")
        assert (answer.status, json.loads(answer.body)["target"]) == (200, "/echo")
        page = await proxy.admin("GET", "/")
        assert page.status == 200
        assert b"<!doctype html>" in page.body
        for asset in sorted(ROOT.glob("sidecar/admin/dashboard/*")):
            if asset.suffix in (".js", ".css"):
                assert (await proxy.admin("GET", f"/dashboard/{asset.name}")).body == asset.read_bytes()
        metrics = (await proxy.admin("GET", "/metrics")).body
        assert b'hot_modules="compiled"' in metrics
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 0
        await proxy.said("drained: every request was answered")


async def test_every_command_is_there(machine: Machine, written: Path) -> None:
    good, bad = written / "good.yaml", written / "bad.yaml"
    good.write_text(rules_text("http://127.0.0.1:1"))
    bad.write_text(f"{good.read_text()}bogus: 1\n")
    manifest = written / "deployment.yaml"
    manifest.write_text(DEPLOYMENT)
    more = {good: "/rules/good.yaml", bad: "/rules/bad.yaml"}
    assert await machine.ran("--version") == (0, f"sidecar {__version__}", "")
    assert await machine.ran("check", "/rules/good.yaml", more=more) == (0, "", "/rules/good.yaml: ok")
    code, told, _ = await machine.ran("check", "/rules/bad.yaml", more=more)
    assert (code, told.splitlines()[0]) == (
        1,
        f"/rules/bad.yaml:{len(good.read_text().splitlines()) + 1}:1: error: unknown key `bogus`",
    )
    code, told, _ = await machine.ran("explain", "-c", "/rules/good.yaml", "GET", "/anything", more=more)
    assert code == 0
    assert "everything" in told
    code, told, _ = await machine.ran("schema")
    assert (code, json.loads(told)["title"]) == (0, "Sidecar rules")
    code, told, _ = await machine.ran("inject", "-f", "/deployment.yaml", more={manifest: "/deployment.yaml"})
    assert (code, "restartPolicy: Always" in told) == (0, True)
    code, told, _ = await machine.ran("drill", "slows-down")
    assert (code, "All 2,305 requests were answered." in told) == (0, True)
    for command in ("top", "status", "drain", "reload", "probe"):
        code, _, told = await machine.ran(command, "--admin", "127.0.0.1:1", *(["--once"] if command == "top" else []))
        assert (code, "127.0.0.1:1" in told) == (1, True), (command, told)
    assert (await machine.ran("bogus"))[0] == 2


async def test_those_that_look_show_one_that_runs(machine: Machine) -> None:
    async with machine.serving("demo") as proxy:
        admin = ("--admin", f"127.0.0.1:{proxy.admin_port}")
        assert await machine.ran("probe", "readyz", *admin) == (0, "", "")
        code, told, _ = await machine.ran("status", *admin)
        assert (code, "serving" in told) == (0, True)
        code, told, _ = await machine.ran("top", "--once", "--interval", "100ms", *admin)
        assert (code, "everything" in told) == (0, True), told


def tls(authority: Authority, folder: Path) -> ssl.SSLContext:
    """A backend with a certificate of this authority."""
    files = server_certificate("127.0.0.1", authority=authority).write(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    return context


@pytest.mark.parametrize("at", [AUTHORITIES, ELSEWHERE])
async def test_it_trusts_whom_the_system_trusts_wherever_that_keeps_them(
    machine: Machine, written: Path, at: str
) -> None:
    empty, trusted = written / "empty", Path(root().write(written))
    empty.touch()
    trusted.chmod(0o644)
    more = {empty: AUTHORITIES, trusted: at} if at != AUTHORITIES else {trusted: at}
    async with Backend(tls=tls(root(), written)) as backend, Backend(tls=tls(stranger(), written)) as unknown:
        for url, status in ((backend.url, 200), (unknown.url, 502)):
            async with machine.serving("run", "--upstream", url, more=more) as proxy:
                assert (await asked(proxy.port, "/")).status == status


async def test_where_there_are_no_authorities_it_says_what_to_do(machine: Machine, written: Path) -> None:
    empty, rules = written / "empty", written / "rules.yaml"
    empty.touch()
    rules.write_text(rules_text("https://127.0.0.1:1"))
    words = ["run", "-c", "/rules.yaml"]
    code, _, told = await machine.ran(*words, more={empty: AUTHORITIES, rules: "/rules.yaml"})
    assert code == 1
    assert "the certificate authorities of the system, and it has none where any keeps them: install them" in told


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system for temporary files."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, timeout=60)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("mode=1777,noexec", "failed to map segment from shared object"),
        (
            "mode=1777,size=8m",
            r"Failed to extract .*(decompression resulted in return code -1|failed to write data chunk)",
        ),
    ],
    ids=["noexec", "full"],
)
def test_a_folder_that_it_cannot_run_from_is_told(executable: Path, tmp_path: Path, options: str, said: str) -> None:
    with mounted(tmp_path / "tmp", options) as folder:
        ran = subprocess.run(
            [str(executable), "-V"],
            check=False,
            env={"TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode not in (0, 1, 2, 3, 4)
        assert ran.stdout == ""
        assert re.search(said, ran.stderr), ran.stderr


async def test_without_any_folder_to_unpack_into_it_says_so(machine: Machine) -> None:
    async with machine.bare.running([PROGRAM, "-V"], binds=machine.binds, tmp=False) as process:
        assert await process.ended() == 255
    assert "Could not create temporary directory!" in "\n".join(process.lines)
