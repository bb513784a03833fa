"""Certificates and keys of the files that the rules name: what both listeners and upstreams need of them.

Owns when a certificate is said to end, and that what was read with the rules is used, not what the files hold by now:
they may be half-written, or gone, when a worker is started again.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sidecar.rules.credential_files import credential_files
from sidecar.rules.findings import Finding, Read
from sidecar.rules.load import Loaded

if TYPE_CHECKING:
    from sidecar.tls.certificates import CertificateFacts

# Seconds before its end from which a certificate is told of. Whoever renews automatically does so long before.
ENDS_SOON = 14 * 86400.0
# Of what was good when it was read it does not matter how late it is by now: nothing is before or after this.
ANY_TIME = math.nan

# Tells where what a file of the rules held is to be had.
PathOf = Callable[[str], str]


def unreadable_files(files: Iterable[tuple[str, str]], read: Read) -> Iterator[Finding]:
    """Those of these files (rules.credential_files) that cannot be read. All others are read, and watched."""
    for key, path in files:
        try:
            read(path)
        except ValueError as error:
            yield Finding(key, f"{path} {error}")


def ends_soon(key: str, facts: CertificateFacts, now: float) -> Iterator[Finding]:
    """A warning at `key` about a certificate in its last fortnight."""
    if facts.not_after - now < ENDS_SOON:
        yield Finding(key, f"the certificate of {name_of(facts)} {end_of(facts, now)}; renew it", "warning")


def certificates_of(loaded: Loaded) -> list[tuple[str, CertificateFacts]]:
    """The certificates that these rules prove themselves with, each with whose it is: `listener.NAME` or
    `upstream.NAME`."""
    from sidecar.tls.certificates import read_certificates

    found: list[tuple[str, CertificateFacts]] = []
    for key, path in credential_files(loaded.rules):
        parts = key.split(".")
        if parts[-1] == "certificate" and path in loaded.credentials:
            owner = f"{parts[0].removesuffix('s')}.{parts[1]}"
            found.append((owner, read_certificates(loaded.credentials[path])[0]))
    return found


def end_of(facts: CertificateFacts, now: float) -> str:
    """When it ends, or that it has ended: `ends in 3 days (2026-03-01 10:00 UTC)`."""
    left = facts.not_after - now
    when = datetime.fromtimestamp(facts.not_after, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if left <= 0:
        return f"has ended ({when})"
    days, hours = int(left // 86400), int(left // 3600)
    often, unit = (days, "day") if days else (hours, "hour")
    return f"ends in {often} {unit}{'' if often == 1 else 's'} ({when})" if often else f"ends within the hour ({when})"


def name_of(facts: CertificateFacts) -> str:
    """What a certificate is called: its first name, else its subject."""
    return facts.names[0] if facts.names else facts.subject


def digests(paths: Iterable[str | None], contents: Mapping[str, bytes]) -> tuple[bytes | None, ...]:
    """What tells whether other contents were read from these files, whatever they are called."""
    return tuple(None if path is None else hashlib.sha256(contents.get(path, path.encode())).digest() for path in paths)


@contextmanager
def as_files(contents: Mapping[str, bytes]) -> Iterator[PathOf]:
    """While it lasts, what tells the path of a file that holds what was read from a file of the rules. The TLS library
    loads keys from files only; these are in memory where the system has such, and have no name that lasts."""
    with ExitStack() as stack:
        places: dict[str, str] = {}

        def path_of(path: str) -> str:
            if path not in contents:
                return path
            if path not in places:
                places[path] = stack.enter_context(_as_file(contents[path]))
            return places[path]

        yield path_of


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    with open(os.memfd_create("credential", os.MFD_CLOEXEC), "wb") as memory:
        memory.write(content)
        memory.flush()
        yield f"/proc/self/fd/{memory.fileno()}"
