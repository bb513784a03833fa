"""New TLS connections one after the other, each with a handshake that resumes nothing, by `openssl s_time`.

wrk does not serve for this: it takes up the session of the connection before.
"""

import re
import subprocess
import time
from collections.abc import Mapping
from subprocess import PIPE, STDOUT

from benchmarks.loads import OutputError, Verdict

AT_ONCE = 4
"""Clients side by side: while one thinks, the proxy has work of another."""

_COUNT = re.compile(r"^(\d+) connections in \d+ real seconds", re.MULTILINE)


def command(openssl: str, port: int, path: str, seconds: int) -> list[str]:
    """One client for this long; openssl counts whole seconds.

    It writes `GET`, what it is told, and ` HTTP/1.0`. A request of that kind, without a host, is nobody's usual one: so
    it is told a whole request of HTTP/1.1, and the rest becomes the value of a field.
    """
    told = f"{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Rest:"
    return [openssl, "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-www", told, "-time", str(seconds)]


def run(words: list[str], environment: Mapping[str, str], limit: float) -> Verdict:
    """The clients side by side until all are done. Raises OutputError when one of them did not count, TimeoutExpired
    after `limit` seconds. No latencies are known: both are 0."""
    began = time.monotonic()
    clients: list[subprocess.Popen[str]] = []
    outputs: list[str] = []
    try:
        while len(clients) < AT_ONCE:
            clients.append(subprocess.Popen(words, env=environment, text=True, stdout=PIPE, stderr=STDOUT))
        outputs += [client.communicate(timeout=limit)[0] for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.communicate()
    taken = time.monotonic() - began
    return Verdict(
        requests=sum(map(_count, outputs)),
        seconds=taken,
        errors=sum(client.returncode != 0 for client in clients),
        p50_ms=0.0,
        p99_ms=0.0,
    )


def _count(output: str) -> int:
    found = _COUNT.search(output)
    if found is None:
        raise OutputError(f"no count of connections in: {output[-500:]!r}")
    return int(found[1])
