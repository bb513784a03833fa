"""docs/rules.md from the key tables, so that the reference never says what the code does not do.

`python -m sidecar.rules.reference > docs/rules.md` writes it anew; a test holds the two together.
"""

from __future__ import annotations

from sidecar.policies.units import Kind
from sidecar.rules.json_schema import default_of
from sidecar.rules.keys import Key, Keyed, Many, Record, Shape, keys_of
from sidecar.rules.schema import RuleSet

_HEAD = """\
# The rules file

Every key, what it means, how it is written and what holds without it.
`sidecar check FILE` tells every problem at its line and column; `sidecar schema` prints the JSON Schema for editors.

**Written forms.** Durations: `250ms`, `2s`, `5m`, `1h` (`0` or `0s` for none). Sizes: `512B`, `64KiB`, `10MiB`,
`1GiB`, or a number of bytes. Ratios: `0` to `1`. Rates: `10/s`, `600/m`, `1000/h`. Statuses: `200`, and
in `expect_status` also `200-399` and `5xx`. Addresses: `host:port`, `[v6]:port`, `:port`, `unix:/path`. Keys:
`client_ip`, `header:NAME`, `cookie:NAME`, `path:VARIABLE`. Names: up to 64 letters, digits, `-` and `_`.

**References.** In any value, before it is read: `${NAME}` is the environment's, `${NAME:-default}` with a default,
`${file:/path}` what a file holds (never shown again by `sidecar`), `$${` a literal `${`. Inside `{…}` put quotes
around them.

**Precedence.** Command line > environment > file > defaults. `--set dotted.key=value` reaches every key; items of a
list are called by their name or their number: `--set routes.login.timeout.request=1s`,
`--set upstreams.app.endpoints.0.weight=2`. From the environment: `SIDECAR_LISTEN` (address of the first listener),
`SIDECAR_UPSTREAM` (endpoints, separated by commas), `SIDECAR_ADMIN`, `SIDECAR_LOG_LEVEL`.

**Without a file** one upstream URL is enough: an upstream `app`, a route `everything`, a listener on `:8080`, the
admin on `127.0.0.1:9901`, and every default below: among them timeouts, retries and the upstream's circuit breaker.
One differs: `drain.announce` is 0s.

**Policies.** Those of `routes` may also stand in `defaults`; a route's own mapping is merged over them key by key,
and `null` switches one off. A policy that is on by default says so. Every policy takes `mode: enforce` or
`mode: shadow`, in which it decides as ever, and only counts what it would have done; one whose table says *`shadow` is
off* has nothing to count, and `sidecar check` warns. A setting is never silently ignored. Rules with a `fault` are
refused by every command without `--allow-faults`. Changed rules are [read again](reload.md) while requests run. What
each policy does, its formula and its pitfalls:
[timeout](policies/timeout.md),
[rate_limits](policies/rate_limits.md),
[concurrency](policies/concurrency.md),
[circuit_breaker](policies/circuit_breaker.md),
[retry](policies/retry.md),
[fallback](policies/fallback.md),
[health_check](policies/health_check.md),
[hold](policies/hold.md),
[ejection](policies/ejection.md),
[slow_start](policies/slow_start.md),
[split](policies/split.md),
[rewrite](policies/rewrite.md),
[request_headers and response_headers](policies/headers.md),
[fault](policies/fault.md). What a route answers without an upstream, and routes by listener:
[redirects and fixed answers](redirects.md). What lies below and beside HTTP: [TLS](tls.md), [bytes](tcp.md), the
[PROXY protocol](proxy-protocol.md), [unix sockets](unix-sockets.md).

**Examples**, each complete and commented:
[minimal.yaml](../config/examples/minimal.yaml),
[timeouts.yaml](../config/examples/timeouts.yaml),
[deadline.yaml](../config/examples/deadline.yaml),
[retries.yaml](../config/examples/retries.yaml),
[rate-limits.yaml](../config/examples/rate-limits.yaml),
[concurrency.yaml](../config/examples/concurrency.yaml),
[adaptive-concurrency.yaml](../config/examples/adaptive-concurrency.yaml),
[circuit-breaker.yaml](../config/examples/circuit-breaker.yaml),
[health-check.yaml](../config/examples/health-check.yaml),
[health-check-send-expect.yaml](../config/examples/health-check-send-expect.yaml),
[hold.yaml](../config/examples/hold.yaml),
[ejection.yaml](../config/examples/ejection.yaml),
[slow-start.yaml](../config/examples/slow-start.yaml),
[fallback-static.yaml](../config/examples/fallback-static.yaml),
[fallback-stale.yaml](../config/examples/fallback-stale.yaml),
[canary-split.yaml](../config/examples/canary-split.yaml),
[rewrite.yaml](../config/examples/rewrite.yaml),
[header-edits.yaml](../config/examples/header-edits.yaml),
[fault.yaml](../config/examples/fault.yaml),
[tcp-postgres.yaml](../config/examples/tcp-postgres.yaml),
[tcp-redis.yaml](../config/examples/tcp-redis.yaml),
[proxy-protocol.yaml](../config/examples/proxy-protocol.yaml),
[unix-sockets.yaml](../config/examples/unix-sockets.yaml),
[https-redirect.yaml](../config/examples/https-redirect.yaml),
[own-answers.yaml](../config/examples/own-answers.yaml),
[forwarded.yaml](../config/examples/forwarded.yaml),
[websockets-and-sse.yaml](../config/examples/websockets-and-sse.yaml),
[tls.yaml](../config/examples/tls.yaml),
[mtls.yaml](../config/examples/mtls.yaml),
[tls-several-names.yaml](../config/examples/tls-several-names.yaml),
[tls-upstream.yaml](../config/examples/tls-upstream.yaml),
[two-endpoints-balanced.yaml](../config/examples/two-endpoints-balanced.yaml),
[hash-by-header.yaml](../config/examples/hash-by-header.yaml),
[behind-a-load-balancer.yaml](../config/examples/behind-a-load-balancer.yaml),
[tight-limits-for-hostile-clients.yaml](../config/examples/tight-limits-for-hostile-clients.yaml),
[overload.yaml](../config/examples/overload.yaml),
[access-log.yaml](../config/examples/access-log.yaml),
[tracing.yaml](../config/examples/tracing.yaml),
[tracing-export.yaml](../config/examples/tracing-export.yaml),
[drain.yaml](../config/examples/drain.yaml),
[dns-re-resolution.yaml](../config/examples/dns-re-resolution.yaml),
[every-key.yaml](../config/examples/every-key.yaml), and the default,
[sidecar.yaml](../config/sidecar.yaml).
"""


