"""A client of a running sidecar's admin address, for the commands that ask one.

Uses http.client, so that these start at once and HTTP_PROXY of the environment never comes between. Whatever is wrong
with the answer is a CommandError with a sentence; what was answered cannot steer the terminal through it.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sidecar import __version__
from sidecar.app.errors import CommandError, Exit
from sidecar.cli.sheets import clean
from sidecar.model.address import Address

TIMEOUT = 5.0
_Told = TypeVar("_Told")


def asked(address: Address, method: str, target: str, key: str, timeout: float = TIMEOUT) -> dict[str, Any]:
    """What the admin address answers, an object with this key; CommandError says why there is none."""
    code, body = _ask(address, method, target, timeout)
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and key in told:
        return told
    # No other status is a refusal of the admin's: whoever answers 404 here is somebody else.
    if code not in (400, 401, 403) or not isinstance(told, dict):
        raise CommandError(Exit.FAILED, f"what answers at {address} is no sidecar's admin address (status {code})")
    hint = "; set SIDECAR_ADMIN_TOKEN" if code == 401 else ""
    raise CommandError(Exit.FAILED, f"{address} refuses: {clean(str(told.get('detail', code)))}{hint}")


def understood(address: Address, read: Callable[[], _Told]) -> _Told:
    """What `read` makes of an answer; CommandError where the answer is not made as this version's are."""
    try:
        return read()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"what answers at {address} tells its status otherwise than version {__version__} does"
        raise CommandError(Exit.FAILED, f"{what} ({type(error).__name__}: {clean(str(error))})") from error


def status(address: Address, timeout: float = TIMEOUT) -> Mapping[str, Any]:
    """What a sidecar tells of itself."""
    return asked(address, "GET", "/status", "phase", timeout)


def events(address: Address, timeout: float = TIMEOUT) -> list[Mapping[str, Any]]:
    """Its last events, the oldest first; none where it tells of none, for they are never worth an error."""
    try:
        told = asked(address, "GET", "/events?format=json", "events", timeout)["events"]
    except CommandError:
        return []
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _ask(address: Address, method: str, target: str, timeout: float) -> tuple[int, bytes]:
    connection = _Connection(address, timeout)
    headers = {"Accept": "application/json"}
    token = os.environ.get("SIDECAR_ADMIN_TOKEN")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CommandError(
            Exit.FAILED, f"no sidecar answers at {address}: {clean(reason)}; --admin names another address"
        ) from error
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """One connection to an address, be it TCP or a unix socket."""

    def __init__(self, address: Address, timeout: float) -> None:
        # Every interface is reached through the loopback one.
        super().__init__(address.host or "127.0.0.1", address.port or None, timeout=timeout)
        self._path = address.path
        if self._path is not None:
            self.host = "localhost"

    def connect(self) -> None:
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
