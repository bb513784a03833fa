"""From the rules' values to the transport's: the one place where both vocabularies meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from sidecar.policies.pool import PoolSpec
from sidecar.rules.forms import UNIX_PEERS
from sidecar.rules.schema import ListenerRule
from sidecar.transport.arrival import Announced, PreambleTerms, peer_name
from sidecar.transport.settings import DownstreamSettings, PoolSettings
from sidecar.transport.sockets import UnixFile
from sidecar.transport.sparing_log import SparingLog
from sidecar.wire.clientip import TrustedNetworks, plain_address
from sidecar.wire.message import HeadLimits
from sidecar.wire.origin import Origin


def downstream_settings(rule: ListenerRule) -> DownstreamSettings:
    """What a listener's connections keep to; a part that is off never comes."""
    return DownstreamSettings(
        header_timeout=_or_never(rule.timeouts.headers),
        body_timeout=_or_never(rule.timeouts.body),
        idle_timeout=_or_never(rule.timeouts.idle),
        max_body_bytes=rule.max_body_bytes,
        limits=HeadLimits(max_bytes=rule.max_header_bytes, max_fields=rule.max_headers),
    )


def pool_settings(spec: PoolSpec) -> PoolSettings:
    """What the connections to one endpoint keep to."""
    return PoolSettings(
        max_connections=spec.max_connections,
        max_connects_per_second=spec.max_connects,
        idle_timeout=_or_never(spec.idle_timeout),
        max_lifetime=spec.max_lifetime,
    )


def trusted_networks(rules: Iterable[ListenerRule]) -> TrustedNetworks:
    """Every hop that some listener trusts: along a chain the question is whose entry it is, not where it came in."""
    return TrustedNetworks(network for rule in rules for network in _networks(rule))


def believes(rule: ListenerRule) -> Callable[[str], bool]:
    """What says of a peer's address, empty for one of a unix socket, whether this listener believes what it says of
    others."""
    networks = TrustedNetworks(_networks(rule))
    unix = rule.address.is_unix and UNIX_PEERS in rule.trusted_proxies

    def believed(address: str) -> bool:
        return networks.contains(address) if address else unix

    return believed


def preamble_terms(rule: ListenerRule, counted: Callable[[str], None], log: SparingLog) -> PreambleTerms | None:
    """What connections that begin with a PROXY header keep to; None where they do not."""
    if not rule.proxy_protocol:
        return None
    believed = believes(rule)
    return PreambleTerms(lambda transport: believed(peer_name(transport)), counted, log)


def unix_file(rule: ListenerRule) -> UnixFile | None:
    """Who may connect to a listener's unix socket; None where the rules do not say."""
    return None if rule.unix is None else UnixFile(rule.unix.mode, rule.unix.owner, rule.unix.group)


def _networks(rule: ListenerRule) -> list[str]:
    return [str(one) for one in rule.trusted_proxies if one != UNIX_PEERS]


# Peers come again, and an address costs microseconds to parse. Strangers only pass through.
_KNOWN_ORIGINS = 4096


def origin_factory(rule: ListenerRule, port: int) -> Callable[[Any, Announced | None], Origin]:
    """What tells where a transport accepted on `port` comes from, and whether this listener believes what it says."""
    believed = believes(rule)
    scheme = b"http" if rule.tls is None else b"https"
    tells_certificate = rule.tls is not None and rule.tls.forward_client_certificate
    told = rule.forwarding
    known: dict[str, Origin] = {}

    def made(host: str, trusted: bool, certificate: bytes = b"") -> Origin:
        by = told.by or ""
        return Origin(host, scheme, trusted, port, rule.name, certificate, told.x_forwarded, told.forwarded, by)

    def origin(transport: Any, announced: Announced | None) -> Origin:
        name = peer_name(transport) if announced is None else announced.source
        found = known.get(name)
        if found is None:
            host = plain_address(name)
            found = made(host, believed(host))
            if len(known) >= _KNOWN_ORIGINS:
                known.clear()
            known[name] = found
        certificate = _certificate(transport) if tells_certificate else b""
        if certificate:  # which is of the connection, and not of the address
            return made(found.peer_ip, found.trusted, certificate)
        return found

    return origin


def _certificate(transport: Any) -> bytes:
    """What X-Forwarded-Client-Cert says of a transport's client; empty where it has shown no certificate."""
    from sidecar.tls.client_certificate import forwarded  # which most listeners have no use for

    session = transport.get_extra_info("ssl_object")
    shown = None if session is None else session.getpeercert(binary_form=True)
    return forwarded(shown) if shown else b""


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