def reference() -> str:
    """The whole page."""
    seen: set[type] = set()
    parts = [_HEAD, *_sections(Record(RuleSet, None), "", seen)]
    return "\n".join(parts)


def _sections(record: Record, path: str, seen: set[type], shadows: bool = True) -> list[str]:
    if record.type in seen:
        return []
    seen.add(record.type)
    title = f"## `{path}`" if path else "## Top level"
    parts = [title, "", (record.type.__doc__ or "").strip(), ""]
    if record.short:
        parts += [f"May be written as its `{record.short}` alone.", ""]
    parts += ["| key | meaning | written as | default |", "|---|---|---|---|"]
    keys = keys_of(record.type)
    parts += [_row(key, shadows) for key in keys]
    parts.append("")
    for key in keys:
        inner, suffix = _record_in(key.shape)
        if inner is not None and key.name != "defaults":
            below = f"{path}.{key.name}{suffix}".lstrip(".")
            parts += _sections(inner, below, seen, key.shadows or not key.policy)
    return parts


def _record_in(shape: Shape) -> tuple[Record | None, str]:
    if isinstance(shape, Record):
        return shape, ""
    if isinstance(shape, Many) and isinstance(shape.item, Record):
        return shape.item, "[]"
    if isinstance(shape, Keyed) and isinstance(shape.item, Record):
        return shape.item, ".NAME"
    return None, ""


def _row(key: Key, shadows: bool) -> str:
    written = _written(key.shape) + ("; `shadow` is off" if key.name == "mode" and not shadows else "")
    cells = (f"`{key.name}`", key.doc, written, _default(key))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _written(shape: Shape) -> str:
    if isinstance(shape, Kind):
        return " or ".join(f"`{word}`" for word in shape.json["enum"]) if shape.name == "choice" else shape.name
    if isinstance(shape, Many):
        inner = _written(shape.item)
        return f"{inner}, or a list" if shape.one else f"list of {inner}s"
    if isinstance(shape, Keyed):
        return f"mapping of {shape.key.name} to {_written(shape.item)}"
    return "mapping"


def _default(key: Key) -> str:
    if key.required:
        return "required"
    if isinstance(key.shape, Record):
        return "on, as below" if key.default is not None and key.policy else "as below" if key.default else "none"
    value = default_of(key)
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(map(str, value))}]`" if isinstance(value, list) else f"`{value}`"


if __name__ == "__main__":
    print(reference(), end="")
