"""`python -m benchmarks.slow_clients`: who still serves while slowhttptest holds its connections open.

Each proxy in turn, in front of the same nginx, is attacked by more connections than it may have: slow heads, slow
bodies, slow reading, and ranges without end. Meanwhile somebody ordinary asks, twenty times a second, over a new
connection each time and with three seconds of patience. Told are the share of these requests that got their 200, how
long they took, how many connections the proxy had open at most, and its memory then.

Exit status: 0 measured; 2 when something is missing or did not start.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import backend, configs, cpu, machine, proxies
from benchmarks.paced import percentile
from benchmarks.processes import Program, StartError, ask, free_port
from benchmarks.proxies import Proxy
from benchmarks.report import table

PLACES = 1000
"""Connections of clients that a proxy may have, where it can be told."""
_RATE = 20
_PATIENCE = 3.0
UNPINNED = machine.Placement(None, None)
ROWS = ("nginx", "haproxy", "caddy", "envoy", "sidecar")


@dataclass(frozen=True, slots=True)
class Attack:
    """What slowhttptest is told besides how many, how fast and how long."""

    name: str
    path: str
    options: tuple[str, ...]


ATTACKS = (
    Attack("slow heads", "/small", ("-H", "-i", "1", "-x", "8")),
    Attack("slow bodies", "/post", ("-B", "-i", "1", "-s", "8192", "-x", "8")),
    Attack("slow reading", "/1m", ("-X", "-k", "3", "-w", "10", "-y", "20", "-n", "1", "-z", "32")),
    Attack("endless ranges", "/64k", ("-R", "-a", "5", "-b", "500")),
)


@dataclass(frozen=True, slots=True)
class Row:
    """How one proxy served meanwhile."""

    proxy: str
    attack: str
    asked: int
    answered: int
    p50_ms: float
    p99_ms: float
    connections: int
    grown: float

    def cells(self) -> list[str]:
        """For the table."""
        share = self.answered / self.asked if self.asked else 0.0
        figures = [f"{share:.1%}", f"{self.p50_ms:.1f}", f"{self.p99_ms:.1f}", str(self.connections)]
        return [self.attack, self.proxy, *figures, f"{self.grown / (1 << 20):.1f} MiB"]


def command(proxy: str, program: str, folder: Path, port: int, behind: int, places: int = PLACES) -> list[str]:
    """What starts it with so many places, as far as it knows such a thing. Raises KeyError for an unknown one."""
    if proxy == "sidecar":
        text = configs.sidecar(port, free_port(), behind, places)
        return [program, "-m", "sidecar", "run", "-c", _written(folder / "sidecar.yaml", text)]
    if proxy == "nginx":  # which counts both sides
        text = configs.nginx(folder, port, behind, 2 * places)
        return backend.command(program, folder, Path(_written(folder / "nginx.conf", text)))
    if proxy == "haproxy":
        # It reserves descriptors for both sides of each, and does not start where the hard limit has fewer.
        text = configs.haproxy(port, behind, places).replace("global\n", "global\n    no strict-limits\n", 1)
        return [program, "-db", "-f", _written(folder / "haproxy.cfg", text)]
    if proxy == "caddy":
        text = configs.caddy(port, behind)
        return [program, "run", "--adapter", "caddyfile", "--config", _written(folder / "Caddyfile", text)]
    if proxy == "envoy":
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return [program, "-c", _written(folder / "envoy.json", configs.envoy(port, behind)), *options]
    raise KeyError(proxy)


def _written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def attacked(running: Program, port: int, attack: Attack, tester: str, connections: int, seconds: int) -> Row:
    """Attack it for so long and ask meanwhile."""
    size = ("-c", str(connections), "-r", str(connections // 2), "-l", str(seconds))
    before = cpu.resident_bytes(running.pid)
    latencies: list[float] = []
    asked, most, largest = 0, 0, before
    with subprocess.Popen(
        [tester, *attack.options, *size, "-v", "0", "-u", f"http://127.0.0.1:{port}{attack.path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as attacker:
        try:
            began = time.perf_counter()
            while time.perf_counter() < began + seconds:
                begins = time.perf_counter()
                if ask(port, timeout=_PATIENCE) == 200:
                    latencies.append((time.perf_counter() - begins) * 1e3)
                asked += 1
                most = max(most, sockets(running.pid))
                largest = max(largest, cpu.resident_bytes(running.pid))
                time.sleep(max(0.0, begins + 1 / _RATE - time.perf_counter()))
        finally:
            attacker.kill()
    latencies.sort()
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    return Row(running.name, attack.name, asked, len(latencies), p50, p99, most, largest - before)


def sockets(pid: int) -> int:
    """Descriptors of the tree under `pid`: with a proxy under attack, all but some tens are connections."""
    return sum(len(list((Path("/proc") / str(member) / "fd").iterdir())) for member in cpu.tree(pid))


@contextmanager
def started(
    row: Proxy, program: str, places: int, place: machine.Placement = UNPINNED
) -> Iterator[tuple[Program, int]]:
    """The proxy in front of nginx, with its port. Raises StartError."""
    behind = proxies.find("nginx")
    if behind is None:
        raise StartError("nginx is not installed; it is the backend")
    with tempfile.TemporaryDirectory(prefix="sidecar-slow-") as folder, ExitStack() as opened:
        room = Path(folder)
        room.chmod(0o755)
        port, back = free_port(), free_port()
        (room / "backend").mkdir()
        served = opened.enter_context(proxies.start_backend(behind, room / "backend", back, place.rest))
        served.wait_until_answers(back)
        line = command(row.name, program, room, port, back, places)
        own = {**row.environment, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        running = opened.enter_context(Program(row.name, line, room, cpu=place.proxy, environment=own))
        running.wait_until_answers(port)
        yield running, port


def measure(row: Proxy, attack: Attack, tester: str, connections: int, seconds: int) -> Row | None:
    """One proxy under one attack; None where it is not installed. Raises StartError."""
    program = row.program()
    if program is None:
        return None
    with started(row, program, PLACES) as (running, port):
        return attacked(running, port, attack, tester, connections, seconds)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_clients", description=__doc__)
    parser.add_argument("--connections", type=int, default=2000, help="of the attacker (2000)")
    parser.add_argument("--seconds", type=int, default=10, help="of each attack (10)")
    parser.add_argument("--proxies", nargs="*", default=list(ROWS), choices=ROWS, help="only these")
    parser.add_argument(
        "--attacks", nargs="*", default=[one.name for one in ATTACKS], choices=[one.name for one in ATTACKS]
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    machine.raise_open_files()
    tester = proxies.find("slowhttptest")
    if tester is None:
        print("benchmarks.slow_clients: slowhttptest is not installed", file=sys.stderr)
        return 2
    rows = {one.name: one for one in proxies.PROXIES}
    measured: list[list[str]] = []
    for attack in (one for one in ATTACKS if one.name in options.attacks):
        for name in options.proxies:
            try:
                row = measure(rows[name], attack, tester, options.connections, options.seconds)
            except StartError as problem:
                print(f"benchmarks.slow_clients: {problem}", file=sys.stderr)
                return 2
            if row is not None:
                measured.append(row.cells())
                print(" ".join(row.cells()), file=sys.stderr, flush=True)
    print(table(("attack", "proxy", "answered", "p50 ms", "p99 ms", "descriptors", "memory"), measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
