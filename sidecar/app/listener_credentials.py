"""Certificates and keys of listeners, from the files that the rules name to what connections are accepted with.

Owns what is wrong with them and at which key, and that unchanged ones make no other context: it lives on over reloads,
and with it the sessions that its clients resume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from sidecar.app.credentials import ANY_TIME, PathOf, as_files, digests, ends_soon, unreadable_files
from sidecar.model.observer import TlsObserver
from sidecar.rules.credential_files import of_listener
from sidecar.rules.findings import Finding, Read
from sidecar.rules.listener_tls import ListenerTls
from sidecar.rules.load import Loaded
from sidecar.rules.schema import ListenerRule, RuleSet
from sidecar.tls.contexts import CredentialError, Credentials, Identity, server_context
from sidecar.transport.tls_terms import TlsTerms


@dataclass(frozen=True, slots=True)
class SecuredListener:
    """What a listener speaks TLS with. `made_from` tells whether other rules or files would make the same context,
    `limits` whether connections are accepted on the same terms."""

    made_from: object
    limits: tuple[float, int]
    credentials: Credentials
    terms: TlsTerms


def secured_listeners(
    loaded: Loaded, before: Mapping[str, SecuredListener], observer: Callable[[str], TlsObserver]
) -> dict[str, SecuredListener]:
    """What each listener that speaks TLS does so with, by its name; contexts of `before` are kept where they would be
    the same. `observer` is who is told of a listener's handshakes.

    :raises OSError: files have changed between being checked and being read; they are about to be read again."""
    found: dict[str, SecuredListener] = {}
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
            found[rule.name] = SecuredListener(made_from, limits, credentials, terms)
    return found


def listener_findings(rules: RuleSet, read: Read, now: float) -> Iterator[Finding]:
    """What is wrong with the certificates and keys of listeners, or will be soon; `now` in Unix seconds."""
    for rule in rules.listeners:
        if rule.tls is None:
            continue
        key = f"listeners.{rule.name}.tls"
        unreadable = list(unreadable_files(of_listener(rule.tls, key), read))
        yield from unreadable
        if unreadable:
            continue
        try:
            credentials = listener_credentials(rule, str, now)
        except CredentialError as error:
            yield Finding(f"{key}.{_field_of(error)}", str(error))
            continue
        for index, facts in enumerate(credentials.certificates):
            yield from ends_soon(f"{key}.{_identity(index)}certificate", facts, now)


def listener_credentials(rule: ListenerRule, path_of: PathOf, now: float) -> Credentials:
    """What a listener with TLS proves itself with; `now` in Unix seconds, or ANY_TIME.

    :raises CredentialError: something is wrong with one of the files."""
    tls = rule.tls
    if tls is None:
        raise ValueError(f"listener {rule.name} speaks no TLS")
    pairs = [(tls.certificate, tls.private_key), *((one.certificate, one.private_key) for one in tls.certificates)]
    return server_context(
        [Identity(path_of(certificate), path_of(key)) for certificate, key in pairs],
        client_ca=None if tls.client_ca is None else path_of(tls.client_ca),
        client_certificate=tls.client_certificate,
        min_version=tls.min_version,
        alpn=tls.alpn or (("http/1.1",) if rule.protocol == "http" else ()),
        strict_sni=tls.strict_sni,
        now=now,
    )


def _made(rule: ListenerRule, path_of: PathOf) -> Credentials:
    try:
        return listener_credentials(rule, path_of, ANY_TIME)
    except CredentialError as error:
        raise OSError(f"listener {rule.name}: tls.{_field_of(error)}: {error}") from error


def _made_from(rule: ListenerRule, tls: ListenerTls, contents: Mapping[str, bytes]) -> object:
    held = digests([path for _, path in of_listener(tls, "")], contents)
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


def _field_of(error: CredentialError) -> str:
    """The key below a listener's `tls` that an error is about."""
    own = error.field in ("certificate", "private_key")
    return f"{_identity(error.index)}{error.field}" if own else error.field


def _identity(index: int) -> str:
    return f"certificates.{index - 1}." if index else ""
