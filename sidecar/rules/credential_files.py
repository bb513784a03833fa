"""Which files with certificates and keys the rules name, and under which keys. Opens none of them."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.rules.listener_tls import ListenerTls
from sidecar.rules.schema import RuleSet
from sidecar.rules.upstream_tls import UpstreamTls


def credential_files(rules: RuleSet) -> Iterator[tuple[str, str]]:
    """Each as the dotted path of its key and the path of the file; a file may be named more than once."""
    for listener in rules.listeners:
        if listener.tls is not None:
            yield from of_listener(listener.tls, f"listeners.{listener.name}.tls")
    for upstream in rules.upstreams.values():
        if upstream.tls is not None:
            yield from of_upstream(upstream.tls, f"upstreams.{upstream.name}.tls")


def of_listener(tls: ListenerTls, key: str) -> Iterator[tuple[str, str]]:
    """Those of one listener; `key` is where its TLS is written."""
    yield f"{key}.certificate", tls.certificate
    yield f"{key}.private_key", tls.private_key
    for index, pair in enumerate(tls.certificates):
        yield f"{key}.certificates.{index}.certificate", pair.certificate
        yield f"{key}.certificates.{index}.private_key", pair.private_key
    if tls.client_ca is not None:
        yield f"{key}.client_ca", tls.client_ca


def of_upstream(tls: UpstreamTls, key: str) -> Iterator[tuple[str, str]]:
    """Those of one upstream; `key` is where its TLS is written."""
    for name, path in (("ca", tls.ca), ("certificate", tls.certificate), ("private_key", tls.private_key)):
        if path is not None:
            yield f"{key}.{name}", path
