"""Which of an upstream's available endpoints takes the next attempt (`balance` in the rules).

Strategies are pure: candidates and a random source come in, one of the candidates goes out. They keep no reference
to an endpoint, so a reload never has to clean them. A single candidate is the normal case of a sidecar and is
answered first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, log
from random import Random
from typing import Annotated, ClassVar, Literal, Protocol, TypeVar

from sidecar.policies.slow_start import FULL
from sidecar.policies.units import KeySource, Mode, demand


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionSpec:
    """How attempts are spread over an upstream's endpoints."""

    SHORT: ClassVar[str] = "strategy"

    strategy: Annotated[
        Literal["least_requests", "round_robin", "random", "hash"],
        "least_requests (the better of two by requests in flight), round_robin, random, or hash",
    ] = "least_requests"
    hash: Annotated[KeySource | None, "what picks the endpoint: client_ip, header:NAME, cookie:NAME, path:VARIABLE"] = (
        None
    )
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        if self.hash is not None and self.strategy == "least_requests":
            object.__setattr__(self, "strategy", "hash")
        demand(
            ("strategy", self.strategy != "hash" or self.hash is not None, "needs a key; write {hash: client_ip}"),
            ("hash", self.hash is None or self.strategy == "hash", f"does not go with strategy {self.strategy}"),
        )


class Candidate(Protocol):
    """What a strategy sees of an endpoint."""

    @property
    def name(self) -> str:
        """Stable name, the same after a reload."""

    @property
    def weight(self) -> int:
        """What the rules say of its share; at least 1."""

    @property
    def share(self) -> int:
        """Its share now, in hundredths of `weight`: 100 times as much, or less during its slow start."""

    @property
    def in_flight(self) -> int:
        """Attempts it is working on now."""


C = TypeVar("C", bound=Candidate)


class Strategy:
    """Picks one of the candidates."""

    __slots__ = ()

    def pick(self, candidates: Sequence[C], key: str | None, rng: Random) -> C | None:
        """One of the candidates, or None when there is none."""
        raise NotImplementedError


class RoundRobin(Strategy):
    """Each in turn, smoothly by share: 3 and 1 gives a a b a, never a a a b (nginx's smooth weighting)."""

    __slots__ = ("_credits",)

    def __init__(self) -> None:
        self._credits: dict[str, int] = {}

    def pick(self, candidates: Sequence[C], key: str | None, rng: Random) -> C | None:
        """The candidate with the most credit: each earns its share a turn, the chosen one pays for all."""
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        credits_left = self._credits
        best: C | None = None
        best_credit = total = 0
        for candidate in candidates:
            share = candidate.share
            total += share
            credit = credits_left.get(candidate.name, 0) + share
            credits_left[candidate.name] = credit
            if best is None or credit > best_credit:
                best, best_credit = candidate, credit
        assert best is not None  # noqa: S101 - at least two candidates were seen
        credits_left[best.name] = best_credit - total
        if len(credits_left) > 2 * len(candidates):
            names = {candidate.name for candidate in candidates}
            self._credits = {name: credit for name, credit in credits_left.items() if name in names}
        return best


class RandomChoice(Strategy):
    """Any, as likely as its share."""

    __slots__ = ()

    def pick(self, candidates: Sequence[C], key: str | None, rng: Random) -> C | None:
        """A candidate drawn by share."""
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return candidates[_draw(candidates, rng)]


class LeastRequests(Strategy):
    """The better of two: nearly as even as asking all (Mitzenmacher, "The power of two choices"), and no stampede."""

    __slots__ = ()

    def pick(self, candidates: Sequence[C], key: str | None, rng: Random) -> C | None:
        """Of two different candidates the one with fewer requests in flight for its share; the first on a tie."""
        count = len(candidates)
        if count < 2:
            return candidates[0] if candidates else None
        # Which two must not depend on weight: with two endpoints both are always compared.
        chance, next_chance = rng.random(), rng.random()
        first = int(chance * count)
        second = int(next_chance * (count - 1))
        one, other = candidates[first], candidates[second + (second >= first)]
        share, rival_share = one.share, other.share
        if share != rival_share and (share < one.weight * FULL or rival_share < other.weight * FULL):
            return _warming(one, other, rng)
        # The request to come counts, so that an idle heavy endpoint wins over an idle light one.
        load, rival = (one.in_flight + 1) * rival_share, (other.in_flight + 1) * share
        return other if rival < load else one


class Hash(Strategy):
    """The same endpoint for the same key, for as long as it is there (weighted rendezvous hashing).

    When an endpoint goes, only its own keys move; when it comes back they return.
    """

    __slots__ = ()

    def pick(self, candidates: Sequence[C], key: str | None, rng: Random) -> C | None:
        """The candidate with the highest score for the key; without a key, one drawn by share."""
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        if key is None:
            return candidates[_draw(candidates, rng)]
        seed = key.encode("utf-8", "surrogateescape")
        best = candidates[0]
        best_score = _score(seed, best)
        for candidate in candidates[1:]:
            score = _score(seed, candidate)
            if score > best_score or (score == best_score and candidate.name > best.name):
                best, best_score = candidate, score
        return best


def _score(seed: bytes, candidate: Candidate) -> float:
    # Not Python's hash(): it differs in every process, and workers must agree. The name goes in with its length, so
    # that no key and name can be confused with another pair. -w/ln(u) is the weighted form (Schindelhauer, Schomaker).
    name = candidate.name.encode("utf-8", "surrogateescape")
    digest = blake2b(b"%d:%b%b" % (len(name), name, seed), digest_size=8).digest()
    fraction = (int.from_bytes(digest, "big") + 0.5) / 2.0**64
    return inf if fraction >= 1.0 else -candidate.share / log(fraction)


def _warming(one: C, other: C, rng: Random) -> C:
    """The choice of two when a slow start is under way.

    By load alone a newcomer gets nothing while both are idle, and everything while both are busy. So chance comes
    first, by share; a newcomer that it favours must also not be busier for its weight than the other.
    """
    total = one.share + other.share
    chosen, rest = (one, other) if rng.random() * total < one.share else (other, one)
    if chosen.share == chosen.weight * FULL:
        return chosen
    return rest if (rest.in_flight + 1) * chosen.weight < (chosen.in_flight + 1) * rest.weight else chosen


def _draw(candidates: Sequence[Candidate], rng: Random) -> int:
    total = 0
    for candidate in candidates:
        total += candidate.share
    point = rng.random() * total
    for index, candidate in enumerate(candidates):
        point -= candidate.share
        if point < 0:
            return index
    return len(candidates) - 1


def strategy_for(spec: SelectionSpec) -> Strategy:
    """A new strategy for a rule; its state (whose turn it is) is its own."""
    if spec.strategy == "round_robin":
        return RoundRobin()
    if spec.strategy == "random":
        return RandomChoice()
    return Hash() if spec.strategy == "hash" else LeastRequests()
