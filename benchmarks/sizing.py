"""`python -m benchmarks.sizing`: what each thing adds to the memory of one Sidecar, for docs/operations.md.

Resident memory of the process before and after many of one thing at once, divided by their number; a fresh process for
each row, so that nothing is paid for by the row before. Several workers are told by proportional memory (Pss), in which
a page that processes share counts once. No backend and no load generator are needed: routes answer by themselves, and
requests under way wait for a socket of ours.

Exit status: 0 measured; 2 when something did not start, or did not answer.
"""

import argparse
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks import cpu, machine, wire_configs
from benchmarks.configs import sidecar_prologue
from benchmarks.loads import request_bytes
from benchmarks.processes import Program, StartError, free_port
from benchmarks.report import table

_PATIENCE = 20.0
_WARM = 200
_BATCH = 500
_PIECE = bytes(1 << 16)
# A backend that could not send for so long is held back.
_STALL = 0.2
_MIB = 1 << 20
_MOST_CONNECTIONS = 10_000
_ANSWERING = "routes: [{name: all, match: {path: /}, respond: {status: 200, body: ok}}]\n"
_CALLER = "X-Caller"


class Sidecar:
    """One Sidecar with these rules besides those about itself; ends with `opened`."""

    def __init__(self, folder: Path, opened: ExitStack, rules: str, *options: str, tls: str = "") -> None:
        self.port = free_port()
        self._tls: ssl.SSLContext | None = None
        prologue = sidecar_prologue(self.port, free_port(), _MOST_CONNECTIONS)
        if tls:
            who = wire_configs.identity(tls, folder, wire_configs.ECDSA)
            lines = f"tls: {{certificate: {who.certificate}, private_key: {who.private_key}}}"
            prologue = prologue.replace("    timeouts:", f"    {lines}\n    timeouts:")
            self._tls = ssl.create_default_context(cafile=str(who.certificate))
        file = folder / "sidecar.yaml"
        file.write_text(f"{prologue}\n{rules}")
        command = [sys.executable, "-m", "sidecar", "run", "-c", str(file), *options]
        self._program = opened.enter_context(Program("sidecar", command, folder))
        self._opened = opened

    @property
    def pid(self) -> int:
        """Of the process that leads the others, if there are any."""
        return self._program.pid

    def answers(self) -> None:
        """Return once it does. Raises StartError."""
        self._program.wait_until_answers(self.port, "/", self._tls)

    def connect(self) -> socket.socket:
        """A new connection, open until the end."""
        link = self._opened.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE))
        if self._tls is not None:
            link = self._opened.enter_context(self._tls.wrap_socket(link, server_hostname="127.0.0.1"))
        return link

    def resident(self) -> int:
        """Bytes of it and of its workers."""
        return cpu.resident_bytes(self.pid)


def start(folder: Path, opened: ExitStack) -> float:
    """Bytes of one that has answered once."""
    sidecar = Sidecar(folder, opened, _ANSWERING)
    sidecar.answers()
    return sidecar.resident()


def idle(folder: Path, opened: ExitStack, count: int, *, tls: str = "") -> float:
    """Bytes for each connection that has made a request and waits."""
    sidecar = Sidecar(folder, opened, _ANSWERING, tls=tls)
    sidecar.answers()

    def connections(number: int) -> None:
        for _ in range(number):
            link = sidecar.connect()
            link.sendall(request_bytes("/"))
            _answers(link, 1)

    return _grown(sidecar, connections, count)


def under_way(folder: Path, opened: ExitStack, count: int) -> float:
    """Bytes for each request whose backend thinks, with its connection to there."""
    return _held(folder, opened, lambda taken: None, count)


def stalled(folder: Path, opened: ExitStack, count: int) -> float:
    """Bytes for each request whose client takes nothing of a long answer, while the backend sends what it can."""

    def answer(taken: socket.socket) -> None:
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        taken.settimeout(_STALL)
        with suppress(TimeoutError):
            while True:
                taken.send(_PIECE)

    return _held(folder, opened, answer, count)


def _held(folder: Path, opened: ExitStack, answer: Callable[[socket.socket], None], count: int) -> float:
    backend = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
    backend.settimeout(_PATIENCE)
    endpoint = f"http://127.0.0.1:{backend.getsockname()[1]}"
    upstreams = f"{{app: {{endpoints: ['{endpoint}'], pool: {{max_connections: {_MOST_CONNECTIONS}}}}}}}"
    alive = "{name: alive, match: {path: =/}, respond: {status: 200}}"
    waiting = "{name: all, match: {path: /}, upstream: app, timeout: {request: 10m, idle: 10m}}"
    sidecar = Sidecar(folder, opened, f"upstreams: {upstreams}\nroutes: [{alive}, {waiting}]\n")
    sidecar.answers()

    def requests(number: int) -> None:
        for _ in range(number):
            sidecar.connect().sendall(request_bytes("/thinks"))
            taken = opened.enter_context(backend.accept()[0])
            taken.settimeout(_PATIENCE)
            taken.recv(65536)
            answer(taken)

    return _grown(sidecar, requests, count, warm=_WARM if count > _WARM else 2)


