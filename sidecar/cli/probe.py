"""`sidecar probe`: asks a running sidecar whether it lives, is ready or has started, for health checks by command.

Runs every few seconds beside every application, so it costs little more than the interpreter: the words that manifests
write are read here, without argparse, and asked for with nothing but a socket. Whatever else is typed goes the long
way, through the parser, which has the help and the complaints. Knows nothing of the answers but their status.
"""

from __future__ import annotations

import os
import sys

# Its Python half, socket, is a tenth of this command's processor time: enumerations that nothing here needs.
from _socket import AF_UNIX, SOCK_STREAM, getaddrinfo, socket
from time import monotonic

# The path of a unix socket, or a host and a port.
Place = str | tuple[str, int]

ANSWERS = ("livez", "readyz", "startupz")
DEFAULT_ADMIN = "127.0.0.1:9901"
PATIENCE = 1.0

# How a sidecar that listens there is reached from beside it; hosts not named here go the long way.
_NEAR = {
    "": "127.0.0.1",
    "0.0.0.0": "127.0.0.1",
    "127.0.0.1": "127.0.0.1",
    "localhost": "localhost",
    "[::]": "::1",
    "[::1]": "::1",
}
_MOST = 65536
_LONGEST_REASON = 300


def at_once(words: list[str]) -> int | None:
    """The exit code of a probe in the usual words; None where these are others, and the parser is to read them."""
    asked = usual(words)
    return None if asked is None else _tell(*asked)


def usual(words: list[str]) -> tuple[str, str, Place, float] | None:
    """What to ask, of which admin address, where that is, for how many seconds; None for words left to the parser."""
    what, admin, timeout = "", os.environ.get("SIDECAR_ADMIN") or DEFAULT_ADMIN, "1s"
    rest = iter(words)
    for word in rest:
        if word in ANSWERS and not what:
            what = word
        elif word == "--admin":
            admin = next(rest, "")
        elif word == "--timeout":
            timeout = next(rest, "")
        else:
            return None
    host, _, port = admin.rpartition(":")
    patience = timeout.removesuffix("s")
    if host not in _NEAR or not _is_count(port) or not _is_count(patience) or timeout == patience:
        return None
    return what or ANSWERS[0], admin, (_NEAR[host], int(port)), float(patience)


def probe(arguments: object) -> int:
    """A probe in the words that the parser has read."""
    return _tell(*read(arguments))


def read(arguments: object) -> tuple[str, str, Place, float]:
    """The same as `usual`, of what the parser has read."""
    asked = vars(arguments)
    admin = asked["admin"]
    near = _NEAR.get(f"[{admin.host}]" if ":" in admin.host else admin.host, admin.host)
    return asked["what"], str(admin), admin.path if admin.is_unix else (near, admin.port), asked["timeout"]


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535


def _tell(what: str, admin: str, where: Place, patience: float) -> int:
    """0 for yes; 1 for anything else, and one line that says what."""
    try:
        status, reason = _ask(what, where, monotonic() + patience)
    except TimeoutError:
        complaint = f"no answer from {admin} within {patience:g}s"
    except OSError as error:
        complaint = f"no sidecar answers at {admin}: {error.strerror or error}; --admin names another address"
    else:
        if status == 200:
            return 0
        complaint = f"{what} is {status}: {reason}" if status else f"what answers at {admin} speaks no HTTP"
    from sidecar.cli.sheets import clean

    print(f"sidecar: {clean(complaint)}", file=sys.stderr)
    return 1


def _ask(what: str, where: Place, deadline: float) -> tuple[int, str]:
    """The status of the answer, 0 where it is none of HTTP's, and the first line of its body unless it is 200."""
    link = _connected(where, deadline)
    try:
        link.settimeout(_left(deadline))
        # HTTP/1.0: the answer ends with the connection, and no Host has to be made up.
        link.sendall(b"GET /%b HTTP/1.0\r\n\r\n" % what.encode())
        told = b""
        while b"\n" not in told and (more := _more(link, told, deadline)):
            told += more
        status = _status(told)
        if status in (0, 200):
            return status, ""
        try:
            while more := _more(link, told, deadline):
                told += more
        except OSError:
            pass  # the status is known, and what came of its reason will do
    finally:
        link.close()
    body = told.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    return status, body.partition(b"\n")[0][:_LONGEST_REASON].decode(errors="replace") or "no reason was given"


def _connected(where: Place, deadline: float) -> socket:
    if isinstance(where, str):
        return _connect(socket(AF_UNIX, SOCK_STREAM), where, deadline)
    # Bytes, because a text would be encoded as IDNA first, which imports more than all the rest does.
    host, port = where[0].encode(), where[1]
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in getaddrinfo(host, port, type=SOCK_STREAM):
        try:
            return _connect(socket(family, kind, protocol), address, deadline)
        except OSError as error:
            failure = error
    raise failure


def _connect(link: socket, address: object, deadline: float) -> socket:
    try:
        link.settimeout(_left(deadline))
        link.connect(address)  # type: ignore[arg-type]
    except OSError:
        link.close()
        raise
    return link


def _more(link: socket, told: bytes, deadline: float) -> bytes:
    """What comes next; nothing at the end, and nothing of an answer that has none."""
    if len(told) >= _MOST:
        return b""
    link.settimeout(_left(deadline))
    return link.recv(_MOST)


def _status(told: bytes) -> int:
    version, _, rest = told.partition(b"\n")[0].partition(b" ")
    code = rest.split(b" ", 1)[0].strip()
    if b"\n" not in told or not version.startswith(b"HTTP/1.") or len(code) != 3 or not code.isdigit():
        return 0
    return int(code)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
