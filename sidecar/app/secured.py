"""What each listener speaks TLS with, from the rules in force.

Owns that other files make another context: an unchanged one lives on over reloads, and with it the sessions that its
clients resume.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sidecar.app.credentials import ANY_TIME, as_files, field_of, listener_credentials
from sidecar.model.observer import TlsObserver
from sidecar.rules.credential_files import of_listener
from sidecar.rules.listener_tls import ListenerTls
from sidecar.rules.load import Loaded
from sidecar.rules.schema import ListenerRule
from sidecar.tls.contexts import CredentialError, Credentials
from sidecar.transport.tls_terms import TlsTerms


@dataclass(frozen=True, slots=True)
class Secured:
    """What a listener speaks TLS with. `made_from` tells whether other rules or files would make the same context,
    `limits` whether connections are accepted on the same terms."""

    made_from: object
    limits: tuple[float, int]
    credentials: Credentials
    terms: TlsTerms


def secured(
    loaded: Loaded, before: Mapping[str, Secured], observer: Callable[[str], TlsObserver]
) -> dict[str, Secured]:
    """What each listener that speaks TLS does so with, by its name; contexts of `before` are kept where they would be
    the same. `observer` is who is told of a listener's handshakes.

    :raises OSError: files have changed between being checked and being read; they are about to be read again."""
    found: dict[str, Secured] = {}
    with as_files(loaded.credentials) as path_of:
        for rule in loaded.rules.listeners:
            tls = rule.tls
            if tls is None:
                continue
            made_from, limits = _made_from(rule, tls, loaded.credentials), (tls.handshake_timeout, tls.max_handshakes)
            known = before.get(rule.name)
            same = known is not None and known.made_from == made_from
            if known is not None and same and known.limits == limits:
                found[rule.name] = known
                continue
            credentials = known.credentials if known is not None and same else _made(rule, path_of)
            terms = TlsTerms(credentials.context, *limits, observer(rule.name))
            found[rule.name] = Secured(made_from, limits, credentials, terms)
    return found


def _made(rule: ListenerRule, path_of: Callable[[str], str]) -> Credentials:
    try:
        return listener_credentials(rule, path_of, ANY_TIME)
    except CredentialError as error:
        raise OSError(f"listener {rule.name}: tls.{field_of(error)}: {error}") from error


def _made_from(rule: ListenerRule, tls: ListenerTls, contents: Mapping[str, bytes]) -> object:
    held = tuple(hashlib.sha256(contents.get(path, path.encode())).digest() for _, path in of_listener(tls, ""))
    # What is of the files' names, and what the context does not know.
    plain = replace(
        tls,
        certificate="",
        private_key="",
        certificates=(),
        client_ca=tls.client_ca and "",
        forward_client_certificate=False,
        handshake_timeout=1.0,
        max_handshakes=1,
    )
    return held, plain, rule.protocol
