"""The image runs as a container runtime runs it: process 1, not root, on a root file system that nobody can write to,
without even a /tmp."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.certificates import root, server_certificate
from tests.doubles.containers import containers
from tests.doubles.image import Built
from tests.doubles.kernel import children
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS
from tests.doubles.rootfs import Contained, Rootfs
from tests.doubles.running import rules_text
from tests.doubles.servers import printed

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%b"
OLD, NEW = _ANSWER % b"old..", _ANSWER % b"new.."
AT_ONCE = "drain.announce=0s"
FREE_PORTS = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
ORPHAN = """
import os, time
if os.fork():
    os._exit(0)
while os.getppid() != 1:
    time.sleep(0.01)
"""


class Volume:
    """A ConfigMap as the kubelet mounts it: files are links through `..data`, which is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0
        folder.mkdir(mode=0o755)
        (folder / "sidecar.yaml").symlink_to("..data/sidecar.yaml")

    def put(self, text: str) -> None:
        """Swaps in a version with this file."""
        self._version += 1
        version = self.folder / f"..2026_{self._version}"
        version.mkdir(mode=0o755)
        (version / "sidecar.yaml").write_text(text)
        (self.folder / "..data_tmp").symlink_to(version.name)
        os.replace(self.folder / "..data_tmp", self.folder / "..data")


@pytest.fixture(scope="module")
def configuration(image: Built) -> dict[str, Any]:
    return image.inspected()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "configmap")


