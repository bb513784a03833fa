"""Who may use the admin address: the checks in front of every view.

Owns the refusal of verbs and of looks inside without the token, of a browser's cross-site request and of a rebound
host name. Knows no view.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from aiohttp import web

from sidecar.model.address import ip_literal

_LOOKING = ("GET", "HEAD", "OPTIONS")
# To look inside a process costs it time, and tells more than an operator's pages do.
_INSIDE = "/debug/"


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """A request that is refused, with the status and the sentence to say so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Guard:
    """Admits or refuses one request by its head alone.

    `loopback`: the admin listens where only this machine reaches it. `token`: what a verb, or a look inside,
    must carry, None for none.
    """

    __slots__ = ("_loopback", "_token")

    def __init__(self, *, loopback: bool, token: str | None) -> None:
        self._loopback = loopback
        self._token = token.encode() if token else None

    def check(self, request: web.Request) -> None:
        """Return for an admitted request; raise Refusal for any other."""
        # A page whose name was re-pointed at 127.0.0.1 may read what it likes of us (DNS rebinding), unless the name in
        # its Host is refused. Probes and people use addresses or `localhost`; elsewhere service names are legitimate.
        if self._loopback and not _names_this_machine(request.headers.get("Host", "")):
            raise Refusal(403, "this address answers to localhost or an IP address only")
        if request.method in _LOOKING and not request.path.startswith(_INSIDE):
            if _is_drawn_in(request):
                raise Refusal(403, "a page of another site may lead here, and not draw on this")
            return
        if _crosses_sites(request):
            raise Refusal(403, "a page of another site may not do this")
        if self._token is not None:
            scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(_bytes(presented.strip()), self._token):
                raise Refusal(401, "this needs the admin token, as `Authorization: Bearer …`")
        elif not self._loopback:
            raise Refusal(403, "the admin address is not loopback, so this needs `admin.token` to be set in the rules")


def _bytes(text: str) -> bytes:
    # aiohttp decodes header bytes with surrogateescape; this gives back the bytes that came.
    return text.encode("utf-8", "surrogateescape")


def _names_this_machine(host: str) -> bool:
    if not host:  # HTTP/1.0, or a unix socket's client: no browser sends none
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or ip_literal(name) is not None


def _crosses_sites(request: web.Request) -> bool:
    """Whether a browser says that another site's page is behind this (Fetch Metadata; Origin for older ones)."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    authority = origin.partition("://")[2]  # RFC 6454 section 7: nothing follows it
    return not authority or authority.lower() != request.headers.get("Host", "").lower()


def _is_drawn_in(request: web.Request) -> bool:
    """Whether another site's page wants this for itself, and not its user: it could not read the answer, but take all
    places of readers, and the process's time."""
    return (
        request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        and request.headers.get("Sec-Fetch-Dest") != "document"
    )
