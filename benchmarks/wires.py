"""`python -m benchmarks.wires`: TLS and TCP, beside nginx, HAProxy and Envoy.

All proxies of a comparison run side by side and are visited in turn; what counts is the CPU time per request, which
moves far less than throughput, divided by Sidecar's of the same run. `benchmarks/wire_configs.py` is what each is told.

Exit status: 0 measured without errors; 1 when requests failed; 2 when nothing could be measured.
"""

import argparse
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import backend, cpu, handshakes, loads, machine, proxies, wire_configs
from benchmarks.loads import Load, Verdict
from benchmarks.processes import Program, StartError, free_port
from benchmarks.proxies import MAX_CONNECTIONS, find
from benchmarks.report import table, thousands
from benchmarks.run import MissingProgramError
from benchmarks.wire_configs import ECDSA, RSA, Identity

Say = Callable[[str], None]
SIDECAR = "sidecar"
_MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")
_STREAM = "ngx_stream_module.so"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is sent, and over which wire. `key`: the kind of the certificate's key, None without TLS. `size`: bytes of
    an answer, where bytes are what counts. `full`: connections that resume no session."""

    name: str
    load: Load
    key: str | None = None
    size: int = 0
    full: bool = False


COMPARISONS = (
    Comparison("tls-small", Load("small", "150-byte answers over 64 TLS connections that stay"), ECDSA),
    Comparison("tls-ecdsa", Load("ecdsa", "a full handshake for each request, P-256", closes=True), ECDSA, full=True),
    Comparison("tls-rsa", Load("rsa", "a full handshake for each request, RSA 2048", closes=True), RSA, full=True),
    Comparison("tls-resumed", Load("resumed", "a resumed session for each request, P-256", closes=True), ECDSA),
    Comparison("tls-1m", Load("1m", "1 MiB answers over TLS", path="/1m", connections=16), ECDSA, 1 << 20),
    Comparison("tcp-small", Load("tcp-small", "150-byte answers over 64 connections relayed as bytes")),
    Comparison("tcp-1m", Load("tcp-1m", "1 MiB answers, relayed", path="/1m", connections=16), size=1 << 20),
    Comparison("tcp-connect", Load("tcp-connect", "a new relayed connection for each request", closes=True)),
)
NAMES = tuple([each.name for each in COMPARISONS])


@dataclass(slots=True)
class Figures:
    """What was measured of one row, a value for each visit: requests per second, CPU microseconds per request."""

    name: str
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    errors: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one proxy is to run, and with which certificate."""

    directory: Path
    port: int
    backend: int
    who: Identity | None
    module: Path | None

    def written(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)


# The command line of a proxy at a place.
Command = Callable[[str, _Place], list[str]]


def _nginx(program: str, place: _Place) -> list[str]:
    room, port, behind, many = place.directory, place.port, place.backend, 2 * MAX_CONNECTIONS
    if place.who is None:
        text = wire_configs.tcp_nginx(room, port, behind, many, place.module)
    else:
        text = wire_configs.tls_nginx(room, port, behind, many, place.who)
    return backend.command(program, room, Path(place.written("nginx.conf", text)))


def _haproxy(splice: bool) -> Command:
    def command(program: str, place: _Place) -> list[str]:
        if place.who is None:
            text = wire_configs.tcp_haproxy(place.port, place.backend, splice=splice)
        else:
            text = wire_configs.tls_haproxy(place.directory, place.port, place.backend, MAX_CONNECTIONS, place.who)
        return [program, "-db", "-f", place.written("haproxy.cfg", text)]

    return command


def _envoy(program: str, place: _Place) -> list[str]:
    if place.who is None:
        text = wire_configs.tcp_envoy(place.port, place.backend)
    else:
        text = wire_configs.tls_envoy(place.port, place.backend, place.who)
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return [program, "-c", place.written("envoy.json", text), *options]


def _sidecar(program: str, place: _Place) -> list[str]:
    if place.who is None:
        text = wire_configs.tcp_sidecar(place.port, free_port(), place.backend, MAX_CONNECTIONS)
    else:
        text = wire_configs.tls_sidecar(place.port, free_port(), place.backend, MAX_CONNECTIONS, place.who)
    return [program, "-m", "sidecar", "run", "-c", place.written("sidecar.yaml", text)]


_SPLICE = "haproxy+splice"
ROWS: dict[str, tuple[Callable[[], str | None], Command]] = {
    "nginx": (lambda: find("nginx"), _nginx),
    "haproxy": (lambda: find("haproxy"), _haproxy(splice=False)),
    _SPLICE: (lambda: find("haproxy"), _haproxy(splice=True)),
    "envoy": (proxies.find_envoy, _envoy),
    SIDECAR: (proxies.find_sidecar, _sidecar),
}


def stream_module(directories: Sequence[str] = _MODULES) -> Path | None:
    """nginx's stream module, where it is a file of its own."""
    return next((found for folder in directories if (found := Path(folder) / _STREAM).is_file()), None)


