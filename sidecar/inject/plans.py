"""The rules that go with a pod, written here or given, and what the pod has to be like for them.

Given rules have to meet the pod: each port that is fronted needs a listener of its own that others can reach, and a
route from it to that port on loopback.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sidecar.inject.asked import DEFAULT_DEADLINE, Asked
from sidecar.inject.objects import Refused
from sidecar.inject.ports import Declared, Front, free, front_name, listening
from sidecar.model.address import Address
from sidecar.policies.units import show_duration
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError, Problem
from sidecar.rules.schema import ListenerRule, RuleSet

FILE = "sidecar.yaml"
MOUNT = "/etc/sidecar"
_ADMIN_PORT = 9901
_ANNOUNCE = 5.0
# What a drain's end takes beside its deadline: a second for last answers, and margin for a slow node.
_MARGIN = 5
_MEMORY = "217MiB"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a sidecar but its image. `wait`: seconds that the hooks of all containers last at most."""

    fronts: tuple[Front, ...]
    admin: str
    wait: int
    rules: str | None
    config_map: str
    arguments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class BadRules(Exception):  # noqa: N818 - carries problems away
    """Given rules cannot be used anyway."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def arguments(asked: Asked) -> tuple[str, ...]:
    """What `sidecar run` is told beside its file."""
    workers = ("--workers", asked.workers) if asked.workers else ()
    return (*workers, *(word for text in asked.sets for word in ("--set", text)))


def written(chosen: Sequence[tuple[Declared, str]], taken: set[int], names: set[str], asked: Asked, name: str) -> Plan:
    """The plan with rules of our own. `taken` and `names` are the numbers and names of ports in the pod."""
    admin = free(_ADMIN_PORT, taken)
    taken = taken | {admin} | {port.number for port, _ in chosen}
    names = set(names)
    fronts = []
    for port, protocol in chosen:
        number = listening(port.number, taken)
        called = front_name(port, protocol, names)
        taken.add(number)
        names.add(called)
        fronts.append(Front(port.number, number, called, protocol, port.name, port.container))
    deadline = DEFAULT_DEADLINE if asked.drain is None else asked.drain
    text = rules_text(fronts, admin, deadline)
    loaded, notes = _loaded(text, FILE, asked.sets)
    for front in fronts:
        if front.listens not in {one.address.port for one in _listeners(loaded, front.number)}:
            raise Refused(
                f"`--set` leads nothing from {front.listens} to port {front.number}; give rules of your own: -c"
            )
    wait = math.ceil(loaded.drain.deadline) + _MARGIN
    return Plan(tuple(fronts), _reached(loaded.admin.address), wait, text, name, arguments(asked), notes)


def rules_text(fronts: Sequence[Front], admin: int, deadline: float) -> str:
    """Rules that front these ports."""
    announce = min(_ANNOUNCE, deadline / 5)
    lines = ["version: 1", "listeners:"]
    for one in fronts:
        spoken = ", protocol: tcp" if one.protocol == "tcp" else ""
        lines.append(f'  - {{name: {one.name}, address: ":{one.listens}"{spoken}}}')
    if admin != _ADMIN_PORT:
        lines += ["admin:", f"  address: 127.0.0.1:{admin}"]
    lines += [
        f"drain: {{announce: {show_duration(announce)}, deadline: {show_duration(deadline)}}}",
        f"overload: {{max_memory: {_MEMORY}}}     # 85 % of the container's limit",
        "upstreams:",
    ]
    for one in fronts:
        lines += [f"  {one.name}:", f"    endpoints: [{one.endpoint}]"]
    lines.append("routes:")
    for one in fronts:
        match = f", match: {{listener: {one.name}}}" if len(fronts) > 1 or one.protocol == "tcp" else ""
        lines.append(f"  - {{name: {one.name}{match}, upstream: {one.name}}}")
    return "\n".join(lines) + "\n"


def met(text: str, file: str, ports: Sequence[Declared], asked: Asked, names: set[str], name: str, write: bool) -> Plan:
    """The plan that given rules make; Refused where they do not meet the pod, BadRules where they cannot be used."""
    rules, notes = _loaded(text, file, asked.sets)
    fronts: list[Front] = []
    names = set(names)
    for port, protocol in _led_to(rules, ports, asked):
        listener = _listener(rules, port.number, {front.listens for front in fronts})
        spoken = listener.protocol
        if protocol and protocol != spoken:
            raise Refused(f"the rules speak {spoken} at listener `{listener.name}`, not {protocol}")
        called = front_name(port, spoken, names)
        names.add(called)
        fronts.append(Front(port.number, listener.address.port, called, spoken, port.name, port.container))
    if rules.admin.token is not None:
        notes = (*notes, "its rules have an admin token: the preStop hook needs it as SIDECAR_ADMIN_TOKEN")
    wait = math.ceil(rules.drain.deadline) + _MARGIN
    admin = _reached(rules.admin.address)
    return Plan(tuple(fronts), admin, wait, text if write else None, name, arguments(asked), notes)


# The same for all workloads that are alike.
@lru_cache(maxsize=64)
def _loaded(text: str, file: str, sets: tuple[str, ...]) -> tuple[RuleSet, tuple[str, ...]]:
    """The rules. What `${file:…}` names is in the pod and not here; and its sidecar has no variables."""
    read: list[str] = []

    def noted(path: str) -> str:
        read.append(path)
        return "x"

    try:
        rules = load_text(text, file, Given(sets=sets), noted).rules
    except ConfigError as error:
        raise BadRules(error.problems) from None
    secure = any(listener.tls for listener in rules.listeners) or any(one.tls for one in rules.upstreams.values())
    if read or secure:
        return rules, ("its rules read files: mount them into the container `sidecar` as well",)
    return rules, ()


def _reached(admin: Address) -> str:
    """Where the pod's own hooks find the admin address."""
    if admin.is_unix or admin.host not in ("", "0.0.0.0", "::"):
        return str(admin)
    return f"127.0.0.1:{admin.port}"


