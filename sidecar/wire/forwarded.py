"""Forwarded (RFC 7239), written: this hop's element, the chain before it, and one kind of chain made from the other.

Owns what the field looks like; who the client is in it clientip.py reads. Kept of a chain that came is only what is
well-formed and from a peer that is trusted: a stranger's open quote would swallow the element that we append.
"""

import re

from sidecar.wire.clientip import chain_addresses, forwarded_addresses
from sidecar.wire.fieldnames import TOKEN_BYTES
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin, node

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = rb"(?:" + _TOKEN + rb"=(?:" + _TOKEN + rb'|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))'
_ELEMENT = _PAIR + rb"(?:[\t ]*;[\t ]*" + _PAIR + rb")*"
_PAIRS = re.compile(_PAIR)
_ELEMENTS = re.compile(_ELEMENT)
_CHAIN = re.compile(_ELEMENT + rb"(?:[\t ]*,[\t ]*" + _ELEMENT + rb")*")


def forwarded_line(head: RequestHead, origin: Origin) -> bytes:
    """The line that an upstream gets; empty where there is nothing to say.

    Without an element of ours a trusted peer's chain passes as it came, and a stranger's does not: whoever reads it
    could not tell that we have not vouched for it.
    """
    came = head.forwarded if origin.trusted else None
    if not origin.forwarded:
        return b"Forwarded: " + came + b"\r\n" if came else b""
    chain = b""
    if came is not None:
        chain = came if _CHAIN.fullmatch(came) else b""
    elif origin.trusted and head.forwarded_for:
        # RFC 7239 section 7.4: whoever reads this field alone must not take the proxy in front for the client.
        addresses = chain_addresses(head.forwarded_for)
        chain = b", ".join([b"for=" + node(address) for address in addresses])
    if chain and not origin.peer_ip:
        return b"Forwarded: " + chain + b"\r\n"  # as X-Forwarded-For: a unix socket's peer has no address to append
    host = b";host=" + _value(head.authority) if head.authority else b""
    return b"".join((b"Forwarded: ", chain, b", " if chain else b"", origin.forwarded, host, b"\r\n"))


def x_chain(head: RequestHead) -> bytes:
    """The addresses of a trusted peer's Forwarded as X-Forwarded-For writes them; empty where they cannot be read."""
    return ", ".join(forwarded_addresses(head.forwarded or b"")).encode("ascii")


def _value(text: bytes) -> bytes:
    # An authority holds neither quote nor backslash.
    return b'"' + text + b'"' if text.translate(None, TOKEN_BYTES) else text


def last_proto(chain: bytes) -> bytes:
    """The `proto` of the last element, which the nearest proxy wrote, in lower case; empty without one."""
    if not _CHAIN.fullmatch(chain):
        return b""
    last = _ELEMENTS.findall(chain)[-1]
    pairs = [pair.partition(b"=") for pair in _PAIRS.findall(last)]
    found = [value for name, _, value in pairs if name.lower() == b"proto"]
    return found[0].strip(b'"').lower() if len(found) == 1 else b""
