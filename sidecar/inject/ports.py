"""Which ports of a pod the sidecar fronts, where it listens for them, and how they are called from then on.

The rule: for port N it listens on N + 10000 (N - 10000 above 55535), or on the next number that nobody in the pod uses.
It takes the port's name, because Services, NetworkPolicies and monitors that go by name follow it then; the
application's own entry is called NAME-app.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sidecar.inject.objects import Path, Refused, Table, tables

_SHIFT = 10_000
_LAST = 65_535
_LONGEST_NAME = 15
_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*")  # IANA_SVC_NAME of Kubernetes' API, RFC 6335 section 5.1
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_BY_BYTES = (
    frozenset(
        (
            "tcp",
            "tls",
            "https",
            "grpc",
            "grpcs",
            "http2",
            "h2c",
            "postgres",
            "postgresql",
            "pg",
            "mysql",
            "mariadb",
            "db",
        )
    )
    | frozenset(
        (
            "redis",
            "rediss",
            "mongo",
            "mongodb",
            "amqp",
            "amqps",
            "kafka",
            "mqtt",
            "memcached",
            "memcache",
            "smtp",
            "ldap",
        )
    )
    | frozenset(("nats", "cql", "ssh", "etcd", "zookeeper"))
)
# What is served beside the service itself, and never what is meant when nobody says so.
_BESIDE = frozenset(("http-metrics", "http-prom", "http-health", "http-admin", "http-mgmt", "http-debug", "http-probe"))
# Where these numbers are all that is known, it is no web server that listens there.
_OF_OTHERS = frozenset(
    (22, 25, 389, 443, 636, 1433, 1521, 1883, 2181, 3306, 4222, 5432, 5671, 5672, 6379, 6443, 8443, 8883, 9042, 9092)
) | frozenset((11211, 26257, 26379, 27017, 50051))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: a port by name or number, and how it is spoken there, if that was said."""

    which: str
    protocol: str | None = None

    def __str__(self) -> str:
        return f"{self.which}={self.protocol}" if self.protocol else self.which


@dataclass(frozen=True, slots=True)
class Declared:
    """A TCP port of the application. Without a container: one that no container declares."""

    number: int
    name: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """One port that the sidecar fronts. `was`: its name before; `host`: hostPort and hostIP that moved."""

    number: int
    listens: int
    name: str
    protocol: str = "http"
    was: str | None = None
    container: str | None = None
    host: Table = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Where the application is."""
        return f"{self.protocol}://127.0.0.1:{self.number}"


def containers(spec: Table, at: Path) -> list[tuple[str, int, Table]]:
    """Every container with the key of its list and its index, those that run before the others last."""
    kinds = ("containers", "initContainers")
    found = [(key, index, one) for key in kinds for index, one in enumerate(tables(spec, (key,), at))]
    names = set()
    for key, index, one in found:
        if not isinstance(one.get("name"), str):
            raise Refused("a container without a name", (*at, key, index))
        if one["name"] in names:
            raise Refused(f"two containers are called `{one['name']}`, and Kubernetes takes neither", (*at, key, index))
        names.add(one["name"])
        for place, port in enumerate(tables(one, ("ports",), (*at, key, index))):
            number, name = port.get("containerPort"), port.get("name")
            where = (*at, key, index, "ports", place)
            if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= _LAST:
                raise Refused("`containerPort` must be a number from 1 to 65535", (*where, "containerPort"))
            if name is not None and not isinstance(name, str):
                raise Refused("the name of a port must be a text; put it in quotes", (*where, "name"))
            if name and not (len(name) <= _LONGEST_NAME and _NAME.fullmatch(name)):
                raise Refused("a port's name is up to 15 of a-z, 0-9 and `-`, one of them a letter", (*where, "name"))
    return found


def declared(spec: Table, at: Path) -> list[Declared]:
    """The application's TCP ports."""
    return [
        Declared(port["containerPort"], port.get("name"), one["name"])
        for key, _, one in containers(spec, at)
        if key == "containers"
        for port in one.get("ports") or ()
        if port.get("protocol") in (None, "TCP")
    ]


def asked_otherwise(spec: Table, at: Path) -> dict[int | str, str]:
    """The ports that are asked by something else than plain HTTP, and by what."""
    found: dict[int | str, str] = {}
    for _, _, one in containers(spec, at):
        for probe in filter(None, map(one.get, _PROBES)):
            grpc, http = (probe.get(key) if isinstance(probe, dict) else None for key in ("grpc", "httpGet"))
            if isinstance(grpc, dict) and isinstance(grpc.get("port"), int):
                found[grpc["port"]] = "its gRPC probe"
            if isinstance(http, dict) and http.get("scheme") == "HTTPS" and isinstance(http.get("port"), int | str):
                found[http["port"]] = "its HTTPS probe"
    return found


def is_by_bytes(name: str) -> bool:
    """Whether a name says that no plain HTTP/1.1 is spoken."""
    return name.split("-")[0] in _BY_BYTES


def is_web(name: str) -> bool:
    """Whether a name says that this is the service, and speaks HTTP."""
    return name in ("http", "web") or (name.startswith("http-") and name not in _BESIDE)


