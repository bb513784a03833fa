"""`sidecar status`, `reload` and `drain`: a client of a running sidecar's admin address.

Uses http.client, so that these start at once and HTTP_PROXY of the environment never comes between.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sidecar.app.errors import CommandError, Exit
from sidecar.model.address import Address
from sidecar.policies.units import parse_duration, show_duration

_TIMEOUT = 5.0
# Ten thousand routes take seconds to read, and a reload may wait for the one before it.
_RELOAD_TIMEOUT = 60.0
_MIB = 1 << 20


def status(arguments: argparse.Namespace) -> int:
    """Print what a running sidecar says of itself."""
    told = _asked(arguments.admin, "GET", "/status", "phase", _TIMEOUT)
    print(json.dumps(told, indent=2) if arguments.json else table(told))
    return Exit.DONE


def reload(arguments: argparse.Namespace) -> int:
    """Have a running sidecar read its rules again; print what changed, or every problem."""
    told = _asked(arguments.admin, "POST", "/reload", "result", _RELOAD_TIMEOUT)
    lines = told["problems"] if told["result"] == "failed" else [*told["changes"], *told["warnings"]]
    for line in lines:
        print(line)
    if told["result"] == "failed":
        raise CommandError(Exit.FAILED, f"the rules cannot be used; generation {told['generation']} stays in force")
    note = f" ({told['note']})" if told["note"] else ""
    print(f"{told['result']}: generation {told['generation']}{note}")
    return Exit.DONE


def drain(arguments: argparse.Namespace) -> int:
    """Ask a running sidecar to drain; with a wait, see it to the end."""
    if arguments.wait is None:
        _asked(arguments.admin, "POST", "/drain", "draining", _TIMEOUT)
        print("draining")
        return Exit.DONE
    try:
        seconds = parse_duration(arguments.wait)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--wait: {error}") from error
    target = f"/drain?wait={quote(f'{seconds:f}s')}"
    if not _asked(arguments.admin, "POST", target, "drained", seconds + _TIMEOUT)["drained"]:
        raise CommandError(Exit.CUT, f"not drained after {show_duration(seconds)}; it goes on")
    print("drained")
    return Exit.DONE


def table(told: Mapping[str, Any]) -> str:
    """The status as people read it: the state of the whole and what is wrong with it, then routes, endpoints, workers,
    breakers, policies and refusals.

    What there is none of has no table."""
    rules = told["rules"]
    lines = [
        f"{told['phase']}, up {_age(told['uptime_seconds'])}, version {told['version']}, "
        f"rules {rules['hash'][:12]} (generation {rules['generation']})"
    ]
    lines += _alarms(told)
    routes = [
        (
            route["name"],
            route["upstream"],
            route["in_flight"],
            route["requests"],
            route["statuses"].get("5xx", 0),
            sum(route["rejections"].values()),
        )
        for route in told["routes"]
    ]
    lines += ["", *columns(("ROUTE", "UPSTREAM", "IN FLIGHT", "REQUESTS", "5XX", "REJECTED"), routes)]
    endpoints = [
        (endpoint["name"], standing(endpoint), endpoint["in_flight"], endpoint["pool"]["idle"], endpoint["weight"])
        for upstream in told["upstreams"]
        for endpoint in upstream["endpoints"]
    ]
    lines += ["", *columns(("ENDPOINT", "STATE", "IN FLIGHT", "IDLE", "WEIGHT"), endpoints)]
    for head, rows in (
        (("WORKER", "PID", "STATE", "UP", "RESTARTS", "CONNECTIONS", "LAG"), _workers(told)),
        (("BREAKER", "STATE", "LEFT", "FAILED", "SLOW", "ATTEMPTS"), _breakers(told)),
        (("POLICY", "STATE"), _figures_of_policies(told)),
        (("RULE", "REJECTED", "IN SHADOW"), _rejections(told)),
    ):
        if rows:
            lines += ["", *columns(head, rows)]
    return "\n".join(lines)


def standing(endpoint: Mapping[str, Any]) -> str:
    """An endpoint's state in a word or two, what people decided before what policies did."""
    if endpoint["drained"]:
        return "drained"
    if endpoint["down"]:
        why = endpoint.get("why_down")
        return f"down: {why}" if why else "down"
    ejection = endpoint["ejection"]
    if ejection is not None and ejection["state"] == "ejected":
        return f"ejected {show_duration(math.ceil(ejection['seconds_left']))}"
    workers = endpoint.get("workers")
    if workers is not None and 0 < workers["taking_attempts"] < workers["all"]:
        return f"ready in {workers['taking_attempts']} of {workers['all']} workers"
    return "ready"


