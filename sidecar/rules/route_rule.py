"""A route as a value: which requests are its own, and where they go. The rest of the file is schema.py's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from sidecar.policies.catalogue import entries
from sidecar.policies.own_answer import RedirectSpec, RespondSpec
from sidecar.policies.units import Count, FieldName, FieldValue, KeySource, Method, Name, OneOrMany, demand
from sidecar.rules.forms import HOST, PATH, PathPattern
from sidecar.rules.marks import Policies, policies_of, policy_of

S = TypeVar("S")
_ABOUT_UPSTREAMS = frozenset([entry.key for entry in entries("route") if not entry.alone])
_EVERY_PATH = PathPattern("prefix", "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRule:
    """What a request must be like. Everything named must hold; what is not named always holds."""

    listener: Annotated[
        tuple[Name, ...], OneOrMany(), "names of listeners that it must have come in at; absent: any that speaks http"
    ] = ()
    host: Annotated[str | None, HOST, "api.example.com, or *.example.com for every name below it; no port"] = None
    path: Annotated[
        PathPattern,
        PATH,
        "/prefix by whole segments, =/exact, or a template as /users/{id}; no wildcards, `*` is itself",
    ] = _EVERY_PATH
    methods: Annotated[tuple[Method, ...], OneOrMany(), "any of these; absent: every method"] = ()
    headers: Annotated[Mapping[FieldName, FieldValue], "all of these, each with exactly this value"] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """A share of a route's requests."""

    upstream: Annotated[Name, "name of an upstream"]
    weight: Annotated[Count, "its share"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRule:
    """Which requests go where, and under which policies. The first route that matches is taken."""

    name: Annotated[Name, "names the route in replies, logs and metrics; unique"]
    match: Annotated[MatchRule, "what a request must be like; absent: anything"] = field(default_factory=MatchRule)
    upstream: Annotated[Name | None, "name of the upstream"] = None
    split: Annotated[tuple[SplitRule, ...], "upstreams by share, instead of upstream"] = ()
    split_key: Annotated[
        KeySource | None,
        "what keeps a caller on its upstream of the split: client_ip, header:NAME, cookie:NAME; absent: nothing",
    ] = None
    redirect: Annotated[RedirectSpec | None, "send the client elsewhere, instead of upstream"] = None
    respond: Annotated[RespondSpec | None, "answer in fixed words, instead of upstream"] = None
    policies: Annotated[Mapping[str, object], Policies("route")]

    def __post_init__(self) -> None:
        weights = [share.weight for share in self.split]
        named = [share.upstream for share in self.split]
        demand(
            *self._one_end(),
            ("split", not weights or sum(weights) > 0, "has no weight above 0, so no upstream would ever be chosen"),
            ("split", len(set(named)) == len(named), "names the same upstream twice"),
            ("split_key", self.split_key is None or bool(self.split), "goes with a `split`, and there is none"),
            (
                "split_key",
                not (self.split_key or "").startswith("path:"),
                "is about who asks; write client_ip, header:NAME or cookie:NAME",
            ),
        )

    def _one_end(self) -> Iterator[tuple[str, bool, str]]:
        ends = ("upstream", "split", "redirect", "respond")
        given = [end for end in ends if getattr(self, end)]
        missing = "is missing; name one, or give a `split`, a `redirect` or something to `respond`"
        yield ("upstream", bool(given), missing)
        for end in given[1:]:
            yield (end, False, f"and `{given[0]}` exclude each other")

    def spec(self, kind: type[S], key: str | None = None) -> S | None:
        """The policy of this Spec type, or None; `key` tells apart those that share a type (request_headers, …)."""
        return policy_of(self.policies, kind, key)

    def specs(self, kind: type[S]) -> tuple[S, ...]:
        """Every policy of this Spec type, in order (rate_limits)."""
        return tuple(policies_of(self.policies, kind))

    @property
    def silent(self) -> frozenset[str]:
        """Keys of policies that say nothing here, because the route answers by itself."""
        return frozenset() if self.upstreams else _ABOUT_UPSTREAMS

    @property
    def upstreams(self) -> tuple[str, ...]:
        """Names of every upstream this route may choose; none where it answers by itself."""
        return (self.upstream,) if self.upstream is not None else tuple(share.upstream for share in self.split)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsRule:
    """Policies of every route, under what the route itself says; merged in when read, kept here as written."""

    policies: Annotated[Mapping[str, object], Policies("route", given=False)] = field(default_factory=dict)
