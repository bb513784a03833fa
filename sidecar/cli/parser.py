"""What may be typed: every command of `sidecar`, its words and their help.

Owns the reading of the command line and nothing of what a command does. `probe` is read by itself first, see probe.py.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from sidecar import __version__
from sidecar.cli.probe import ANSWERS, DEFAULT_ADMIN, PATIENCE
from sidecar.inject.asked import wanted
from sidecar.inject.ports import Wanted
from sidecar.model.address import Address
from sidecar.policies.units import parse_duration, parse_rate, parse_ratio

_MOST_WORKERS = 64
_MOST_REQUESTS = 10_000_000
_SHORTEST_INTERVAL = 0.1
_SHORTEST_DRAIN = 1
_LONGEST_DRAIN = 3600


def parser(*, inner: bool = False) -> argparse.ArgumentParser:
    """Everything that may be typed; with `inner` what only a supervisor types, too."""
    top = argparse.ArgumentParser(
        prog="sidecar",
        description="A reverse proxy that makes any backend resilient.",
        epilog="Exit codes: 0 done or drained; 1 the rules cannot be used, or no sidecar answered; 2 usage; 3 an "
        "address could not be bound; 4 the drain deadline cut requests off; 5 a fault of its own; 6 a drill did "
        "not end as expected.",
    )
    top.add_argument("-V", "--version", action="version", version=f"sidecar {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, purpose: str, more: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}. {more}")

    _add_run(command("run", "run the proxy", "Without a file, --upstream is enough."))
    _add_demo(command("demo", "run the proxy in front of a demo backend"))
    _add_check(command("check", "validate rules files", "Prints every problem at once, each at its line and column."))
    _add_explain(command("explain", "tell which route a request takes, under which policies, and why"))
    _add_drill(command("drill", "try rules on a backend that misbehaves on a script, and tell what became of it"))
    command("schema", "print the JSON Schema of the rules file")
    told = command("status", "tell what a running sidecar is doing")
    _add_admin(told)
    told.add_argument("--json", action="store_true", help="the whole status as JSON")
    live = command("top", "show what a running sidecar is doing, live", "Keys: q quits, p pauses, j and k scroll.")
    _add_admin(live)
    live.add_argument("--interval", metavar="TIME", type=_interval, default=1.0, help="between two looks (1s)")
    live.add_argument("--once", action="store_true", help="one page, with the rates of one interval")
    _add_admin(command("reload", "have a running sidecar read its rules again", "Tells what changed."))
    leaving = command("drain", "have a running sidecar finish its requests and end")
    _add_admin(leaving)
    leaving.add_argument("--wait", metavar="TIME", help="wait until drained, at most so long, as in 30s")
    asked = command("probe", "ask whether a running sidecar lives, is ready, or has started", "For health checks.")
    asked.add_argument("what", metavar="livez|readyz|startupz", nargs="?", choices=ANSWERS, default=ANSWERS[0])
    _add_admin(asked)
    asked.add_argument("--timeout", metavar="TIME", type=_duration, default=PATIENCE, help="for the whole answer (1s)")
    _add_inject(command("inject", "put a sidecar into Kubernetes manifests", "Prints them; talks to no cluster."))
    out = command("uninject", "take the sidecar out of Kubernetes manifests", "Prints them as they were before.")
    _add_manifests(out)
    if inner:
        commands.add_parser("worker").add_argument("descriptor", type=int)
    return top


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=os.environ.get("SIDECAR_CONFIG") or None,
        help="rules file (SIDECAR_CONFIG)",
    )
    command.add_argument("--listen", metavar="ADDR", help="host:port, :port or unix:/path (SIDECAR_LISTEN)")
    command.add_argument(
        "--upstream", metavar="URL", action="append", default=[], help="an endpoint; may be repeated (SIDECAR_UPSTREAM)"
    )
    command.add_argument("--admin", metavar="ADDR", help=f"admin address, {DEFAULT_ADMIN} by default (SIDECAR_ADMIN)")
    command.add_argument(
        "--workers",
        metavar="N",
        type=_workers,
        default=os.environ.get("SIDECAR_WORKERS") or "1",
        help="processes that share the work as one instance; auto: one for each core (SIDECAR_WORKERS, 1)",
    )
    command.add_argument(
        "--takeover",
        action="store_true",
        help="take the listening sockets over from the sidecar that runs with this admin address, which then drains",
    )
    _add_rules_options(command)


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--listen", metavar="ADDR", help="where to listen (:8080)")
    command.add_argument("--admin", metavar="ADDR", help=f"admin address ({DEFAULT_ADMIN})")
    alone = command.add_mutually_exclusive_group()
    alone.add_argument("--backend", metavar="ADDR", type=_address, help="only the backend, there, without the proxy")
    alone.add_argument("--load", metavar="URL", type=_page, help="only requests for this URL, and what became of them")
    command.add_argument("--flaky", metavar="RATIO", type=_ratio, help="of the backend's answers, how many are 503 (0)")
    command.add_argument("--slow", metavar="TIME", type=_duration, help="the longest that one of them waits (0s)")
    command.add_argument("--rate", metavar="RATE", type=_rate, help="requests of the load (100/s)")
    command.add_argument("--requests", metavar="N", type=_count, help="how many of them; until it is ended by default")
    _add_rules_options(command)


def _add_check(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", metavar="FILE", nargs="+", help="a rules file")
    command.add_argument("-q", "--quiet", action="store_true", help="say nothing of files without a problem")
    _add_rules_options(command)


def _add_explain(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-c", "--config", metavar="FILE", default=os.environ.get("SIDECAR_CONFIG") or None, help="rules file"
    )
    command.add_argument(
        "--listener", metavar="NAME", help="where the request comes in; the first listener that speaks http by default"
    )
    command.add_argument("method", metavar="METHOD", help="as in GET")
    command.add_argument("url", metavar="URL", help="http://host/path, or a path alone")
    command.add_argument(
        "-H", "--header", dest="headers", metavar="NAME:VALUE", action="append", default=[], help="a request header"
    )
    _add_rules_options(command)


def _add_drill(command: argparse.ArgumentParser) -> None:
    command.add_argument("scenario", metavar="SCENARIO", nargs="?", help="a name of --list, or a file")
    command.add_argument(
        "-c", "--config", metavar="FILE", default=os.environ.get("SIDECAR_CONFIG") or None, help="rules file"
    )
    command.add_argument(
        "--upstream", metavar="URL", action="append", default=[], help="without a file: an endpoint; may be repeated"
    )
    command.add_argument("--list", action="store_true", help="the scenarios that Sidecar comes with")
    command.add_argument("--out", metavar="PAGE.html", help="write the whole report there, as one page")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--advise", action="store_true", help="try settings that might do better, and tell which did")
    command.add_argument("--real", action="store_true", help="in real time, over real time's loop")
    command.add_argument(
        "--seed", metavar="N", type=_seed, default=1, help="of all that is random: the same, again (1)"
    )
    _add_rules_options(command)


def _add_manifests(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-f", dest="files", metavar="FILE", action="append", required=True, help="manifests, - for standard input"
    )


def _add_inject(command: argparse.ArgumentParser) -> None:
    _add_manifests(command)
    command.add_argument("--image", type=_image, help="the sidecar's image (sidecar:latest, or what is there already)")
    command.add_argument(
        "--port",
        metavar="NAME|NUMBER[=tcp]",
        type=_port,
        action="append",
        default=[],
        help="a port to front, =tcp without HTTP; may be repeated",
    )
    rules = command.add_mutually_exclusive_group()
    rules.add_argument("-c", "--config", metavar="RULES", help="rules file, instead of rules made from the ports")
    rules.add_argument(
        "--config-map", metavar="NAME", type=_config_map, help="a ConfigMap of your own with the rules in sidecar.yaml"
    )
    rules.add_argument("--drain", metavar="TIME", type=_deadline, help="deadline of the drain (25s)")
    command.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="as for sidecar run")
    command.add_argument("--workers", metavar="N", type=_told_workers, help="as for sidecar run")


def _add_rules_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any rule by its dotted key, as in drain.deadline=30s; may be repeated",
    )
    command.add_argument("--allow-faults", action="store_true", help="accept rules that inject faults")


def _add_admin(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--admin",
        metavar="ADDR",
        type=_address,
        default=os.environ.get("SIDECAR_ADMIN") or DEFAULT_ADMIN,
        help=f"its admin address, {DEFAULT_ADMIN} by default (SIDECAR_ADMIN)",
    )


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _duration(text: str) -> float:
    return _read(parse_duration, text)


def _interval(text: str) -> float:
    seconds = _duration(text)
    if seconds < _SHORTEST_INTERVAL:
        raise argparse.ArgumentTypeError(f"`{text}` is too short; 100ms at least")
    return seconds


def _port(text: str) -> Wanted:
    try:
        return wanted(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _image(text: str) -> str:
    # An empty one is a variable that somebody forgot to set, and not the wish for another image.
    if not text or text.split() != [text]:
        raise argparse.ArgumentTypeError(f"`{text}` is no image")
    return text


def _config_map(text: str) -> str:
    if len(text) > 253 or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"`{text}`: a ConfigMap's name is of a-z, 0-9, `-` and `.`")
    return text


def _deadline(text: str) -> float:
    seconds = _duration(text)
    if not _SHORTEST_DRAIN <= seconds <= _LONGEST_DRAIN:
        raise argparse.ArgumentTypeError(f"`{text}`: a drain lasts from 1s to 1h")
    return seconds


def _told_workers(text: str) -> str:
    """As it was typed: `auto` is about the machine that the pod is on."""
    _workers(text)
    return text


def _workers(text: str) -> int:
    if text == "auto":
        # Those this process may run on, which a container's CPU set narrows.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"`{text}`: a number from 1 to {_MOST_WORKERS}, or auto")
    return int(text)


def _ratio(text: str) -> float:
    return _read(parse_ratio, text)


def _rate(text: str) -> float:
    return _read(parse_rate, text)


def _read(parse: Callable[[str], float], text: str) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= _MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"`{text}`: a number from 1 to {_MOST_REQUESTS}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"`{text}`: a number")
    return int(text)


def _page(text: str) -> str:
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise argparse.ArgumentTypeError(f"`{text}`: write http://host:port/path")
    return text
