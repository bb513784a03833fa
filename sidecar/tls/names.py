"""Which identity a client gets, by the name that it asks for.

Owns the order: exactly this name, then `*.` in place of its first label, then the first identity of all.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence

Choice = Callable[[ssl.SSLObject, str | None, ssl.SSLContext], int | None]


def index_by_name(names: Sequence[Sequence[str]]) -> dict[str, int]:
    """Which identity each name belongs to; the first that has it keeps it."""
    found: dict[str, int] = {}
    for index, own in enumerate(names):
        for name in own:
            found.setdefault(name.lower().rstrip("."), index)
    return found


def look_up(found: dict[str, int], asked: str) -> int | None:
    """The identity for a name; None where nobody has it. A wildcard stands for one label (RFC 9525 section 6.3)."""
    name = asked.lower().rstrip(".")
    index = found.get(name)
    if index is None:
        _, dot, rest = name.partition(".")
        index = found.get("*." + rest) if dot and rest else None
    return index


def choice(names: Sequence[Sequence[str]], contexts: Sequence[ssl.SSLContext], strict: bool) -> Choice:
    """The callback of the first context. OpenSSL takes from the chosen one the certificate and the protocols only:
    versions, tickets and what is asked of clients stay those of the first, which is why all are made alike."""
    found = index_by_name(names)

    def choose(session: ssl.SSLObject, asked: str | None, _: ssl.SSLContext) -> int | None:
        if asked is None:
            return None
        session.asked = asked  # type: ignore[attr-defined]
        index = look_up(found, asked)
        if index is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if strict else None
        if index:
            session.context = contexts[index]
        return None

    return choose