class Container:
    """The image, to be run with its own entry point and environment."""

    def __init__(self, image: Built, configuration: dict[str, Any]) -> None:
        self.rootfs = Rootfs(image.root)
        self.environment = dict(pair.split("=", 1) for pair in configuration["Env"])
        self._entry: list[str] = configuration["Entrypoint"]
        self._usual: list[str] = configuration["Cmd"]

    @asynccontextmanager
    async def running(
        self, *words: str, binds: dict[Path, str] | None = None, serves: bool = True
    ) -> AsyncIterator[Contained]:
        """With these words, or its own where there are none."""
        command = [*self._entry, *(words or self._usual)]
        async with self.rootfs.running(command, environment=self.environment, binds=binds, tmp=False) as process:
            assert isinstance(process, Contained)
            if serves:
                await process.serving()
            yield process
            assert os.strerror(errno.EROFS) not in "\n".join(process.lines)

    async def ran(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """A command in another container of it."""
        return await self.rootfs.ran(words, environment={**self.environment, **environment})

    async def python(self, text: str) -> str:
        """What a script prints in it; it must succeed."""
        code, out, err = await self.ran("python3", "-c", text)
        assert code == 0, err
        return out


@pytest.fixture
def container(image: Built, configuration: dict[str, Any]) -> Container:
    return Container(image, configuration)


def rules(url: str) -> str:
    return f"{rules_text(url)}drain: {{announce: 0s}}\n"


async def body(process: Contained) -> bytes:
    async with process.peer() as peer:
        return (await peer.get()).body


async def test_its_own_command_serves_takes_over_swapped_rules_and_drains(container: Container, volume: Volume) -> None:
    held, release = asyncio.Event(), asyncio.Event()

    async def slow(call: Call) -> None:
        held.set()
        await release.wait()
        await call.send(OK)

    async with Backend(OLD) as old, Backend(NEW, slow) as new:
        volume.put(rules(old.url))
        async with container.running(binds={volume.folder: "/etc/sidecar"}) as process:
            assert await body(process) == b"old.."
            first = process.inner
            volume.put(rules(new.url))
            await process.until(lambda told: told["rules"]["generation"] == 2)
            assert (await body(process), process.inner) == (b"new..", first)
            async with process.peer() as peer:
                answer = asyncio.ensure_future(peer.get())
                await held.wait()
                process.signal(signal.SIGTERM)
                await process.said("draining")
                release.set()
                assert (await answer).status == 200
            assert await process.ended() == 0


async def test_sigterm_before_it_has_read_its_rules_ends_it_at_once(container: Container, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir(mode=0o755)
    os.mkfifo(folder / "sidecar.yaml", 0o644)
    async with container.running(binds={folder: "/etc/sidecar"}, serves=False) as process:
        async with asyncio.timeout(START_SECONDS):
            while (writing := read_by_now(folder / "sidecar.yaml")) is None:
                await asyncio.sleep(0.01)
        try:
            process.signal(signal.SIGTERM)
            assert await process.ended() == 128 + signal.SIGTERM
        finally:
            os.close(writing)


def read_by_now(pipe: Path) -> int | None:
    """Its other end, once somebody reads."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None


async def test_a_worker_that_is_killed_is_reaped_and_replaced(container: Container, volume: Volume) -> None:
    async with Backend(OK) as backend:
        volume.put(rules(backend.url))
        words = ("run", "-c", "/etc/sidecar/sidecar.yaml", "--workers", "2")
        async with container.running(*words, binds={volume.folder: "/etc/sidecar"}) as process:
            before = children(process.inner)
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            await process.said("started again at once")
            await process.until(lambda told: sum(one["phase"] == "serving" for one in told["workers"]) == 2)
            after = children(process.inner)
            assert len(after) == 2
            assert before[0] not in after
            assert await body(process) == b"ok"
            process.signal(signal.SIGTERM)
            assert await process.ended() == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_process_1_reaps_what_others_have_left_behind(workers: int, container: Container) -> None:
    words = ("run", "--upstream", "http://127.0.0.1:1", "--workers", str(workers), "--set", AT_ONCE, *FREE_PORTS)
    async with container.running(*words) as process:
        before = children(process.inner)
        await printed("nsenter", "--target", str(process.inner), "--pid", sys.executable, "-c", ORPHAN)
        async with asyncio.timeout(START_SECONDS):
            while children(process.inner) != before:
                await asyncio.sleep(0.1)
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0


async def test_its_health_check_tells_a_process_that_lives_from_none(
    container: Container, configuration: dict[str, Any]
) -> None:
    kind, *words = configuration["Healthcheck"]["Test"]
    assert kind == "CMD"
    async with container.running("run", "--upstream", "http://127.0.0.1:1", "--set", AT_ONCE, *FREE_PORTS) as process:
        admin = f"127.0.0.1:{process.admin_port}"
        assert await container.ran(*words, SIDECAR_ADMIN=admin) == (0, "", "")
        process.signal(signal.SIGTERM)
        await process.ended()
    code, _, why = await container.ran(*words, SIDECAR_ADMIN=admin)
    assert code == 1
    assert admin in why


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_backend_is_trusted_by_the_store_that_can_be_mounted_over(
    trusted: bool, container: Container, tmp_path: Path
) -> None:
    files = server_certificate().write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    store = Path(root().write(tmp_path))
    store.chmod(0o644)
    binds = {store: "/etc/ssl/certs/ca-certificates.crt"} if trusted else {}
    async with Backend(OK, tls=context) as backend:
        words = ("run", "--upstream", backend.url, *FREE_PORTS)
        async with container.running(*words, binds=binds) as process, process.peer() as peer:
            assert (await peer.get()).status == (200 if trusted else 502)


async def test_the_demo_needs_nothing_else(container: Container) -> None:
    async with container.running("demo", *FREE_PORTS, "--set", AT_ONCE, serves=False) as process:
        process.port = int((await process.said(r"listens on http://127.0.0.1:(\d+)", START_SECONDS))[1])
        async with process.peer() as peer:
            assert (await peer.get("/healthz")).status == 200
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0


async def test_python_in_it_starts_the_program_as_workers_are_started(container: Container) -> None:
    code, out, _ = await container.ran("python3", "-P", "-m", "sidecar", "--version")
    assert (code, out.split()[0]) == (0, "sidecar")


_EVERY_MODULE = """
import importlib, pkgutil, sys
from pathlib import Path
import sidecar
names = [one.name for one in pkgutil.walk_packages(sidecar.__path__, "sidecar.") if not one.name.endswith("__main__")]
names += ["opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter", "yaml.cyaml"]
dynload = next(Path(one) for one in sys.path if one.endswith("lib-dynload"))
names += [one.name.partition(".")[0] for one in dynload.glob("*.so")]
for name in names:
    importlib.import_module(name)
from sidecar.app.banner import is_compiled
print(is_compiled(), len(names) > 300)
"""


async def test_every_module_and_every_library_of_it_loads(container: Container) -> None:
    assert await container.python(_EVERY_MODULE) == "True True"


_STORES = """
import certifi, ssl
assert len(ssl.create_default_context().get_ca_certs()) > 100
paths = [ssl.get_default_verify_paths().cafile, certifi.where(), "/etc/ssl/certs/ca-certificates.crt"]
print(len({open(path).read() for path in paths}))
"""


async def test_all_of_it_trusts_one_store(container: Container) -> None:
    assert await container.python(_STORES) == "1"


async def test_podman_runs_it_confined_and_stops_it_in_peace(image: Built, tmp_path: Path) -> None:
    podman = containers(image.name, tmp_path)
    do = asyncio.to_thread
    name = f"sidecar-test-image-{os.getpid()}"
    confined = ("--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    words = ("run", "--listen", "0.0.0.0:8080", "--upstream", "http://127.0.0.1:1", "--set", AT_ONCE)
    nobody_waits = ("--set", "upstreams.app.hold=null")
    try:
        await do(
            podman.told,
            "run",
            "--detach",
            "--name",
            name,
            *confined,
            "-p",
            "127.0.0.1::8080",
            image.name,
            *words,
            *nobody_waits,
        )
        async with asyncio.timeout(START_SECONDS):
            while (await do(podman.ran, "exec", name, "sidecar", "probe", "readyz")).returncode:
                pass
        port = int((await do(podman.told, "port", name, "8080")).rpartition(":")[2])
        async with await Peer.connect(port) as peer:
            assert (await peer.get()).status == 502
        await do(podman.told, "stop", "--time", "20", name)
        assert await do(podman.told, "inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    finally:
        await do(podman.ran, "rm", "--force", "--time", "0", name)
