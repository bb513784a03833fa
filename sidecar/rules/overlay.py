"""What the command line and the environment say, laid over the file's tree before anything is decoded.

One mechanism for all of them: an edit of the tree whose nodes remember that they came from `--listen` or from
`environment SIDECAR_UPSTREAM`. So precedence, provenance and error places need no second path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sidecar.model.address import RAW
from sidecar.policies.catalogue import entries
from sidecar.rules.byte_routes import byte_listeners, defaults_of_bytes, is_byte_route, with_idle
from sidecar.rules.findings import Examine, nothing
from sidecar.rules.nearest import nearest
from sidecar.rules.own_answers import answers_itself
from sidecar.rules.parse import parse_yaml
from sidecar.rules.problems import Problem
from sidecar.rules.schema import DEFAULT_LISTENER
from sidecar.rules.tree import DEFAULT, Entry, Items, Node, Origin, Scalar, Table, is_null, merged

DEFAULT_LISTEN = ":8080"
DEFAULT_UPSTREAM = "app"
DEFAULT_ROUTE = "everything"


@dataclass(frozen=True, slots=True)
class Given:
    """What was said outside of the file. `examine` looks at what valid rules name or need (rules/findings.py)."""

    upstreams: Sequence[str] = ()
    listen: str | None = None
    admin: str | None = None
    sets: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    allow_faults: bool = False
    examine: Examine = nothing

    def one(self, option: str, value: str | None, variable: str) -> Scalar | None:
        """A value of the command line, else of the environment, else None."""
        if value is not None:
            return Scalar(value, Origin(option), '"')
        found = self.environ.get(variable)
        return Scalar(found, Origin(f"environment {variable}"), '"') if found else None

    def urls(self) -> Items | None:
        """Endpoints of the command line, else of the environment (separated by commas or spaces), else None."""
        if self.upstreams:
            origin = Origin("--upstream")
            return Items(tuple(Scalar(url, origin, '"') for url in self.upstreams), origin)
        found = [url for url in re.split(r"[,\s]+", self.environ.get("SIDECAR_UPSTREAM", "")) if url]
        origin = Origin("environment SIDECAR_UPSTREAM")
        return Items(tuple(Scalar(url, origin, '"') for url in found), origin) if found else None


def overlaid(tree: Table, given: Given, problems: list[Problem]) -> Table:
    """The tree with the defaults of a missing listener, upstream and route, and everything said outside of it."""
    urls = given.urls()
    raw = urls is not None and tree.get("listeners") is None and tree.get("routes") is None and _are_raw(urls)
    if urls is not None:
        tree = _with_endpoints(tree, urls, raw, problems)
    if tree.get("listeners") is None:
        listener = Table({}, DEFAULT).put("address", Scalar(DEFAULT_LISTEN, DEFAULT))
        if raw:
            listener = listener.put("protocol", Scalar("tcp", DEFAULT))
        tree = tree.put("listeners", Items((listener,), DEFAULT))
    simple = (
        (["listeners", "0", "address"], given.one("--listen", given.listen, "SIDECAR_LISTEN")),
        (["admin", "address"], given.one("--admin", given.admin, "SIDECAR_ADMIN")),
        (["log", "level"], given.one("", None, "SIDECAR_LOG_LEVEL")),
    )
    for path, value in simple:
        if value is not None:
            tree = _put(tree, path, value, problems)
    for text in given.sets:
        tree = _set(tree, text, problems)
    return tree


def with_defaults(tree: Table) -> Table:
    """The tree with `defaults` merged under the policies of every route, as far as they say something of it."""
    defaults, routes, raw = tree.get("defaults"), tree.get("routes"), byte_listeners(tree)
    if not isinstance(defaults, Table):
        defaults = Table({})
    if not isinstance(routes, Items) or not (defaults.entries or raw):
        return tree
    of_bytes = defaults_of_bytes(defaults)
    items: list[Node] = []
    for route in routes.items:
        if not isinstance(route, Table):
            items.append(route)
        elif is_byte_route(route, raw):
            items.append(with_idle(_inheriting(route, of_bytes)))
        else:
            items.append(_inheriting(route, defaults))
    return tree.put("routes", replace(routes, items=tuple(items)))


def _inheriting(route: Table, defaults: Table) -> Table:
    own = answers_itself(route)
    for policy in entries("route"):
        if own and not policy.alone:
            continue
        under = defaults.entries.get(policy.key)
        over = route.entries.get(policy.key)
        if under is None or (is_null(under.value) and over is not None):
            continue
        value = merged(under.value, over.value if over else None)
        if value is not None:
            route = route.put(policy.key, value, over.origin if over else under.origin)
    return route


def _are_raw(urls: Items) -> bool:
    schemes = {url.text.partition("://")[0] for url in urls.items if isinstance(url, Scalar)}
    return bool(schemes) and schemes <= RAW


def _with_endpoints(tree: Table, urls: Items, raw: bool, problems: list[Problem]) -> Table:
    upstreams = tree.get("upstreams")
    known = list(upstreams.entries) if isinstance(upstreams, Table) else []
    name = DEFAULT_UPSTREAM if not known or DEFAULT_UPSTREAM in known else known[0]
    if len(known) > 1 and name != DEFAULT_UPSTREAM:
        message = f"which of the upstreams {', '.join(known)} is meant? Use --set upstreams.NAME.endpoints=[URL]"
        problems.append(urls.origin.error(message))
        return tree
    tree = _put(tree, ["upstreams", name, "endpoints"], urls, problems)
    if tree.get("routes") is None:
        route = Table({}, DEFAULT).put("name", Scalar(DEFAULT_ROUTE, DEFAULT)).put("upstream", Scalar(name, DEFAULT))
        if raw:
            route = route.put("match", Table({}, DEFAULT).put("listener", Scalar(DEFAULT_LISTENER, DEFAULT)))
        tree = tree.put("routes", Items((route,), DEFAULT))
    return tree


def _set(tree: Table, text: str, problems: list[Problem]) -> Table:
    dotted, equals, value = text.partition("=")
    path = dotted.strip().split(".")
    origin = Origin(f"--set {dotted.strip()}")
    if not equals or not all(path):
        problems.append(Origin("--set").error(f"`{text}` is not dotted.key=value"))
        return tree
    return _put(tree, path, _value(value.strip(), origin, problems), problems)


def _value(text: str, origin: Origin, problems: list[Problem]) -> Node:
    """Lists and mappings are read as YAML; everything else is text as it is: `*.example.com` needs no quotes."""
    if not text.startswith(("[", "{", '"', "'")):
        return Scalar(text, origin)
    parsed = parse_yaml(text, lambda _line, _column: origin)
    problems.extend(parsed.problems)
    return parsed.node


def _put(tree: Table, path: Sequence[str], value: Node, problems: list[Problem]) -> Table:
    try:
        result = _replaced(tree, path, value, "")
    except LookupError as error:
        problems.append(value.origin.error(str(error.args[0])))
        return tree
    return result if isinstance(result, Table) else tree


def _replaced(node: Node | None, path: Sequence[str], value: Node, above: str) -> Node:
    if not path:
        return value
    step, rest = path[0], path[1:]
    here = f"{above}.{step}" if above else step
    if isinstance(node, Items):
        index = _index(node, step, above)
        items = list(node.items)
        items[index] = _replaced(items[index], rest, value, here)
        return replace(node, items=tuple(items))
    if node is None or is_null(node):
        node = Table({}, value.origin)
    if not isinstance(node, Table):
        raise LookupError(f"`{above}` is one value; there is no `{step}` in it")
    entry = node.entries.get(step)
    inner = _replaced(entry.value if entry else None, rest, value, here)
    # The key is called where the value came from: what is wrong with it is wrong there.
    return Table({**node.entries, step: Entry(entry.origin if entry and rest else value.origin, inner)}, node.origin)


def _index(node: Items, step: str, above: str) -> int:
    names = {}
    for index, item in enumerate(node.items):
        name = item.get("name") if isinstance(item, Table) else None
        names[name.text if isinstance(name, Scalar) else str(index)] = index
    if step in names:
        return names[step]
    if re.fullmatch(r"[0-9]{1,6}", step) and int(step) < len(node.items):
        return int(step)
    raise LookupError(f"`{above}` has no item `{step}`{nearest(step, names) or '; there are: ' + ', '.join(names)}")
