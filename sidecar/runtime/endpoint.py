"""One address that an upstream leads to, and what is known of it.

Owns its identity over reloads and DNS changes. May not know how it is reached: `channel` is set by the wiring and
opaque here. Who may be sent to it, and when, is upstream.py's.
"""

from __future__ import annotations

import math
from typing import Any

from sidecar.model.address import Address
from sidecar.policies.ejection import EndpointHealth
from sidecar.policies.slow_start import FULL, NEWCOMER, STEADY

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Endpoint:
    """One address of an upstream, the same object for as long as any rules name it.

    `name` is `app/127.0.0.1:3000`. `host` is what the rules call it by, `authority` what Host carries towards it.
    `in_flight` counts attempts and belongs to whoever makes them. `channel` is how it is reached, set by the wiring.
    `origin` is the name of the endpoint as written: another one when this is an address of a host name.

    `down` is what the active checks know, `drained` what an operator wants, `health` what ejection remembers; the
    upstream's own methods set the first two. `up_since` is when `down` last ended; `unchecked`: it is down because the
    first look is still to come. `answered_at` is when the head of an answer last came, or a connection of bytes stood.
    `weight` is in the units of the rules, `share` in hundredths of them and less during a slow start, which began at
    `ramp_since` (STEADY when there is none).
    """

    __slots__ = (
        "address",
        "answered_at",
        "authority",
        "channel",
        "down",
        "drained",
        "health",
        "host",
        "in_flight",
        "name",
        "origin",
        "ramp_since",
        "scheme",
        "share",
        "unchecked",
        "up_since",
        "upstream_name",
        "weight",
    )

    def __init__(self, upstream_name: str, address: Address, weight: int = 1, scheme: str = "http") -> None:
        self.name = f"{upstream_name}/{address}"
        self.upstream_name = upstream_name
        self.address = address
        self.scheme = scheme
        self.host = "localhost" if address.is_unix else address.host
        self.authority = _authority(address, scheme)
        self.weight = weight
        self.share = weight * FULL
        self.ramp_since = STEADY
        self.down = False
        self.unchecked = False
        self.up_since = -math.inf
        self.answered_at = -math.inf
        self.drained = False
        self.health = EndpointHealth(self.name)
        self.in_flight = 0
        self.origin = self.name
        self.channel: Any = None  # a type of the right tower, which this one may not import

    def resolved(self, address: Address) -> Endpoint:
        """An endpoint at one of the addresses of this one's host name; Host still carries the name."""
        endpoint = Endpoint(self.upstream_name, address, self.weight, self.scheme)
        endpoint.authority = self.authority
        endpoint.host = self.host
        endpoint.origin = self.origin
        endpoint.ramp_since = self.ramp_since
        return endpoint

    def same_place(self, other: Endpoint) -> bool:
        """Whether both lead to one place in one way, so that connections and counts of one serve the other."""
        return self.name == other.name and self.scheme == other.scheme and self.origin == other.origin

    def weigh(self, weight: int) -> None:
        """Take on a weight of the rules; a slow start goes on from where it is."""
        self.weight = weight
        self.share = weight * FULL

    def newcomer(self) -> None:
        """It is new to its upstream, or back again: a slow start, where the rules have one, begins with the next pick.

        Not at once, because an upstream without requests warms nobody."""
        self.ramp_since = NEWCOMER


def _authority(address: Address, scheme: str) -> bytes:
    if address.is_unix:
        return b"localhost"
    text = str(address)
    if address.port == _DEFAULT_PORTS.get(scheme):
        text = text.rpartition(":")[0]
    return text.encode("ascii")
