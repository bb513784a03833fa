"""The rate limits of a route: asked for one bucket, for a key that is known, for one that is new."""

import math

from benchmarks.micro import Calls
from sidecar.model.facts import RequestFacts
from sidecar.model.observer import RouteObserver
from sidecar.policies.contract import ADMITTED, REFUSED, Applicant, Key
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec

_KEYS = 100_000


class ClientIp(Key):
    """Stands where a compiled key does; its cost is no part of what is measured."""

    text = "client_ip"

    def of(self, head: RequestFacts, client_ip: str) -> str:
        return client_ip


class Client(Applicant):
    """An applicant whose key is an attribute."""

    __slots__ = ("deadline", "value")

    def __init__(self, value: str) -> None:
        self.deadline = math.inf
        self.value = value

    def key(self, key: Key) -> str:
        return self.value

    def granted(self, now: float) -> None:
        """Nobody waits here."""


def _limits(*keyed: bool, rate: float = 1e9) -> RateLimits:
    specs = [
        RateLimitSpec(name=f"limit-{number}", rate=rate, burst=20.0, key=("client_ip",) if key else ())
        for number, key in enumerate(keyed)
    ]
    return RateLimits("route", [(spec, ClientIp() if spec.key else None) for spec in specs], RouteObserver())


def _asked(limits: RateLimits, clients: list[Client], verdict: int) -> Calls:
    now = 1000.0
    place = 0

    def calls(count: int) -> None:
        nonlocal now, place
        for _ in range(count):
            now += 1e-6
            place = place + 1 if place + 1 < len(clients) else 0
            if limits.try_acquire(now, clients[place]) != verdict:
                raise AssertionError("another verdict than the one that is measured")

    return calls


def one_bucket() -> Calls:
    """A limit without a key admits."""
    return _asked(_limits(False), [Client("")], ADMITTED)


def known_key() -> Calls:
    """A limit per client admits one that it knows, among a thousand."""
    # Slow enough to refill that nobody is forgotten in between, wide enough that nobody is refused.
    spec = RateLimitSpec(name="limit", rate=1.0, burst=1e12, key=("client_ip",))
    limits = RateLimits("route", [(spec, ClientIp())], RouteObserver())
    return _asked(limits, [Client(f"10.0.{n // 256}.{n % 256}") for n in range(1000)], ADMITTED)


def new_key() -> Calls:
    """A limit per client admits one that it does not know, and its table is full of spent buckets."""
    spec = RateLimitSpec(name="limit", rate=1e-6, burst=1.0, key=("client_ip",), max_keys=_KEYS // 2)
    limits = RateLimits("route", [(spec, ClientIp())], RouteObserver())
    return _asked(limits, [Client(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(_KEYS)], ADMITTED)


def refused() -> Calls:
    """A limit per client refuses."""
    limits = _limits(True, rate=1e-6)
    client = Client("10.0.0.1")
    while limits.try_acquire(999.0, client) == ADMITTED:
        pass
    return _asked(limits, [client], REFUSED)


def three_limits() -> Calls:
    """One limit for all and two per client admit."""
    return _asked(_limits(False, True, True), [Client("10.0.0.1")], ADMITTED)


def fields_of_one_bucket() -> Calls:
    """What an answer says of a limit without a key."""
    return _told(_limits(False, rate=1.0))


def fields_of_a_known_key() -> Calls:
    """What an answer says of a limit per client."""
    return _told(_limits(True, rate=1.0))


def _told(limits: RateLimits) -> Calls:
    client = Client("10.0.0.1")
    limits.try_acquire(1000.0, client)

    def calls(count: int) -> None:
        for _ in range(count):
            limits.answer_fields(1000.5, client)

    return calls
