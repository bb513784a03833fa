"""Listeners with TLS as their examples are written; what backends are told of clients; where certificates show."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sidecar.app.surroundings import examined
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.tls.client_certificate import forwarded
from tests.doubles.backend import Backend
from tests.doubles.certificates import Certificate, client_certificate, renewed, root, server_certificate
from tests.doubles.process import process
from tests.doubles.running import EXAMPLES, rules_text, running
from tests.doubles.tls import NAME, dial, terms, trusting, visit

FORGED = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: Hash=forged\r\n\r\n"


def example(name: str, folder: Path, url: str, *also: str) -> Loaded:
    """The example as `sidecar run` would load it, with the files that it names in this folder; `also`: other upstreams
    whose endpoint the backend is."""
    sets = (*(f"upstreams.{upstream}.endpoints={url}" for upstream in ("app", *also)), "log.access=off")
    given = Given((), "127.0.0.1:0", "127.0.0.1:0", sets, {"CERTS": str(folder)}, examine=examined)
    return load_text((EXAMPLES / f"{name}.yaml").read_text(), f"{name}.yaml", given).to_run()


def is_new(worker: dict[str, Any], before: int) -> bool:
    """Whether it serves, as another process than before."""
    return worker["phase"] == "serving" and bool(worker["pid"] != before)


def put(certificate: Certificate, folder: Path, name: str) -> None:
    """As the examples call it: `name.crt` and `name.key`."""
    files = certificate.write(folder, name)
    Path(files.certificate).rename(folder / f"{name}.crt")


async def test_clients_are_served_over_tls_and_the_backend_is_told_so(tmp_path: Path) -> None:
    put(server_certificate(NAME), tmp_path, "tls")
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, running(given=example("tls", tmp_path, backend.url)) as proxy:
        async with await dial(proxy.port, context) as peer:
            assert [(await peer.get()).status for _ in range(3)] == [200, 200, 200]
        assert len(backend.connections) == 1
        request = backend.requests[0]
        assert (request.get("x-forwarded-proto"), request.get("x-forwarded-client-cert")) == (b"https", None)


async def test_only_who_shows_a_certificate_gets_in_and_the_backend_is_told_who_it_is(tmp_path: Path) -> None:
    put(server_certificate(NAME), tmp_path, "tls")
    ca = root().write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(root().pem)
    mine = client_certificate("payments", uris=("spiffe://shop/payments",))
    context = trusting(ca, mine.write(tmp_path, "mine"))
    async with Backend() as backend, running(given=example("mtls", tmp_path, backend.url)) as proxy:
        async with await dial(proxy.port, context) as peer:
            assert (await peer.ask(FORGED)).status == 200
        told = backend.requests[0].all("x-forwarded-client-cert")
        assert told == [b'Hash=%s;Subject="CN=payments";URI=spiffe://shop/payments' % mine.fingerprint.encode()]
        with pytest.raises(OSError, match=r".*"):
            await visit(proxy.port, trusting(ca))
        assert len(backend.requests) == 1
        assert proxy.stats.listener("public").handshakes == {"ok": 1, "client_certificate_missing": 1}


async def test_each_name_is_shown_its_own_certificate(tmp_path: Path) -> None:
    shop, api = server_certificate("shop.example.com"), server_certificate("api.example.com", "*.api.example.com")
    put(shop, tmp_path, "shop")
    put(api, tmp_path, "api")
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, running(given=example("tls-several-names", tmp_path, backend.url, "api")) as proxy:
        names = ("shop.example.com", "api.example.com", "v2.api.example.com")
        seen = [(await visit(proxy.port, context, name=name)).fingerprint for name in names]
        assert seen == [shop.fingerprint, api.fingerprint, api.fingerprint]
        with pytest.raises(OSError, match=r".*"):
            await visit(proxy.port, context, name="other.example.com")
        assert proxy.stats.listener("public").handshakes["unknown_name"] == 1


async def test_what_a_client_says_of_a_certificate_is_believed_nowhere() -> None:
    # Not even of a proxy that is trusted with everything else: it may not have checked it.
    trusted = "trusted_proxies: 127.0.0.0/8"
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=trusted)) as proxy:
        async with proxy.peer() as peer:
            await peer.ask(FORGED)
            head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            await peer.ask(head + b"1\r\na\r\n0\r\nX-Forwarded-Client-Cert: Hash=forged\r\n\r\n")
        assert not any(b"forged" in request.raw for request in backend.requests)
        assert len(backend.requests) == 2


async def test_without_a_certificate_of_the_client_none_is_told(tmp_path: Path) -> None:
    ca = root().write(tmp_path)
    optional = ("client_certificate: optional", "forward_client_certificate: true")
    rules = terms(server_certificate(NAME).write(tmp_path), f"client_ca: {ca}", *optional)
    shows = trusting(ca, client_certificate().write(tmp_path, "mine"))
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=rules)) as proxy:
        for context in (trusting(ca), shows):
            async with await dial(proxy.port, context) as peer:
                assert (await peer.ask(FORGED)).status == 200
        der = client_certificate().x509.public_bytes(Encoding.DER)
        assert [request.get("x-forwarded-client-cert") for request in backend.requests] == [None, forwarded(der)]


async def test_certificates_and_handshakes_show_in_status_and_metrics(tmp_path: Path) -> None:
    certificate = server_certificate(NAME, "b.test")
    rules = terms(certificate.write(tmp_path), "min_version: '1.3'")
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=rules)) as proxy:
        first = await visit(proxy.port, context)
        await visit(proxy.port, context, first.session)
        told = (await proxy.status())["listeners"][0]["tls"]
        assert (told["min_version"], told["client_certificate"]) == ("1.3", "none")
        assert told["handshakes"] == {"ok": 1, "resumed": 1}
        (shown,) = told["certificates"]
        assert (shown["names"], shown["fingerprint"]) == ([NAME, "b.test"], certificate.fingerprint)
        ends = certificate.x509.not_valid_after_utc.timestamp()
        assert shown["not_after"] == ends
        page = (await proxy.admin("GET", "/metrics")).body.decode()
        sample = f'sidecar_tls_certificate_expiry_timestamp_seconds{{name="{NAME}",owner="listener.public"}} '
        assert float(page.partition(sample)[2].partition("\n")[0]) == ends
        assert 'sidecar_tls_handshakes_total{listener="public",result="resumed"} 1' in page


async def test_sessions_live_on_over_a_reload_that_leaves_the_files_as_they_are(tmp_path: Path) -> None:
    rules = terms(server_certificate(NAME).write(tmp_path))
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=rules)) as proxy:
        first = await visit(proxy.port, context)
        async with await dial(proxy.port, context) as stays:
            await proxy.adopt(rules_text(backend.url, listener=rules, route="retry: null"))
            assert (await visit(proxy.port, context, first.session)).resumed
            newest = renewed(NAME)
            newest.write(tmp_path)
            await proxy.adopt(rules_text(backend.url, listener=rules))
            again = await visit(proxy.port, context, first.session)
            assert (again.resumed, again.fingerprint) == (False, newest.fingerprint)
            assert (await stays.get()).status == 200


async def test_from_plaintext_to_tls_and_back_at_the_same_address(tmp_path: Path) -> None:
    secure = terms(server_certificate(NAME).write(tmp_path))
    context = trusting(root().write(tmp_path))
    async with Backend() as backend, running(rules=rules_text(backend.url)) as proxy, proxy.peer() as plain:
        assert (await plain.get()).status == 200
        await proxy.adopt(rules_text(backend.url, listener=secure))
        assert (await visit(proxy.port, context)).answer.startswith(b"HTTP/1.1 200 ")
        assert (await plain.get()).status == 200
        await proxy.adopt(rules_text(backend.url))
        assert (await proxy.ask()).status == 200
        assert (await proxy.status())["listeners"][0]["tls"] is None


@pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")
async def test_workers_tell_once_of_a_certificate_that_ends_and_come_back_with_the_pair_in_force(
    tmp_path: Path,
) -> None:
    certificate = server_certificate(NAME, days=(-1.0, 3.5))
    files = certificate.write(tmp_path)
    file = tmp_path / "rules.yaml"
    context = trusting(root().write(tmp_path))
    async with Backend() as backend:
        file.write_text(rules_text(backend.url, listener=terms(files)))
        async with process(rules=file, workers=2) as proxy:
            Path(files.private_key).write_text("half a ke")
            await proxy.said('"event": *"certificate", "subject": "listener.public"')
            refused = await proxy.admin("POST", "/reload")
            assert (refused.status, b"no private key" in refused.body) == (422, True)
            pid = (await proxy.status())["workers"][0]["pid"]
            os.kill(pid, signal.SIGKILL)
            await proxy.until(lambda told: is_new(told["workers"][0], pid))
            seen = {(await visit(proxy.port, context)).fingerprint for _ in range(8)}
            assert seen == {certificate.fingerprint}
            assert sum("ends in 3 days" in line and "sidecar.events" in line for line in proxy.lines) == 1
