"""Who the client is, seen through the proxies that are trusted to say so.

Owns trusted networks, the walk along X-Forwarded-For and Forwarded (RFC 7239), and the key an address is counted
under. May not know what is counted.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin

# Parsing an address costs microseconds and proxies repeat a few; strangers' addresses only pass through.
_CACHED = 4096
# Nobody is behind this many proxies; a longer walk is work an attacker asks for.
_MAX_HOPS = 64


def plain_address(text: str) -> str:
    """The canonical spelling of an address, an IPv4-mapped one as IPv4; empty when it is none. Zones are refused."""
    if "%" in text:
        return ""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped if mapped is not None else address)


def client_key(address: str) -> str:
    """What an address is counted under: IPv6 by its /64, since one host owns all of that; IPv4 as it is."""
    if ":" not in address:
        return address
    return str(IPv6Network((address, 64), strict=False).network_address) + "/64"


class TrustedNetworks:
    """The networks whose forwarding fields are believed; none by default. Raises ValueError for a malformed one."""

    __slots__ = ("_known", "_networks")

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(network, strict=False) for network in networks
        )
        self._known: dict[str, bool] = {}

    def contains(self, address: str) -> bool:
        """Whether this canonical address is trusted; text that is no address never is."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            known = self._known[address] = self._holds(address)
        return known

    def _holds(self, address: str) -> bool:
        plain = plain_address(address)
        if not plain or not self._networks:
            return False
        parsed = ip_address(plain)
        return any(parsed in network for network in self._networks)


def client_ip(origin: Origin, head: RequestHead, trusted: TrustedNetworks) -> str:
    """The right-most address that is not a trusted proxy; the socket peer where the chain cannot be read.

    When X-Forwarded-For and Forwarded are both there and disagree, one of them came from a client through a proxy
    that writes the other; neither is believed.
    """
    peer = origin.peer_ip
    if not origin.trusted or (head.forwarded_for is None and head.forwarded is None):
        return peer
    if head.forwarded is None:
        return _walk(_entries(head.forwarded_for or b""), peer, trusted)
    by_forwarded = _walk(_forwarded_entries(head.forwarded), peer, trusted)
    if head.forwarded_for is None:
        return by_forwarded
    by_chain = _walk(_entries(head.forwarded_for), peer, trusted)
    return by_chain if by_chain == by_forwarded else peer


def chain_addresses(value: bytes) -> list[str]:
    """The addresses of an X-Forwarded-For, canonical and in order; none where one of them cannot be read."""
    return _addresses(_entries(value))


def forwarded_addresses(value: bytes) -> list[str]:
    """The same of a Forwarded."""
    return _addresses(_forwarded_entries(value))


def _addresses(entries: list[str]) -> list[str]:
    found = [plain_address(_without_port(entry)) for entry in entries[: _MAX_HOPS + 1]]
    return found if all(found) and len(found) <= _MAX_HOPS else []


def _walk(entries: list[str], peer: str, trusted: TrustedNetworks) -> str:
    """From the right: the first untrusted entry, or the left-most when all are trusted."""
    found = peer
    for entry in reversed(entries[-_MAX_HOPS:]):
        found = plain_address(_without_port(entry))
        if not found:
            return peer
        if not trusted.contains(found):
            return found
    return found if len(entries) <= _MAX_HOPS else peer


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        address, bracket, port = entry[1:].partition("]")
        return address if bracket and ":" in address and (not port or _is_port(port)) else ""
    address, colon, port = entry.partition(":")
    # Two colons or more are a bare IPv6 address, which cannot carry a port.
    if colon and ":" not in port:
        return address if _is_port(":" + port) else ""
    return entry


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6


def _entries(value: bytes) -> list[str]:
    return [entry.strip(" \t") for entry in value.decode("latin-1").split(",")]


def _forwarded_entries(value: bytes) -> list[str]:
    """The `for` of each element; an element without one, or with a doubled or unreadable one, answers an empty string.

    Commas and semicolons inside quotes belong to no address, so a plain split makes such elements unreadable, which
    is what they should be.
    """
    found: list[str] = []
    for element in value.decode("latin-1").split(","):
        pairs = [pair.strip(" \t").partition("=") for pair in element.split(";")]
        nodes = [node for name, _, node in pairs if name.lower() == "for"]
        node = nodes[0] if len(nodes) == 1 else ""
        if len(node) >= 2 and node[0] == node[-1] == '"':
            node = node[1:-1]
        elif node[:1] == "[":
            node = ""  # RFC 7239 section 6: IPv6 is always quoted
        found.append(node)
    return found
