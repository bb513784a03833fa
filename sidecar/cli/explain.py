"""`sidecar explain`: which route a request takes, why the earlier ones did not, and what then applies to it.

The request goes through the parser and the router that run; nothing here decides anything of its own.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from sidecar.app.errors import CommandError, Exit
from sidecar.cli.check import plain_environment
from sidecar.cli.run import usable
from sidecar.cli.sheets import columns
from sidecar.model.observer import Unobserved
from sidecar.rules.effective import HIDDEN, effective, flattened, notation
from sidecar.rules.keys import Key, keys_of
from sidecar.rules.load import Loaded, load_rules
from sidecar.rules.lookup import origin_of
from sidecar.rules.nearest import nearest
from sidecar.rules.schema import RouteRule, RuleSet, UpstreamRule
from sidecar.runtime.build import prepare
from sidecar.runtime.listening import GONE
from sidecar.runtime.route import Route
from sidecar.runtime.routing import AMBIGUOUS, Router
from sidecar.wire.errors import BadMessage
from sidecar.wire.head import parse_request
from sidecar.wire.message import HeadLimits, RequestHead

# In place of a method: a connection to a listener without HTTP, whose name stands in place of the URL.
_BYTES = "TCP"


def explain(arguments: argparse.Namespace) -> int:
    """Print the explanation; 0 also when no route matches, because that is an answer too."""
    if arguments.config is None:
        raise CommandError(Exit.USAGE, "explain needs the rules: -c FILE")
    loaded = usable(
        partial(
            load_rules,
            arguments.config,
            sets=arguments.set,
            environ=plain_environment(),
            allow_faults=arguments.allow_faults,
        )
    )
    for warning in loaded.warnings:
        print(warning, file=sys.stderr)
    runtime = prepare(loaded.rules, loaded.digest, None, Unobserved(), random.Random(0))  # noqa: S311 - picks nothing
    if arguments.method == _BYTES:
        print("\n".join(connection_explanation(loaded, runtime.byte_routes, arguments.url)))
        return Exit.DONE
    head = request_head(arguments.method, arguments.url, arguments.headers)
    listener = _listener(loaded.rules, arguments.listener)
    print("\n".join(explanation(loaded, runtime.router_at(listener), head, listener)))
    return Exit.DONE


def _listener(rules: RuleSet, wanted: str | None) -> str:
    """The listener that the request comes in at: the first that speaks http, unless one is named."""
    names = [listener.name for listener in rules.listeners if listener.protocol == "http"]
    if wanted is None:
        return names[0] if names else GONE
    if wanted not in names:
        meant = nearest(wanted, names) or f"; there are: {', '.join(names)}"
        raise CommandError(Exit.USAGE, f"no listener `{wanted}` speaks http{meant}")
    return wanted


def request_head(method: str, url: str, headers: Sequence[str]) -> RequestHead:
    """The request as the proxy would read it; CommandError says why it is none."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    names = [header.partition(":")[0].strip().lower() for header in headers]
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"host: {parts.netloc or 'localhost'}")
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise CommandError(Exit.USAGE, f"-H `{header}`: write it as `name: value`")
        lines.append(f"{name.strip()}: {value.strip()}")
    try:
        raw = "\r\n".join((*lines, "", "")).encode("latin-1")
        head = parse_request(raw, HeadLimits(max_bytes=1 << 20, max_fields=10_000, max_target=1 << 16))
    except UnicodeEncodeError as error:
        raise CommandError(Exit.USAGE, "a request line and its headers are Latin-1; percent-encode the rest") from error
    except BadMessage as error:
        hint = "" if target.startswith(("/", "*")) else "; write http://HOST/PATH, or a path alone"
        raise CommandError(Exit.USAGE, f"the proxy would refuse this request: {error}{hint}") from error
    if head is None or head.size != len(raw):
        raise CommandError(Exit.USAGE, "this is not one request: there is a line break in it")
    return head


def explanation(loaded: Loaded, router: Router, head: RequestHead, listener: str) -> Iterator[str]:
    """The lines of the explanation, for a request that has come in at this listener."""
    matched: Route | None = None
    told = {route.rule_index: (route, matches, why) for route, matches, why in router.explain(head)}
    for index, rule in enumerate(loaded.rules.routes):
        if index not in told:
            named = ", ".join(rule.match.listener)
            why = f"it is for requests at {named}, and this one comes in at {listener or 'none'}"
            yield f"✗ {rule.name}: {why}{_written(loaded, rule.name)}"
            continue
        route, matches, why = told[index]
        if matches and rule.match.listener and route.matcher.always:
            why = f"it names the listener {listener}, and has no other condition"
        why = why if matches else _without_secrets(loaded, rule, why)
        yield f"{'✓' if matches else '✗'} {route.name}: {why}{_written(loaded, route.name)}"
        if matches:
            matched = route
            break
    if matched is None:
        if any(why == AMBIGUOUS for _, _, why in told.values()):
            yield "the answer is 400 with reason bad_request"
        else:
            yield "no route matches: the answer is 404 with reason no_route"
        return
    yield from _applied(loaded, matched)


def _without_secrets(loaded: Loaded, rule: RouteRule, why: str) -> str:
    """A refusal tells what a header should have been, and that may have come out of a file."""
    for name in rule.match.headers:
        if f"routes.{rule.name}.match.headers.{name}" in loaded.secrets and why.startswith(f"header {name} is "):
            return f"{why.rpartition(', not `')[0]}, not `{HIDDEN}`"
    return why


def connection_explanation(loaded: Loaded, routes: Mapping[str, Route], listener: str) -> Iterator[str]:
    """The lines of the explanation for a connection to a listener without HTTP."""
    route = routes.get(listener)
    if route is None:
        meant = nearest(listener, routes) or (f"; there are: {', '.join(routes)}" if routes else "")
        raise CommandError(Exit.USAGE, f"no listener `{listener}` is `protocol: tcp`{meant}")
    yield f"✓ {route.name}: it names the listener {listener}{_written(loaded, route.name)}"
    yield from _applied(loaded, route)


def _applied(loaded: Loaded, route: Route) -> Iterator[str]:
    values = flattened(effective(loaded.rules, loaded.secrets))
    yield ""
    yield from _policies(f"route {route.name}", f"routes.{route.name}.", loaded, values, keys_of(RouteRule))
    for branch in route.branches:
        upstream = branch.upstream.name
        yield ""
        yield from _policies(f"upstream {upstream}", f"upstreams.{upstream}.", loaded, values, keys_of(UpstreamRule))


def _written(loaded: Loaded, route: str) -> str:
    origin = loaded.provenance.get(f"routes.{route}.name", "default")
    return "" if origin == "default" else f"  ({origin})"


def _policies(title: str, prefix: str, loaded: Loaded, values: dict[str, object], keys: Sequence[Key]) -> Iterator[str]:
    off_in_shadow = {f"{key.name}.mode" for key in keys if key.policy and not key.shadows}

    def origin(path: str, value: object) -> str:
        key = path.removeprefix(prefix)
        return origin_of(path, loaded.provenance) + (" (off)" if value == "shadow" and key in off_in_shadow else "")

    rows = [
        (path.removeprefix(prefix), notation(value), origin(path, value))
        for path, value in values.items()
        if path.startswith(prefix) and path != f"{prefix}name" and value != []
    ]
    yield f"{title}:"
    yield from (f"  {line}" for line in columns(("KEY", "VALUE", "FROM"), rows))
