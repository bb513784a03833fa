"""What `python -m benchmarks.scale` compares: rules that differ in one thing, and the requests sent to them."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import configs
from benchmarks.loads import DONE, request_bytes

ROUTES = "many-routes"
KEYS = "many-keys"
SEEN = "seen"
NAMES = (ROUTES, KEYS, SEEN)

FEW_ROUTES = 10
DEFAULT_TABLE = 100_000
"""Keys a rate limit remembers unless `max_keys` says otherwise."""

Rules = Callable[[int, int, int], str]
Script = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One Sidecar. `rules` of the ports of the listener, the admin and the backend; `script` from which request on.

    `fill` is how many requests it must have answered before it is timed. `module` is what is run.
    """

    name: str
    rules: Rules
    script: Script
    ready: str = "/small"
    fill: int = 0
    module: str = "sidecar"


def _rules(defaults: str, routes: str) -> Rules:
    def written(port: int, admin: int, backend: int) -> str:
        return f"""{configs.sidecar_prologue(port, admin, 1000)}
upstreams:
  app:
    endpoints: [http://127.0.0.1:{backend}]
    pool: {{max_connections: {configs.POOL}, idle_timeout: 60s}}
defaults: {{timeout: {{request: 15s, idle: 60s}}, {defaults}}}
routes:
{routes}
"""

    return written


def seen(name: str, log: str, tracing: str, module: str = "sidecar") -> Row:
    """The request of `small`, with so much of it written down."""

    def written(port: int, admin: int, backend: int) -> str:
        plain = configs.sidecar(port, admin, backend, 1000)
        return plain.replace("access: off", f"access: {log}") + f"tracing: {tracing}\n"

    script = _script("", "n = n + 1", "/small", "X-Number: @\r\n")
    return Row(name, written, script, fill=1, module=module)


def _script(prelude: str, step: str, path: str, field: str) -> Script:
    """wrk's request hook: raw text with one number in it, because building a request from parts costs more."""
    text = request_bytes(path).decode().removesuffix("\r\n") + field + "\r\n"
    before, _, after = text.partition("@")
    quoted = [part.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "\\r\\n") for part in (before, after)]

    def written(begin: int) -> str:
        return f"""local before, after = "{quoted[0]}", "{quoted[1]}"
local n = {begin}
{prelude}
request = function()
  {step}
  return before .. n .. after
end
{DONE}
"""

    return written


def routes(count: int) -> Row:
    """So many routes; every request asks for another of them, so that nothing of it is in a cache.

    Each was asked for before the row is timed: the first request of a route makes its counters.
    """
    kinds = ("path: /routes/{}", "path: '/routes/{}/items/{{id}}'", "path: /routes/{}, methods: [GET, HEAD]")
    lines = [
        f"  - {{name: r{number}, match: {{{kinds[number % 3].format(number)}}}, upstream: app}}"
        for number in range(count)
    ]
    # Knuth's multiplier: visits all routes in an order without neighbours.
    step = f"seen = seen + 1; n = seen * 2654435761 % 4294967296 % {count}"
    script = _script("local seen = n", step, "/routes/@/items/7", "")
    return Row(f"{count} routes", _rules("retry: null", "\n".join(lines)), script, ready="/routes/0", fill=5 * count)


def keys(count: int, remembered: int) -> Row:
    """A rate limit by a header that has so many values, one after the other; it remembers so many of them."""
    # An hour's refill: no bucket is full again, and so forgotten, before its key comes back.
    limit = f"rate: 10/h, burst: {configs.OUT_OF_REACH}, key: 'header:x-api-key', max_keys: {remembered}"
    route = f"  - {{name: all, upstream: app, rate_limits: [{{name: per-key, {limit}}}]}}"
    script = _script("", f"n = (n + 1) % {count}", "/small", "X-Api-Key: customer-@\r\n")
    name = "one key" if count == 1 else f"{count} keys, {remembered} remembered"
    return Row(name, _rules("retry: null", route), script, fill=count)


def rows(case: str, many_routes: int, many_keys: int) -> list[Row]:
    """What is compared, the reference first."""
    if case == ROUTES:
        return [routes(FEW_ROUTES), routes(many_routes)]
    if case == SEEN:
        return [
            seen("nothing: no metrics, no log, no trace headers", "off", "{headers: false}", "benchmarks.unseen"),
            seen("metrics, errors in the log, trace headers", "errors", "{headers: true}"),
            seen("the same, one request in a hundred in the log", "sampled", "{headers: true}"),
            seen("the same, every request in the log", "all", "{headers: true}"),
        ]
    return [keys(1, DEFAULT_TABLE), keys(many_keys, min(DEFAULT_TABLE, many_keys)), keys(many_keys, many_keys)]
