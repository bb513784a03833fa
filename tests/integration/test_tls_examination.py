"""What an examiner looks for on a TLS port: every version, suite, curve and trick that must not work is tried.

Some classics need no trial of their own. ROBOT needs RSA key exchange, Logjam and FREAK need DHE or export suites,
BEAST and Lucky 13 need CBC, SWEET32 needs 3DES: that none of these is spoken is seen by offering every suite.
Heartbleed needs the heartbeat, which is not agreed to; CRIME needs compression, DROWN needs SSL 2, POODLE needs SSL 3.
There is no OCSP response to be stale: none is stapled, and RFC 6960 leaves asking to clients.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509

from tests.doubles.backend import Backend
from tests.doubles.certificates import (
    EXPIRED_DAYS,
    Certificate,
    client_certificate,
    root,
    server_certificate,
    stranger,
)
from tests.doubles.client_hello import (
    CIPHERS,
    FALLBACK,
    HEARTBEAT,
    RENEGOTIATION_INFO,
    SSL3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    TLS13_CIPHERS,
    Refusal,
    ServerHello,
    accepted,
    offer,
    said,
)
from tests.doubles.running import RunningProxy, rules_text, running
from tests.doubles.servers import ended, require
from tests.doubles.tls import NAME, dial, terms, trusting, visit

# The only suites of TLS 1.2 with forward secrecy and authenticated encryption, by the kind of the certificate's key.
STRONG = {"p256": {0xC02B, 0xC02C, 0xCCA9}, "rsa": {0xC02F, 0xC030, 0xCCA8}}
SSL2_HELLO = bytes.fromhex("802e0100020015000000100100800300800700c00600400200800400800000") + bytes(17)
# SSL 3 has no word for a version that is too old.
TOO_OLD = {"protocol_version", "handshake_failure"}
BOTH = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@asynccontextmanager
async def examined(
    folder: Path, tls: str = "", *others: Certificate, kind: str = "p256"
) -> AsyncIterator[RunningProxy]:
    """A proxy with a TLS listener: its certificate is for `NAME`; `others` are chosen by the name that is asked for."""
    files = server_certificate(NAME, kind=kind).write(folder)
    more = [tls] if tls else []
    written = [one.write(folder, f"other-{number}") for number, one in enumerate(others)]
    if written:
        each = ", ".join(f"{{certificate: {one.certificate}, private_key: {one.private_key}}}" for one in written)
        more.append(f"certificates: [{each}]")
    root().write(folder)
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=terms(files, *more))) as proxy:
        yield proxy


def _alert(answer: ServerHello | Refusal) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.alert


def _hello(answer: ServerHello | Refusal) -> ServerHello:
    assert isinstance(answer, ServerHello), answer
    return answer


def _ca(folder: Path) -> str:
    return str(folder / "ca.pem")


async def test_no_version_before_the_minimum_is_spoken(tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        for version in (SSL3, TLS10, TLS11):
            assert _alert(await offer(proxy.port, version)) in TOO_OLD, hex(version)
        assert _hello(await offer(proxy.port, TLS12)).version == TLS12
        assert _hello(await offer(proxy.port, TLS13, ciphers=TLS13_CIPHERS)).version == TLS13


async def test_with_a_minimum_of_1_3_not_even_1_2_is_spoken(tmp_path: Path) -> None:
    async with examined(tmp_path, "min_version: '1.3'") as proxy:
        for version in (SSL3, TLS10, TLS11, TLS12):
            assert _alert(await offer(proxy.port, version)) in TOO_OLD, hex(version)
        assert _hello(await offer(proxy.port, TLS13, ciphers=TLS13_CIPHERS)).version == TLS13


async def test_ssl_2_is_not_understood(tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        answer = await said(proxy.port, SSL2_HELLO)
        assert isinstance(answer, Refusal)
        assert answer.alert == "protocol_version" or answer.data[:12] in {b"", b"HTTP/1.1 400"}


@pytest.mark.parametrize("kind", ["p256", "rsa"])
async def test_of_every_suite_there_ever_was_only_the_strong_ones_are_spoken(kind: str, tmp_path: Path) -> None:
    async with examined(tmp_path, kind=kind) as proxy:
        assert await accepted(proxy.port, TLS12, CIPHERS) == STRONG[kind]
        assert await accepted(proxy.port, TLS13, TLS13_CIPHERS) == {0x1301, 0x1302, 0x1303}


async def test_weak_curves_and_signatures_with_sha1_are_refused(tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        assert _alert(await offer(proxy.port, groups=(1, 2, 3, 15, 16, 17, 18, 19, 21))) == "handshake_failure"
        assert _alert(await offer(proxy.port, signatures=(0x0201, 0x0203))) == "handshake_failure"


async def test_compression_and_the_heartbeat_are_not_agreed_to_and_renegotiation_is_told_to_be_secure(
    tmp_path: Path,
) -> None:
    async with examined(tmp_path) as proxy:
        told = _hello(await offer(proxy.port, compressions=b"\x01\0", extensions={HEARTBEAT: b"\x01"}))
        assert told.compression == 0
        assert HEARTBEAT not in told.extensions
        assert told.extensions[RENEGOTIATION_INFO] == b"\0"


async def test_a_hello_that_was_forced_down_to_1_2_is_noticed(tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        assert _alert(await offer(proxy.port, TLS12, ciphers=(*CIPHERS, FALLBACK))) == "inappropriate_fallback"


async def test_a_client_may_not_renegotiate(tmp_path: Path) -> None:
    openssl = require("openssl")
    async with examined(tmp_path) as proxy:
        command = [openssl, "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-tls1_2", "-CAfile", _ca(tmp_path)]
        told = await ended(*command, given=b"R\n")
        assert "RENEGOTIATING" in told.text
        assert "no renegotiation" in told.text


async def test_a_hello_in_a_hundred_records_is_read_and_a_record_that_is_too_large_is_not(tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        assert _hello(await offer(proxy.port, size=16)).version == TLS12
        answer = await said(proxy.port, b"\x16\x03\x01\x50\x00" + bytes(0x5000))
        assert _alert(answer) in {"record_overflow", ""}


async def test_the_chain_is_sent_whole_in_order_and_without_its_root(tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        told = _hello(await offer(proxy.port))
        chain = [x509.load_der_x509_certificate(one) for one in told.certificates]
        assert len(chain) == 2
        assert chain[0] == server_certificate(NAME).x509
        for below, above in zip(chain, [*chain[1:], root().certificate], strict=True):
            below.verify_directly_issued_by(above)


@pytest.mark.parametrize("version", BOTH)
async def test_a_client_that_comes_back_resumes_its_session(version: ssl.TLSVersion, tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        context = trusting(_ca(tmp_path), version=version)
        first = await visit(proxy.port, context)
        second = await visit(proxy.port, context, first.session)
        assert (first.resumed, second.resumed) == (False, True)
        assert first.answer[:15] == second.answer[:15] == b"HTTP/1.1 200 OK"
        assert first.version == second.version == version.name.replace("_", ".")


async def test_what_is_sent_before_the_handshake_is_done_is_not_taken(tmp_path: Path) -> None:
    # Early data can be replayed by whoever has seen it.
    openssl = require("openssl")
    early, session = tmp_path / "early", tmp_path / "session"
    early.write_bytes(b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
    async with examined(tmp_path) as proxy:
        command = [openssl, "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-tls1_3", "-CAfile", _ca(tmp_path)]
        request = f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode()
        first = await ended(*command, "-ign_eof", "-sess_out", str(session), given=request)
        assert "Max Early Data: 0" in first.text
        again = await ended(*command, "-ign_eof", "-sess_in", str(session), "-early_data", str(early), given=request)
        assert "Early data was not sent" in again.text
        assert "Reused, TLSv1.3" in again.text


async def test_http_1_1_is_agreed_on_by_alpn(tmp_path: Path) -> None:
    async with examined(tmp_path) as proxy:
        context = trusting(_ca(tmp_path), alpn=("h2", "http/1.1"))
        async with await dial(proxy.port, context) as peer:
            found = peer.writer.get_extra_info("ssl_object")
            assert found.selected_alpn_protocol() == "http/1.1"
            assert (await peer.get()).status == 200


async def test_the_certificate_is_chosen_by_the_name_that_is_asked_for(tmp_path: Path) -> None:
    other, wild = server_certificate("other.test"), server_certificate("*.wild.test")
    async with examined(tmp_path, "", other, wild) as proxy:
        for name, expected in ((NAME, server_certificate(NAME)), ("other.test", other), ("A.wild.test", wild)):
            async with await dial(proxy.port, trusting(_ca(tmp_path)), name) as peer:
                shown = peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                assert x509.load_der_x509_certificate(shown) == expected.x509
                assert (await peer.get()).status == 200
        unknown = _hello(await offer(proxy.port, name="nobody.test"))
        assert x509.load_der_x509_certificate(unknown.certificates[0]) == server_certificate(NAME).x509


async def test_under_strict_sni_a_name_that_nobody_has_is_refused_by_its_alert(tmp_path: Path) -> None:
    async with examined(tmp_path, "strict_sni: true") as proxy:
        assert _alert(await offer(proxy.port, name="nobody.test")) == "unrecognized_name"
        assert _alert(await offer(proxy.port, TLS13, ciphers=TLS13_CIPHERS, name="nobody.test")) == "unrecognized_name"
        assert _hello(await offer(proxy.port, name=NAME)).version == TLS12
        assert _hello(await offer(proxy.port)).version == TLS12


WHY = {
    "client_certificate_missing": "the client shows no certificate",
    "client_certificate_untrusted": "the client's certificate is not trusted: ",
    "client_certificate_expired": "the client's certificate is not valid now: certificate has expired",
}
CLIENTS: dict[str, Certificate | None] = {
    "client_certificate_missing": None,
    "client_certificate_untrusted": client_certificate(authority=stranger()),
    "client_certificate_expired": client_certificate(days=EXPIRED_DAYS),
}


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("word", CLIENTS)
async def test_a_client_without_a_good_certificate_is_refused_and_the_log_says_why(
    word: str, version: ssl.TLSVersion, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = CLIENTS[word]
    async with examined(tmp_path, f"client_ca: {root().write(tmp_path)}") as proxy:
        bad = trusting(_ca(tmp_path), shown.write(tmp_path, "bad") if shown else None, version=version)
        with pytest.raises(OSError, match=r"alert|reset|closed|EOF|Broken pipe"):
            await visit(proxy.port, bad)
        good = trusting(_ca(tmp_path), client_certificate().write(tmp_path, "good"), version=version)
        assert (await visit(proxy.port, good)).answer.startswith(b"HTTP/1.1 200 ")
        metrics = (await proxy.admin("GET", "/metrics")).body.decode()
        assert f'sidecar_tls_handshakes_total{{listener="public",result="{word}"}} 1.0' in metrics
        assert 'sidecar_tls_handshakes_total{listener="public",result="ok"} 1.0' in metrics
    lines = [record.getMessage() for record in caplog.records if record.name == "sidecar.tls"]
    assert len(lines) == 1
    assert lines[0].startswith(f"listener public: no TLS with 127.0.0.1: {WHY[word]}")
