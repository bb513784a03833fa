"""The rules as values: what the operator wrote, checked and frozen. Every layer above reads these, none reads YAML.

Each field's annotation carries its written form and its sentence of documentation; decoding, the JSON Schema and
docs/rules.md are all made from them. Policies hang on a rule by their key, so a new policy changes nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, TypeVar

from sidecar.model.address import Address
from sidecar.policies.pool import PoolSpec
from sidecar.policies.selection import SelectionSpec
from sidecar.policies.units import (
    Bytes,
    Count,
    FieldName,
    Name,
    Off,
    OneOrMany,
    PerSecond,
    Ratio,
    Seconds,
    Secret,
    SecretFieldValue,
    Text,
    demand,
)
from sidecar.rules.forms import ADDRESS, COLLECTOR, NETWORK, URL, EndpointUrl, TrustedPeer
from sidecar.rules.listener_tls import ListenerTls
from sidecar.rules.listener_unix import ListenerUnix
from sidecar.rules.marks import FromKey, Policies, policy_of
from sidecar.rules.route_rule import DefaultsRule, MatchRule, RouteRule, SplitRule
from sidecar.rules.upstream_tls import UpstreamTls

__all__ = [
    "DEFAULT_LISTENER",
    "AdminRule",
    "DefaultsRule",
    "DrainRule",
    "EndpointRule",
    "ExportRule",
    "ListenerForwarding",
    "ListenerRule",
    "ListenerTimeouts",
    "ListenerTls",
    "LogRule",
    "MatchRule",
    "OverloadRule",
    "RouteRule",
    "RuleSet",
    "SampledRule",
    "SplitRule",
    "TracingRule",
    "UpstreamRule",
    "UpstreamTls",
]

S = TypeVar("S")
DEFAULT_LISTENER = "public"
_ADMIN = Address("127.0.0.1", 9901)
# Less would refuse everything for ever.
LEAST_MEMORY = 16 << 20
# One line a minute, in lines a second.
LEAST_LOG_RATE = 1 / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTimeouts:
    """How long a downstream may take, in its parts. A zero switches a part off."""

    headers: Annotated[Seconds | None, Off(), "for the whole head of a request"] = 10.0
    body: Annotated[Seconds | None, Off(), "between two reads of a request's body"] = 30.0
    idle: Annotated[Seconds | None, Off(), "between two requests of a connection"] = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerForwarding:
    """How upstreams are told where a request comes from."""

    x_forwarded: Annotated[bool, "by X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host"] = True
    forwarded: Annotated[bool, "by Forwarded (RFC 7239)"] = False
    by: Annotated[
        str | None, "how Forwarded names this proxy: `_` and letters, digits, `.`, `_` or `-`; absent: not at all"
    ] = None

    def __post_init__(self) -> None:
        # RFC 7239 section 6.3; an address would tell strangers what is inside.
        named = self.by is None or re.fullmatch(r"_[A-Za-z0-9._-]+", self.by) is not None
        demand(
            ("by", named, "must be `_` and letters, digits, `.`, `_` or `-`, as in _edge"),
            ("by", self.by is None or self.forwarded, "is said by Forwarded; add `forwarded: true`"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRule:
    """Where connections are accepted, and what is believed and tolerated there."""

    name: Annotated[Name, "names the listener in logs and metrics"] = DEFAULT_LISTENER
    address: Annotated[Address, ADDRESS, "host:port, [v6]:port, :port or unix:/path"]
    protocol: Annotated[
        Literal["http", "tcp"], "what is spoken; tcp: bytes as they are, by the routes that name this listener"
    ] = "http"
    trusted_proxies: Annotated[
        tuple[Annotated[TrustedPeer, NETWORK], ...],
        OneOrMany(),
        "whose X-Forwarded-For, Forwarded and PROXY header are believed: networks, or unix for a unix socket's peers",
    ] = ()
    proxy_protocol: Annotated[
        bool, "every connection begins with a PROXY header, v1 or v2; from trusted_proxies only"
    ] = False
    unix: Annotated[ListenerUnix | None, "the file of a unix socket; absent: whoever enters its directory"] = None
    tls: Annotated[ListenerTls | None, "speak TLS"] = None
    forwarding: Annotated[ListenerForwarding, "how upstreams are told where a request comes from"] = field(
        default_factory=ListenerForwarding
    )
    timeouts: Annotated[ListenerTimeouts, "how long a downstream may take"] = field(default_factory=ListenerTimeouts)
    max_connections: Annotated[Count, "connections at once"] = 10_000
    max_header_bytes: Annotated[Bytes, "largest head of a request, its first line included"] = 32 << 10
    max_headers: Annotated[Count, "most header fields of a request"] = 128
    max_body_bytes: Annotated[Bytes | None, Off(), "largest body of a request; 0: no cap"] = None

    def __post_init__(self) -> None:
        demand(
            ("max_connections", self.max_connections >= 1, "must be at least 1"),
            ("max_header_bytes", 256 <= self.max_header_bytes <= 1 << 20, "must be from 256B to 1MiB"),
            ("max_headers", 1 <= self.max_headers <= 10_000, "must be from 1 to 10000"),
            ("unix", self.unix is None or self.address.is_unix, "goes with an address as unix:/run/sidecar.sock"),
            ("proxy_protocol", not self.proxy_protocol or self._believes, self._unbelieving),
        )

    @property
    def _believes(self) -> bool:
        """Whether anybody who can connect here is believed."""
        return "unix" in self.trusted_proxies if self.address.is_unix else bool({*self.trusted_proxies} - {"unix"})

    @property
    def _unbelieving(self) -> str:
        whom = "unix" if self.address.is_unix else "10.0.0.0/8"
        return f"needs `trusted_proxies`, as in [{whom}]: from others the header is not believed, and they are refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRule:
    """The operator's own address."""

    address: Annotated[Address, ADDRESS, "where status, metrics and the verbs answer"] = _ADMIN
    token: Annotated[Secret | None, "bearer token that every verb (POST) then needs"] = field(default=None, repr=False)

    def __post_init__(self) -> None:
        demand(("token", self.token != "", "is empty; drop the key for no token"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRule:
    """Which exchanges `access: sampled` logs beside the errors."""

    share: Annotated[Ratio, "of the exchanges that are neither errors nor slow, how many are logged"] = 0.01
    slow: Annotated[Seconds | None, Off(), "every exchange that takes this long is logged; 0: none for that"] = 1.0
    rate: Annotated[PerSecond, "most lines a second of that share, evenly spaced; errors and slow ones are extra"] = (
        100.0
    )

    def __post_init__(self) -> None:
        demand(("rate", LEAST_LOG_RATE <= self.rate <= 1000, "must be from 1/m to 1000/s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRule:
    """What is written to standard error and standard output."""

    level: Annotated[Literal["debug", "info", "warning", "error"], "least severity written"] = "info"
    format: Annotated[Literal["json", "text"], "one JSON object a line, or a line of text for people"] = "json"
    access: Annotated[Literal["off", "errors", "sampled", "all"], "which exchanges are logged"] = "errors"
    sampled: Annotated[SampledRule, "what `access: sampled` logs"] = field(default_factory=SampledRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRule:
    """Where the spans of recorded exchanges go, by OTLP over HTTP."""

    endpoint: Annotated[str, COLLECTOR, "URL of the collector; without a path, /v1/traces is meant"]
    headers: Annotated[Mapping[FieldName, SecretFieldValue], "sent with each export, as credentials are"] = field(
        default_factory=dict, repr=False
    )
    service: Annotated[Text, "service.name of the spans"] = "sidecar"
    resource: Annotated[Mapping[Text, Text], "further attributes of who speaks, as deployment.environment.name"] = (
        field(default_factory=dict)
    )

    def __post_init__(self) -> None:
        demand(("service", self.service != "", "is empty; drop the key for `sidecar`"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingRule:
    """What is told of a request's trace, and to whom."""

    headers: Annotated[bool, "continue or begin a trace in what is sent on; false: trace headers pass as they are"] = (
        True
    )
    sample: Annotated[Ratio, "of the traces that begin here, how many are recorded where `export` is on"] = 1.0
    export: Annotated[ExportRule | None, "record exchanges as spans, and send them to a collector"] = None

    def __post_init__(self) -> None:
        told = self.headers or self.export is None
        demand(("export", told, "needs `headers: true`: no backend would know the spans, and no trace would hold them"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRule:
    """How the process leaves."""

    announce: Annotated[Seconds, "not ready, still serving, for this long"] = 5.0
    deadline: Annotated[Seconds, "hard stop, counted from the start of the drain"] = 25.0

    def __post_init__(self) -> None:
        demand(
            ("deadline", self.deadline > self.announce, "must be more than announce, or nothing is left to finish in")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadRule:
    """What the process may use before it refuses requests."""

    max_memory: Annotated[
        Bytes | None, Off(), "resident memory above which new requests get 503; about 85% of the container's; 0: no cap"
    ] = None

    def __post_init__(self) -> None:
        least = self.max_memory is None or self.max_memory >= LEAST_MEMORY
        demand(("max_memory", least, "must be at least 16MiB; the proxy itself takes about 60MiB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRule:
    """One address of an upstream."""

    SHORT: ClassVar[str] = "url"

    url: Annotated[EndpointUrl, URL, "http://, https://, tcp:// or tls://, with host:port"]
    weight: Annotated[Count, "its share of the upstream's attempts"] = 1

    def __post_init__(self) -> None:
        demand(("weight", 1 <= self.weight <= 10_000, "must be from 1 to 10000"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRule:
    """A named group of equal endpoints."""

    name: Annotated[Name, FromKey()]
    endpoints: Annotated[tuple[EndpointRule, ...], OneOrMany(), "URLs, or mappings with url and weight"]
    resolve: Annotated[
        Seconds | None, Off(), "look host names up again this often; every address is an endpoint; 0: once"
    ] = 30.0
    connect_timeout: Annotated[Seconds, "for a connection to an endpoint"] = 1.0
    tls: Annotated[UpstreamTls | None, "TLS towards https endpoints"] = None
    proxy_protocol: Annotated[
        Literal["v1", "v2"] | None,
        "begin every connection with a PROXY header of the client; no connection then serves two requests",
    ] = None
    policies: Annotated[Mapping[str, object], Policies("upstream")]

    def __post_init__(self) -> None:
        urls = [endpoint.url for endpoint in self.endpoints]
        demand(
            ("endpoints", bool(urls), "is empty; an upstream needs at least one endpoint"),
            ("endpoints", len(set(urls)) == len(urls), "names the same endpoint twice; use weight"),
            ("connect_timeout", self.connect_timeout > 0, "must be more than 0"),
        )

    def spec(self, kind: type[S], key: str | None = None) -> S | None:
        """The policy of this Spec type, or None where the rules switch it off or never name it."""
        return policy_of(self.policies, kind, key)

    @property
    def balance(self) -> SelectionSpec:
        """How attempts are spread."""
        return self.spec(SelectionSpec) or SelectionSpec()

    @property
    def pool(self) -> PoolSpec:
        """How many connections are kept."""
        return self.spec(PoolSpec) or PoolSpec()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The whole file."""

    version: Annotated[Literal[1], "version of this format"] = 1
    listeners: Annotated[tuple[ListenerRule, ...], "where connections are accepted"]
    admin: Annotated[AdminRule, "the operator's address"] = field(default_factory=AdminRule)
    log: Annotated[LogRule, "logging"] = field(default_factory=LogRule)
    tracing: Annotated[TracingRule, "traces"] = field(default_factory=TracingRule)
    drain: Annotated[DrainRule, "how the process leaves"] = field(default_factory=DrainRule)
    overload: Annotated[OverloadRule, "what the process may use"] = field(default_factory=OverloadRule)
    upstreams: Annotated[
        Mapping[str, UpstreamRule], "groups of endpoints, by name; needed where a route leads to one"
    ] = field(default_factory=dict)
    defaults: Annotated[
        DefaultsRule, "policies of every route; a route's own are merged over them, null switches off"
    ] = field(default_factory=DefaultsRule)
    routes: Annotated[tuple[RouteRule, ...], "which requests go where; the first that matches is taken"]
