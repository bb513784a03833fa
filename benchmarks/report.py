"""A result as Markdown tables: for the terminal all of them, for the README the three that matter."""

from collections.abc import Sequence

from benchmarks.loads import IDLE_CONNECTIONS, LATENCY, LOADS, Load
from benchmarks.proxies import DIRECT
from benchmarks.result import Result, Row

_ABSENT = "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that it also reads as plain text; the first column left, the others right."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        return "| " + " | ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def thousands(value: float) -> str:
    """A count with thin grouping, to three significant digits: more would be noise."""
    digits = max(0, len(str(round(value))) - 3)
    return f"{round(value, -digits):,.0f}".replace(",", " ")


def cost(row: Row | None) -> str:
    """CPU time per request in microseconds."""
    if row is None or row.cpu_us is None:
        return _ABSENT
    return f"{row.cpu_us:.1f}" if row.cpu_us < 100 else f"{row.cpu_us:.0f}"


def _times(row: Row, reference: Row | None) -> str:
    return f"{row.rate / reference.rate:.2f}" if reference is not None and reference.rate else _ABSENT


def _name(proxy: str) -> str:
    return f"**{proxy}**" if proxy.startswith("sidecar") else proxy


def load_table(result: Result, load: Load) -> str:
    """All columns of one load: throughput against Envoy and nginx, or latency for a paced load."""
    envoy, nginx = result.row(load.name, "envoy"), result.row(load.name, "nginx")
    lines = []
    for proxy in result.proxies():
        row = result.row(load.name, proxy)
        if row is None:
            continue
        if load.paced:
            speed = [f"{row.p50_ms:.2f}", f"{row.p99_ms:.2f}"]
        else:
            speed = [thousands(row.rate), _times(row, envoy), _times(row, nginx), f"{row.p99_ms:.2f}"]
        lines.append([_name(proxy), *speed, cost(row), str(row.errors)])
    columns = ["p50 ms", "p99 ms"] if load.paced else ["req/s", "× Envoy", "× nginx", "p99 ms"]
    return table([f"`{load.name}`", *columns, "CPU µs/request", "errors"], lines)


def memory_table(result: Result) -> str:
    """Start-up time and memory of every proxy."""
    lines = []
    for proxy in result.proxies():
        found = result.footprint(proxy)
        if found is not None:
            lines.append(
                [
                    _name(proxy),
                    f"{found.start_ms:.0f}",
                    f"{found.idle_bytes / 1048576:.0f}",
                    f"{found.connection_bytes / 1024:.1f}",
                    str(found.errors),
                ]
            )
    return table(["`memory`", "start ms", "idle MiB", "KiB per idle connection", "errors"], lines)


def cost_table(result: Result) -> str:
    """CPU time per request of every load in one table: the figure that moves least between machines' moods."""
    measured = [load for load in LOADS if any(sample.load == load.name for sample in result.samples)]
    lines = [
        [_name(proxy), *(cost(result.row(load.name, proxy)) for load in measured)]
        for proxy in result.proxies()
        if proxy != DIRECT
    ]
    return table(["CPU µs/request", *(f"`{load.name}`" for load in measured)], lines)


def conditions(result: Result) -> str:
    """Where, when and with what the figures were taken, as one paragraph."""
    where = f"{result.machine['processor']}, {result.machine['cpus']} CPUs, {result.machine['kernel']}"
    versions = "; ".join(f"{name} {version}" for name, version in result.versions.items())
    return (
        f"{result.date}, commit {result.commit}; {where}, {result.machine['python']}; {result.settings['placement']}; "
        f"median of {result.settings['rounds']} interleaved rounds of {result.settings['seconds']} s. {versions}."
    )


def full(result: Result) -> str:
    """Every table of the run."""
    parts = [conditions(result)]
    for load in LOADS:
        if any(sample.load == load.name for sample in result.samples):
            parts += [f"{load.name}: {load.says}", load_table(result, load)]
    if result.footprints:
        parts += [
            f"memory: a fresh start, then {IDLE_CONNECTIONS} idle connections that made one request each",
            memory_table(result),
        ]
    if result.failed:
        parts.append(f"NOT MEASURED (did not start, or its policies are not in force): {', '.join(result.failed)}.")
    total = result.errors()
    parts.append("No errors." if total == 0 else f"ERRORS: {total} failed requests; the figures above do not count.")
    return "\n\n".join(parts) + "\n"


def summary(result: Result) -> str:
    """The Markdown for the README: `small` and `latency` in full, CPU time of all loads, memory."""
    by_name = {load.name: load for load in LOADS}
    parts = [
        load_table(result, by_name[name])
        for name in ("small", LATENCY)
        if any(sample.load == name for sample in result.samples)
    ]
    if result.samples:
        parts.append(cost_table(result))
    if result.footprints:
        parts.append(memory_table(result))
    parts.append(conditions(result))
    return "\n\n".join(parts) + "\n"
