"""What the process says when it has started: where it listens, what it fronts, what to try. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from sidecar import __version__
from sidecar.model.address import Address
from sidecar.policies.catalogue import CATALOGUE
from sidecar.rules.problems import Problem
from sidecar.rules.schema import ListenerRule, RuleSet

_ALWAYS = ("balance", "pool")
# How curl asks by each.
_HTTP = {"http": "-i", "https": "-ik"}
_HOT = ("sidecar.wire.head", "sidecar.proxy.corridor")


@dataclass(frozen=True, slots=True)
class Scene:
    """What the banner tells of. `fronts`: pairs of an upstream's name and its endpoints as written; `policies`: the
    keys of those that act somewhere; `schemes`: what the listeners speak, http where it is not told; `headed`: those of
    them that expect a PROXY header."""

    listeners: Sequence[Address]
    admin: Address | None
    fronts: Sequence[tuple[str, Sequence[str]]]
    warnings: Sequence[Problem] = ()
    compiled: bool = True
    demo: bool = False
    policies: Sequence[str] = ()
    schemes: Sequence[str] = ()
    headed: Sequence[Address] = ()

    @property
    def places(self) -> list[tuple[Address, str]]:
        """The listeners, each with its scheme."""
        return list(zip(self.listeners, self.schemes or ["http"] * len(self.listeners), strict=True))


def banner(scene: Scene) -> str:
    """The whole text, with its last line's end."""
    places = ", ".join(reachable(address, scheme) for address, scheme in scene.places)
    lines = [f"sidecar {__version__} listens on {places}"]
    for name, endpoints in scene.fronts:
        lines.append(f"  fronts {name}: {', '.join(endpoints)}{' (demo backend)' if scene.demo else ''}")
    if scene.policies:
        lines.append(f"  policies: {', '.join(scene.policies)}")
    if scene.admin is not None:
        page = "" if scene.admin.is_unix else "dashboard and "
        lines.append(f"  {page}admin on {reachable(scene.admin)}")
    lines += ["", "try:", *(f"  {command}" for command in commands(scene)), ""]
    lines += [str(problem) for problem in scene.warnings]
    if not scene.compiled:
        lines.append(compiled_line(compiled=False))
    return "\n".join(lines).rstrip("\n") + "\n"


def acting(rules: RuleSet) -> list[str]:
    """The keys of the policies that act on some request, in the catalogue's order. Without a file these are the ones
    that are on by default; `balance` and `pool` always act and are not worth a word."""
    written = [route.policies for route in rules.routes] + [upstream.policies for upstream in rules.upstreams.values()]
    keys = [entry.key for entry in CATALOGUE if entry.key not in _ALWAYS]
    return [key for key in dict.fromkeys(keys) if any(_acts(policies.get(key)) for policies in written)]


def _acts(spec: object) -> bool:
    specs = spec if isinstance(spec, tuple) else (spec,)
    return any(getattr(one, "mode", "") == "enforce" for one in specs)


def commands(scene: Scene) -> list[str]:
    """Three commands worth typing first."""
    spoken = [(address, scheme) for address, scheme in scene.places if scheme in _HTTP and address not in scene.headed]
    front = next(((address, scheme) for address, scheme in spoken if not address.is_unix), None)
    if front is None:
        # The name of the loopback is on hardly any certificate, hence `-k`.
        tries = [
            f"curl {_HTTP[scheme]} --unix-socket {address.path} {scheme}://localhost/" for address, scheme in spoken[:1]
        ]
    else:
        curl, place = f"curl {_HTTP[front[1]]}", reachable(*front)
        tries = [f"{curl} {place}/echo", f"{curl} '{place}/flaky?ratio=0.3'"] if scene.demo else [f"{curl} {place}/"]
    if scene.admin is not None and not scene.admin.is_unix:
        paths = ("/status", "/metrics", "/readyz?verbose")
        tries += [f"curl {reachable(scene.admin)}{path}" for path in paths[: 3 - len(tries)]]
    return tries


def scheme_of(rule: ListenerRule) -> str:
    """What a listener speaks, as the scheme of a URL: `http`, `https`, `tcp` or `tls`."""
    plain, secure = ("http", "https") if rule.protocol == "http" else ("tcp", "tls")
    return plain if rule.tls is None else secure


def reachable(address: Address, scheme: str = "http") -> str:
    """The address as one would type it on this machine."""
    if address.is_unix:
        return str(address)
    anywhere = address.host in ("", "0.0.0.0", "::")
    return f"{scheme}://{Address('127.0.0.1', address.port) if anywhere else address}"


def is_compiled() -> bool:
    """Whether the hot modules run compiled."""
    return all(Path(import_module(name).__file__ or "").suffix in (".so", ".pyd") for name in _HOT)


def build() -> dict[str, str]:
    """What this build is, as metrics name it."""
    return {"version": __version__, "hot_modules": "compiled" if is_compiled() else "interpreted"}


def compiled_line(*, compiled: bool | None = None) -> str:
    """One line on whether the hot modules run compiled; looks when not told."""
    if is_compiled() if compiled is None else compiled:
        return "hot modules are compiled"
    return "hot modules are not compiled: they run interpreted, at a fraction of the speed (make build compiles them)"