def chosen(
    ports: Sequence[Declared],
    wanted: Sequence[Wanted],
    by_services: Sequence[Declared],
    web: Iterable[int | str],
    others: Mapping[int | str, str],
) -> list[tuple[Declared, str]]:
    """The ports to front, and how each is spoken. `by_services` are those that only Services know of, `web` those that
    a Service says are http, `others` those that are something else, with who says so."""
    said = set(web)
    if wanted:
        found = [(_asked(ports, one), one.protocol) for one in wanted]
        numbers = [port.number for port, _ in found]
        if len(set(numbers)) < len(numbers):
            raise Refused(f"port {max(numbers, key=numbers.count)} is asked for twice")
        return [(port, protocol or _http(port, said, others)) for port, protocol in found]
    candidates = ports or by_services
    if not candidates:
        raise Refused("no container declares a TCP port, so nothing says what to front; `--port NUMBER` does")
    if len(candidates) == 1:
        return [(candidates[0], _http(candidates[0], said, others))]
    ranks = (
        [port for port in candidates if port.name in ("http", "web")],
        [port for port in candidates if (port.name or "").startswith("http-")],
        [port for port in candidates if port.number in said or (port.name or "") in said],
    )
    for rank in ranks:
        if len(rank) == 1 and rank[0].name not in _BESIDE:
            return [(rank[0], "http")]
        if rank:
            break
    raise Refused(f"several ports could be fronted: {_listed(candidates)}; choose with `--port`, which may be repeated")


def _asked(ports: Sequence[Declared], wanted: Wanted) -> Declared:
    if wanted.which.isdecimal():
        number = int(wanted.which)
        return next((port for port in ports if port.number == number), Declared(number))
    for port in ports:
        if port.name == wanted.which:
            return port
    has = f"it has {_listed(ports)}" if ports else "it declares none"
    raise Refused(f"no TCP port is called `{wanted.which}`; {has}")


def _http(port: Declared, web: set[int | str], others: Mapping[int | str, str]) -> str:
    """http; Refused where the port's name, a probe, a Service or, with none of these, its number says otherwise."""
    name = port.name or ""
    if is_web(name):
        return "http"
    says = "its name" if is_by_bytes(name) else others.get(port.number) or others.get(name)
    if not says and port.number in _OF_OTHERS and not {port.number, name} & web:
        says = "its number"
    if says:
        which = port.name or port.number
        raise Refused(
            f"port {_listed([port])} does not speak plain HTTP/1.1 by {says}; `--port {which}=tcp` fronts its bytes, "
            f"`--port {which}=http` says that it does"
        )
    return "http"


def _listed(ports: Iterable[Declared]) -> str:
    return ", ".join(f"{port.name} ({port.number})" if port.name else str(port.number) for port in ports)


def used(spec: Table, at: Path) -> set[int]:
    """Every number that something in the pod uses, or is asked at."""
    found = {port["containerPort"] for _, _, one in containers(spec, at) for port in one.get("ports") or ()}
    for _, _, one in containers(spec, at):
        found |= {asked["port"] for asked in asked_at(one) if isinstance(asked.get("port"), int)}
    return found


def free(number: int, taken: set[int]) -> int:
    """This number or the next one that is not taken."""
    while number in taken:
        number = number + 1 if number < _LAST else 1024
    return number


def listening(number: int, taken: set[int]) -> int:
    """Where the sidecar listens for a port of the application."""
    return free(number + _SHIFT if number + _SHIFT <= _LAST else number - _SHIFT, taken)


def front_name(port: Declared, protocol: str, names: set[str]) -> str:
    """The name of the sidecar's port: the port's own, else http, http-N or tcp-N."""
    if port.name:
        return port.name
    return "http" if protocol == "http" and "http" not in names else unused(f"{protocol}-{port.number}", names)


def unused(name: str, names: set[str]) -> str:
    """This name, or one like it, that is not in use; of 15 characters at most."""
    for count in range(1, 1000):
        tail = "" if count == 1 else str(count)
        found = name[: _LONGEST_NAME - len(tail)].rstrip("-") + tail
        if found not in names:
            return found
    raise Refused(f"no name like `{name}` is free")


def app_name(name: str, names: set[str]) -> str:
    """What the application's own entry is called from then on."""
    for count in range(1, 1000):
        tail = "-app" if count == 1 else f"-app{count}"
        found = re.sub("-+$", "", name[: _LONGEST_NAME - len(tail)]) + tail
        if found not in names:
            return found
    raise Refused(f"no name like `{name}-app` is free")


def asked_at(container: Table) -> list[dict[str, Any]]:
    """What a probe or a hook asks of the container's own ports, by name or by number."""
    lifecycle = container.get("lifecycle")
    hooks = [lifecycle.get(key) for key in ("postStart", "preStop")] if isinstance(lifecycle, dict) else []
    probes = map(container.get, _PROBES)
    found = [
        one.get(key) for one in (*probes, *hooks) if isinstance(one, dict) for key in ("httpGet", "tcpSocket", "grpc")
    ]
    return [one for one in found if isinstance(one, dict)]