class Wires:
    """One comparison being run. `wanted`: the rows that take part where they are installed."""

    __slots__ = ("_comparison", "_directory", "_module", "_say", "_tls", "_wanted", "_who")

    def __init__(
        self, comparison: Comparison, wanted: Sequence[str], module: Path | None, directory: Path, say: Say
    ) -> None:
        self._comparison = comparison
        self._wanted = wanted
        self._module = module
        self._directory = directory
        self._say = say
        self._who: Identity | None = None
        self._tls: ssl.SSLContext | None = None

    def run(self, rounds: int, seconds: int) -> list[Figures]:
        """Raises MissingProgramError, StartError or OutputError."""
        nginx, wrk = find("nginx"), find("wrk")
        if nginx is None or wrk is None:
            raise MissingProgramError("nginx (the backend) and wrk (the load) must be installed")
        self._certify()
        machine.raise_open_files()
        place = machine.placement()
        with machine.pinned(place.rest), ExitStack() as running:
            port = free_port()
            started = proxies.start_backend(nginx, self._room("backend"), port, place.rest)
            running.enter_context(started).wait_until_answers(port)
            rows = [
                (Figures(name), *self._start(running, name, program, port, place.proxy))
                for name in self._wanted
                if (program := self._found(name)) is not None
            ]
            for number in range(rounds):
                for figures, started, at in rows[number % len(rows) :] + rows[: number % len(rows)]:
                    self._visit(figures, started, wrk, at, seconds)
                    self._say(f"{number + 1}/{rounds} {figures.name}: {figures.costs[-1]:.1f} µs/request")
        return [figures for figures, _, _ in rows]

    def _certify(self) -> None:
        if self._comparison.key is None:
            return
        openssl = find("openssl")
        if openssl is None:
            raise MissingProgramError("openssl (the certificates) must be installed")
        self._who = wire_configs.identity(openssl, self._directory, self._comparison.key)
        self._tls = ssl.create_default_context(cafile=str(self._who.certificate))
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_3

    def _found(self, name: str) -> str | None:
        """The program of this row; None, and a line, where it cannot take part."""
        program = ROWS[name][0]()
        if program is None:
            self._say(f"skipped: {name} is not installed")
        elif name == _SPLICE and (self._comparison.key or not self._comparison.size):
            return None
        elif name == "nginx" and self._comparison.key is None and self._module is None:
            self._say(f"skipped: nginx has no {_STREAM}")
            return None
        return program

    def _start(self, running: ExitStack, name: str, program: str, port: int, on: int | None) -> tuple[Program, int]:
        place = _Place(self._room(name), free_port(), port, self._who, self._module)
        started = running.enter_context(Program(name, ROWS[name][1](program, place), place.directory, cpu=on))
        started.wait_until_answers(place.port, tls=self._tls)
        return started, place.port

    def _visit(self, figures: Figures, program: Program, wrk: str, port: int, seconds: int) -> None:
        before = cpu.cpu_seconds(program.pid)
        verdict = self._load(wrk, port, seconds)
        used = cpu.cpu_seconds(program.pid) - before
        figures.rates.append(verdict.requests / verdict.seconds)
        figures.costs.append(used / max(1, verdict.requests) * 1e6)
        figures.errors += verdict.errors

    def _load(self, wrk: str, port: int, seconds: int) -> Verdict:
        client = self._directory / "client.cnf"
        client.write_text(wire_configs.CLIENT)
        environment = {**os.environ, "OPENSSL_CONF": str(client)}
        load, limit = self._comparison.load, 60 + 4 * seconds
        if self._comparison.full:
            command = handshakes.command(find("openssl") or "openssl", port, load.path, seconds)
            return handshakes.run(command, environment, limit)
        script = self._directory / "load.lua"
        script.write_text(loads.wrk_script(load))
        scheme = "http" if self._comparison.key is None else "https"
        command = loads.wrk_command(wrk, load, port, seconds, str(script), scheme)
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False, env=environment)
        return loads.read_wrk(done.stdout + done.stderr)

    def _room(self, name: str) -> Path:
        room = self._directory / name
        room.mkdir()
        return room


def report(comparison: Comparison, measured: Sequence[Figures]) -> str:
    """The table of one comparison. Its last but one column: how much of Sidecar's CPU time a proxy takes."""
    sized = ["GB/CPU second"] if comparison.size else []
    columns = [f"`{comparison.name}`", "req/s", "CPU µs/request", *sized, "CPU, Sidecar = 1", "errors"]
    own = next((median(each.costs) for each in measured if each.name == SIDECAR), None)
    lines = []
    for each in measured:
        cost = median(each.costs)
        bytes_each = [f"{comparison.size / cost / 1e3:.2f}" if cost else "-"] if comparison.size else []
        ratio = f"{cost / own:.2f}" if own else "-"
        rate = thousands(median(each.rates))
        lines.append([each.name, rate, f"{cost:.1f}", *bytes_each, ratio, str(each.errors)])
    return table(columns, lines)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises SystemExit on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wires", description="TLS and TCP beside other proxies.")
    parser.add_argument("--rounds", type=int, default=5, help="timed visits of each row (default 5)")
    parser.add_argument("--seconds", type=int, default=2, help="length of each visit, at least 1 (default 2)")
    parser.add_argument("--only", choices=NAMES, action="append", help="one of the comparisons")
    parser.add_argument("--proxies", choices=tuple(ROWS), action="append", help="one of the proxies")
    parser.add_argument("--nginx-modules", metavar="DIR", help=f"where {_STREAM} is, if in none of the usual places")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.seconds) < 1:
        parser.error("every number must be at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    module = stream_module([options.nginx_modules] if options.nginx_modules else _MODULES)
    errors = 0
    for comparison in COMPARISONS:
        if options.only and comparison.name not in options.only:
            continue
        with tempfile.TemporaryDirectory(prefix="sidecar-wires-") as directory:
            wires = Wires(
                comparison,
                options.proxies or tuple(ROWS),
                module,
                Path(directory),
                lambda line: print(line, file=sys.stderr),
            )
            try:
                measured = wires.run(options.rounds, options.seconds)
            except (MissingProgramError, StartError, loads.OutputError, subprocess.CalledProcessError) as problem:
                print(f"benchmarks.wires: {problem}", file=sys.stderr)
                return 2
        errors += sum(each.errors for each in measured)
        print(f"{comparison.load.says}:\n\n{report(comparison, measured)}\n", flush=True)
    print("No errors." if errors == 0 else f"ERRORS: {errors} failed requests; the figures above do not count.")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