def _led_to(rules: RuleSet, ports: Sequence[Declared], asked: Asked) -> list[tuple[Declared, str | None]]:
    """The ports to front: those that were asked for, else all that the rules lead to."""
    if asked.ports:
        found: list[tuple[Declared, str | None]] = []
        for one in asked.ports:
            known = [port for port in ports if one.which in (port.name, str(port.number))]
            if not known and not one.which.isdecimal():
                raise Refused(f"no TCP port is called `{one.which}`")
            found.append((known[0] if known else Declared(int(one.which)), one.protocol))
        return found
    led = [port for port in ports if _listeners(rules, port.number)]
    if not led:
        has = ", ".join(str(port.number) for port in ports) or "none"
        raise Refused(f"the rules lead to no TCP port that a container declares ({has}), as http://127.0.0.1:3000 does")
    return [(port, None) for port in led]


def _listeners(rules: RuleSet, number: int) -> list[ListenerRule]:
    """The listeners from which a route leads to this port of the pod."""
    upstreams = {
        name
        for name, upstream in rules.upstreams.items()
        for endpoint in upstream.endpoints
        if endpoint.url.address.port == number and endpoint.url.address.is_loopback and not endpoint.url.address.is_unix
    }
    routes = [route for route in rules.routes if upstreams.intersection(route.upstreams)]
    named = {name for route in routes for name in route.match.listener}
    every = any(not route.match.listener for route in routes)
    return [one for one in rules.listeners if one.name in named or (every and one.protocol == "http")]


def _listener(rules: RuleSet, number: int, taken: set[int]) -> ListenerRule:
    leading = _listeners(rules, number)
    if not leading:
        raise Refused(f"no route of the rules leads to port {number}, as an upstream http://127.0.0.1:{number} does")
    open_ones = [one for one in leading if not one.address.is_loopback]
    if not open_ones:
        raise Refused(f"only this pod reaches listener `{leading[0].name}` at {leading[0].address}; say :{number + 1}")
    for one in open_ones:
        if one.address.port not in taken:
            return one
    raise Refused(f"port {number} has no listener of its own in the rules; `--port` says which ports Services go to")