def keys(folder: Path, opened: ExitStack, count: int) -> float:
    """Bytes for each key that a rate limit remembers."""
    limit = f"{{name: callers, rate: 1/h, burst: 9, key: 'header:{_CALLER}', max_keys: {2 * count + _WARM}}}"
    sidecar = Sidecar(folder, opened, _ANSWERING.replace("respond:", f"rate_limits: [{limit}], respond:"))
    sidecar.answers()
    link = sidecar.connect()
    seen = iter(range(10_000_000, 20_000_000))

    def callers(number: int) -> None:
        while number > 0:
            batch = min(number, _BATCH)
            link.sendall(b"".join(request_bytes("/", headers=[(_CALLER, f"{next(seen)}")]) for _ in range(batch)))
            _answers(link, batch)
            number -= batch

    return _grown(sidecar, callers, count)


def routes(folder: Path, opened: ExitStack, count: int) -> float:
    """Bytes for each route of the rules."""

    def told(number: int) -> int:
        many = [f"  - {{name: r{at}, match: {{path: /r{at}}}, respond: {{status: 200}}}}\n" for at in range(number)]
        alive = "  - {name: alive, match: {path: =/}, respond: {status: 200}}\n"
        one = Sidecar(folder, opened, f"routes:\n{alive}{''.join(many)}")
        one.answers()
        return one.resident()

    few = told(1)
    return (told(count + 1) - few) / count


def workers(folder: Path, opened: ExitStack, number: int) -> list[float]:
    """Proportional bytes of the supervisor and of each worker, all of which have served."""
    sidecar = Sidecar(folder, opened, _ANSWERING, "--workers", str(number))
    sidecar.answers()
    # The kernel deals new connections out by chance: enough of them for each worker to have met some.
    for _ in range(_WARM):
        link = sidecar.connect()
        link.sendall(request_bytes("/"))
        _answers(link, 1)
    return [_proportional(pid) for pid in cpu.tree(sidecar.pid)]


def _grown(sidecar: Sidecar, make: Callable[[int], None], count: int, warm: int = _WARM) -> float:
    make(warm)  # what is allocated once is paid for by these
    before = sidecar.resident()
    make(count)
    return (sidecar.resident() - before) / count


def _answers(link: socket.socket, count: int) -> None:
    """Read so many answers whose body is `ok`. Raises StartError for what is none."""
    told = b""
    while told.count(b"\r\n\r\nok") < count:
        received = link.recv(65536)
        if not received or b" 200 " not in received[:4096] + told[-4096:]:
            raise StartError(f"no answer: {(told + received)[-200:]!r}")
        told += received


def _proportional(pid: int) -> float:
    for line in (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1]) * 1024
    raise StartError(f"the kernel does not tell the proportional memory of {pid}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument(
        "--count", type=int, default=2000, help="connections and requests at once; a fortieth of it stalled (2000)"
    )
    parser.add_argument("--many", type=int, default=50_000, help="keys; a tenth of it routes (50000)")
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 4], help="so many workers (2 4)")
    parser.add_argument("--openssl", default="openssl", help="makes the certificate; empty: without the row of TLS")
    return parser.parse_args(arguments)


def report(options: argparse.Namespace) -> str:
    """Measure everything; two tables. Raises StartError, OSError."""
    count, many = options.count, options.many

    lines: list[tuple[str, str]] = []

    def measured(name: str, measure: Callable[[Path, ExitStack], float], unit: str = "KiB") -> None:
        with tempfile.TemporaryDirectory(prefix="sidecar-sizing-") as folder, ExitStack() as opened:
            size = measure(Path(folder), opened)
        lines.append((name, f"{size / (_MIB if unit == 'MiB' else 1024):.1f} {unit}"))

    measured("a process that has answered", start, "MiB")
    measured("idle connection", lambda folder, opened: idle(folder, opened, count))
    if options.openssl:
        measured("idle connection, TLS", lambda folder, opened: idle(folder, opened, count, tls=options.openssl))
    measured("request under way, both connections", lambda folder, opened: under_way(folder, opened, count))
    measured(
        "the same, whose client takes nothing", lambda folder, opened: stalled(folder, opened, max(2, count // 40))
    )
    measured("key of a rate limit", lambda folder, opened: keys(folder, opened, many))
    measured("route", lambda folder, opened: routes(folder, opened, many // 10))
    for number in options.workers:
        with tempfile.TemporaryDirectory(prefix="sidecar-sizing-") as folder, ExitStack() as opened:
            first, *others = workers(Path(folder), opened, number)
        lines.append((f"supervisor of {number} workers", f"{first / _MIB:.1f} MiB"))
        lines.append((f"each of {number} workers", f"{sum(others) / len(others) / _MIB:.1f} MiB"))
    return table(("of", "memory"), lines)


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    machine.raise_open_files()
    try:
        print(report(options))
    except (StartError, OSError, subprocess.CalledProcessError) as problem:
        print(f"benchmarks.sizing: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