def _alarms(told: Mapping[str, Any]) -> list[str]:
    """What somebody has to look after, a line each."""
    lines = [f"not ready: {reason}" for reason in told.get("not_ready", ())]
    pressure = told.get("pressure")
    if pressure is not None and not pressure["accepting"]:
        lines.append("new connections wait: no descriptor is left for them")
    if pressure is not None and pressure["memory"]["shedding"]:
        resident = pressure["memory"]["resident_bytes"] / _MIB
        lines.append(f"new requests are refused: {resident:.0f}MiB resident, more than overload.max_memory")
    reload = (told.get("reload") or {}).get("last")
    if reload is not None and reload["result"] == "failed":
        first, *others = reload["problems"]
        more = f", and {len(others)} more" if others else ""
        lines.append(f"the last reload failed ({reload['why']}): {first}{more}")
    return lines


def _workers(told: Mapping[str, Any]) -> list[Sequence[object]]:
    return [
        (
            worker["slot"],
            "-" if worker["pid"] is None else worker["pid"],
            worker["phase"],
            "-" if worker["uptime_seconds"] is None else _age(worker["uptime_seconds"]),
            worker["restarts"],
            "-" if worker["connections"] is None else worker["connections"],
            "-" if worker["loop_lag_seconds"] is None else show_duration(round(worker["loop_lag_seconds"], 3)),
        )
        for worker in told.get("workers", ())
    ]


def _breakers(told: Mapping[str, Any]) -> list[Sequence[object]]:
    return [
        (
            label,
            breaker["state"]
            + (" by hand" if breaker["forced"] != "auto" else "")
            + (", in shadow" if breaker["shadow"] else ""),
            show_duration(math.ceil(breaker["open_remaining"])) if breaker["open_remaining"] else "-",
            breaker["failures"],
            breaker["slow"],
            breaker["requests"],
        )
        for label, breaker in told["breakers"].items()
    ]


def _figures_of_policies(told: Mapping[str, Any]) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for owner in (*told["routes"], *told["upstreams"]):
        for name, snapshot in owner["policies"].items():
            if "breaker" not in snapshot:  # breakers have a table of their own
                rows += _figures(name, snapshot)
    return rows


def _figures(name: str, snapshot: Mapping[str, Any]) -> list[Sequence[object]]:
    """One row for the figures of a policy, and one for each part that has figures of its own."""
    said = [
        f"{key} {','.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in snapshot.items()
        if not isinstance(value, dict | bool | None) and value != []
    ]
    if snapshot.get("shadow"):
        said.append("in shadow")
    rows: list[Sequence[object]] = [(name, ", ".join(said))] if said else []
    for key, value in snapshot.items():
        if isinstance(value, dict):
            rows += _figures(f"{name}/{key}", value)
    return rows


def _rejections(told: Mapping[str, Any]) -> list[Sequence[object]]:
    rows: dict[str, list[int]] = {}
    for route in told["routes"]:
        for place, key in enumerate(("rejected_by", "shadow_rejected_by")):
            for rule, count in route[key].items():
                rows.setdefault(rule, [0, 0])[place] += count
    return [(rule, *counts) for rule, counts in rows.items()]


def columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows under their heads, each column as wide as its widest cell."""
    cells = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def _ask(address: Address, method: str, target: str, timeout: float) -> tuple[int, bytes]:
    connection = _Connection(address, timeout)
    headers = {"Accept": "application/json"}
    token = os.environ.get("SIDECAR_ADMIN_TOKEN")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CommandError(
            Exit.FAILED, f"no sidecar answers at {address}: {reason}; --admin names another address"
        ) from error
    finally:
        connection.close()


def _asked(address: Address, method: str, target: str, key: str, timeout: float) -> dict[str, Any]:
    """What the admin address answers, an object with this key; CommandError says why there is none."""
    code, body = _ask(address, method, target, timeout)
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if isinstance(told, dict) and key in told:
        return told
    # No other status is a refusal of the admin's: whoever answers 404 here is somebody else.
    if code not in (400, 401, 403) or not isinstance(told, dict):
        raise CommandError(Exit.FAILED, f"what answers at {address} is no sidecar's admin address (status {code})")
    hint = "; set SIDECAR_ADMIN_TOKEN" if code == 401 else ""
    raise CommandError(Exit.FAILED, f"{address} refuses: {told.get('detail', code)}{hint}")


class _Connection(http.client.HTTPConnection):
    """One connection to an address, be it TCP or a unix socket."""

    def __init__(self, address: Address, timeout: float) -> None:
        # Every interface is reached through the loopback one.
        super().__init__(address.host or "127.0.0.1", address.port or None, timeout=timeout)
        self._path = address.path
        if self._path is not None:
            self.host = "localhost"

    def connect(self) -> None:
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
