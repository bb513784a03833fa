"""Certificates and keys towards upstreams, from the files that the rules name to what connections are made with.

Owns what is wrong with them and at which key, and that unchanged ones make no other context: upstreams that say the
same share one, and it lives on over reloads, and with it the connections that were made under it. The system's
authorities are read when a context is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sidecar.app.credentials import ANY_TIME, as_files, digests, ends_soon, unreadable_files
from sidecar.rules.credential_files import of_upstream
from sidecar.rules.findings import Finding, Read
from sidecar.rules.load import Loaded
from sidecar.rules.schema import RuleSet, UpstreamRule
from sidecar.rules.upstream_tls import SECURE, UpstreamTls
from sidecar.tls.contexts import CredentialError, Credentials, Identity, client_context
from sidecar.tls.system import trusts_nobody

_DEFAULT = UpstreamTls()
_NOBODY = (
    "these are verified by the certificate authorities of the system, and it has none where any keeps them: install "
    "them (Debian: apt-get install ca-certificates), or name a file of them as tls.ca or in SSL_CERT_FILE"
)


@dataclass(frozen=True, slots=True)
class SecuredUpstream:
    """What an upstream's endpoints are spoken TLS with. `made_from` tells whether other rules or files would make the
    same; `server_name` is what their certificates must be for, None for each endpoint's own host."""

    made_from: object
    credentials: Credentials
    server_name: str | None


def secured_upstreams(loaded: Loaded, before: Mapping[str, SecuredUpstream]) -> dict[str, SecuredUpstream]:
    """What each upstream with endpoints that speak TLS does so with, by its name; contexts of `before` are kept where
    they would be the same.

    :raises OSError: the files were changed under the hands that read them; they are about to be read again."""
    made = {one.made_from: one.credentials for one in before.values()}
    found: dict[str, SecuredUpstream] = {}
    with as_files(loaded.credentials) as path_of:
        for name, rule in loaded.rules.upstreams.items():
            tls = tls_of(rule)
            if tls is None:
                continue
            made_from = _made_from(tls, loaded.credentials)
            if made_from not in made:
                ca, certificate, private_key = [
                    None if path is None else path_of(path) for path in (tls.ca, tls.certificate, tls.private_key)
                ]
                try:
                    made[made_from] = _credentials(tls, ca, certificate, private_key, ANY_TIME)
                except CredentialError as error:
                    raise OSError(f"upstream {name}: {error.field}: {error}") from error
            found[name] = SecuredUpstream(made_from, made[made_from], tls.server_name)
    return found


def upstream_findings(rules: RuleSet, read: Read, now: float) -> Iterator[Finding]:
    """What is wrong with the certificates and keys of upstreams, or will be soon; `now` in Unix seconds."""
    for name, rule in rules.upstreams.items():
        tls = tls_of(rule)
        if tls is not None and tls.verify and tls.ca is None and trusts_nobody():
            yield Finding(f"upstreams.{name}.endpoints", _NOBODY, "refused")
        tls = rule.tls
        if tls is None or (tls.ca is None and tls.certificate is None):
            continue
        key = f"upstreams.{name}.tls"
        unreadable = list(unreadable_files(of_upstream(tls, key), read))
        yield from unreadable
        if unreadable:
            continue
        try:
            # The system's authorities are not the rules' to answer for, and take their time to read.
            named = tls if tls.ca is not None else replace(tls, verify=False)
            credentials = _credentials(named, tls.ca, tls.certificate, tls.private_key, now)
        except CredentialError as error:
            yield Finding(f"{key}.{error.field}", str(error))
            continue
        for facts in credentials.certificates:
            yield from ends_soon(f"{key}.certificate", facts, now)


def tls_of(rule: UpstreamRule) -> UpstreamTls | None:
    """How TLS is spoken to the upstream's endpoints; None where none of them speaks it."""
    if not any(endpoint.url.scheme in SECURE for endpoint in rule.endpoints):
        return None
    return rule.tls or _DEFAULT


def _credentials(
    tls: UpstreamTls, ca: str | None, certificate: str | None, private_key: str | None, now: float
) -> Credentials:
    identity = None if certificate is None or private_key is None else Identity(certificate, private_key)
    return client_context(ca=ca, verify=tls.verify, identity=identity, min_version=tls.min_version, now=now)


def _made_from(tls: UpstreamTls, contents: Mapping[str, bytes]) -> object:
    held = digests((tls.ca, tls.certificate, tls.private_key), contents)
    return (*held, tls.verify, tls.min_version)
