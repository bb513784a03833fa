"""TLS contexts out of files: what a listener proves itself with, and whom an upstream's connections trust.

Owns the choice of versions, ciphers and options, and the sentences for files that will not do: they are read when the
rules are, so that a mistake is told at its line and not to the first client. Opens files; knows nothing of connections.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sidecar.tls.certificates import CertificateFacts, has_certificate, read_certificates
from sidecar.tls.names import choice
from sidecar.tls.system import trust_the_system

# TLS 1.2 keeps what has forward secrecy and authenticates what it encrypts (RFC 9325 section 4.2); 1.3 has no other.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Identity:
    """The paths of a certificate (its chain after it) and of its private key; both may be one file."""

    certificate: str
    private_key: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """A context, and the leaf of each identity in it."""

    context: ssl.SSLContext
    certificates: tuple[CertificateFacts, ...] = ()


class CredentialError(ValueError):
    """A file that will not do. `field` is the rule's key that names it (`certificate`, `private_key`, `client_ca`,
    `ca`), `index` the identity it belongs to, 0 being the first; the text is the operator's sentence."""

    def __init__(self, field: str, index: int, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.index = index


class Asking(ssl.SSLObject):
    """A server's side of one session, which keeps the name that its client has asked for."""

    asked: str | None = None


def server_context(
    identities: Sequence[Identity],
    *,
    client_ca: str | None = None,
    client_certificate: str = "required",
    min_version: str = "1.2",
    alpn: Sequence[str] = ("http/1.1",),
    strict_sni: bool = False,
    now: float,
) -> Credentials:
    """What a listener proves itself with. The identity is chosen by the name that the client asks for, the first where
    it names none or one that nobody has; with `strict_sni` the latter is refused. `now`: Unix seconds.

    :raises CredentialError: a file will not do.
    """
    contexts: list[ssl.SSLContext] = []
    leaves: list[CertificateFacts] = []
    for index, identity in enumerate(identities):
        context = _context(ssl.PROTOCOL_TLS_SERVER, min_version, alpn)
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        # One is enough to come back with, and each costs the handshake an encryption and 250 bytes.
        context.num_tickets = 1
        leaves.append(_prove(context, identity, index, now))
        if client_ca is not None:
            context.verify_mode = ssl.CERT_OPTIONAL if client_certificate == "optional" else ssl.CERT_REQUIRED
            _trust(context, client_ca, "client_ca", now)
        contexts.append(context)
    first = contexts[0]
    if strict_sni or len(contexts) > 1:
        # Only where it decides something: it costs each handshake a call.
        first.sslobject_class = Asking
        first.sni_callback = choice([leaf.names for leaf in leaves], contexts, strict_sni)
    return Credentials(first, tuple(leaves))


def client_context(
    *,
    ca: str | None = None,
    verify: bool = True,
    identity: Identity | None = None,
    min_version: str = "1.2",
    alpn: Sequence[str] = (),
    now: float,
) -> Credentials:
    """What the connections to an upstream's endpoints are made with. `ca`: whom to trust, instead of those that the
    system does. `now`: Unix seconds.

    :raises CredentialError: a file will not do.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, min_version, alpn)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is None:
        trust_the_system(context)
    else:
        _trust(context, ca, "ca", now)
    if identity is None:
        return Credentials(context)
    return Credentials(context, (_prove(context, identity, 0, now),))


def _context(side: ssl._SSLMethod, min_version: str, alpn: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = _VERSIONS[min_version]
    context.set_ciphers(_CIPHERS)
    # A client may not make us begin anew (it costs us more than it); compression tells secrets by their length (CRIME).
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _prove(context: ssl.SSLContext, identity: Identity, index: int, now: float) -> CertificateFacts:
    """Loads an identity into a context, or says what is wrong with it."""
    path = identity.certificate
    chain = _certificates(path, "certificate", index)
    leaf = chain[0]
    for signed, signer in pairwise(chain):
        if signed.issuer != signer.subject:
            raise CredentialError(
                "certificate",
                index,
                f"the chain in {path} is not in order: {signer.subject} stands where the certificate of "
                f"{signed.issuer} belongs, which has signed the one before it",
            )
    key = _read(identity.private_key, "private_key", index)
    if b"PRIVATE KEY-----" not in key:
        only = "only a certificate" if has_certificate(key) else "no private key in PEM form"
        swapped = "; it belongs under `certificate`" if has_certificate(key) else ""
        raise CredentialError("private_key", index, f"there is {only} in {identity.private_key}{swapped}")
    _load(context, identity, index, chain)
    if leaf.not_after < now:
        raise CredentialError("certificate", index, f"the certificate in {path} has expired on {_day(leaf.not_after)}")
    if leaf.not_before > now:
        raise CredentialError(
            "certificate", index, f"the certificate in {path} is not valid before {_day(leaf.not_before)}"
        )
    return leaf


class _EncryptedError(Exception):
    """The key asks for a password."""


def _no_password() -> bytes:
    raise _EncryptedError


def _load(context: ssl.SSLContext, identity: Identity, index: int, chain: list[CertificateFacts]) -> None:
    certificate, key = identity.certificate, identity.private_key
    try:
        context.load_cert_chain(certificate, key, _no_password)
    except _EncryptedError:
        raise CredentialError(
            "private_key", index, f"the private key in {key} is encrypted, and nobody is there to give its password"
        ) from None
    except ssl.SSLError as fault:
        if fault.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            also = "" if len(chain) == 1 else ", which has to be the first in its file"
            raise CredentialError(
                "private_key",
                index,
                f"the private key in {key} does not belong to the certificate of {chain[0].subject} in {certificate}"
                + also,
            ) from None
        said = (fault.reason or "an error without a name").lower().replace("_", " ")
        raise CredentialError(
            "certificate", index, f"OpenSSL does not take the certificate in {certificate} with its key: {said}"
        ) from None
    except OSError as fault:  # gone since it was read
        raise CredentialError("certificate", index, f"{certificate} cannot be read: {_why(fault)}") from None


def _trust(context: ssl.SSLContext, path: str, field: str, now: float) -> None:
    authorities = _certificates(path, field, 0)
    if all(one.not_after < now for one in authorities):
        latest = max(one.not_after for one in authorities)
        raise CredentialError(field, 0, f"no certificate in {path} is valid any more since {_day(latest)}")
    # An intermediate, or the very certificate of an endpoint, may be all that is to be trusted.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, OSError) as fault:
        raise CredentialError(field, 0, f"{path} cannot be used: {_why(fault)}") from None


def _certificates(path: str, field: str, index: int) -> list[CertificateFacts]:
    text = _read(path, field, index)
    if not has_certificate(text):
        what, instead = "no certificate in PEM form", ""
        if b"PRIVATE KEY-----" in text:
            what = "only a private key"
            instead = "it belongs under `private_key`" if field == "certificate" else "name the authority's certificate"
        raise CredentialError(field, index, f"there is {what} in {path}{instead and f'; {instead}'}")
    try:
        return read_certificates(text)
    except ValueError as fault:
        raise CredentialError(field, index, f"a certificate in {path} cannot be read: {fault}") from None


def _read(path: str, field: str, index: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as fault:
        raise CredentialError(field, index, f"{path} cannot be read: {_why(fault)}") from None


def _why(fault: OSError) -> str:
    if isinstance(fault, ssl.SSLError):
        return (fault.reason or str(fault)).lower().replace("_", " ")
    return os.strerror(fault.errno) if fault.errno else str(fault)


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
