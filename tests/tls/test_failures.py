"""A handshake that fails is told by the same word and cause, whichever OpenSSL has made of it."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from sidecar.model.outcome import Cause
from sidecar.tls.contexts import Identity, client_context, server_context
from sidecar.tls.failures import TlsFailure, broken, client_failure, left, server_failure, truncated
from tests.doubles.certificates import (
    EXPIRED_DAYS,
    FUTURE_DAYS,
    Certificate,
    client_certificate,
    root,
    server_certificate,
    stranger,
)
from tests.tls.hands import End, shake

NOW = time.time()


def accepting(folder: Path, made: Certificate | None = None, *, asks: bool = False) -> ssl.SSLContext:
    """A server's context; `made` may be a certificate that no rules file could name."""
    files = server_certificate().write(folder)
    client_ca = root().write(folder, "client-ca") if asks else None
    context = server_context([Identity(files.certificate, files.private_key)], client_ca=client_ca, now=NOW).context
    if made is not None:
        bad = made.write(folder, "bad")
        context.load_cert_chain(bad.certificate, bad.private_key)
    return context


def trusting(folder: Path, made: Certificate | None = None) -> ssl.SSLContext:
    context = client_context(ca=root().write(folder), now=NOW).context
    if made is not None:
        files = made.write(folder, "client")
        context.load_cert_chain(files.certificate, files.private_key)
    return context


def faults(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> list[ssl.SSLError | None]:
    """What the two ends of a handshake raise, the server first."""
    ends = [End(server, True), End(client, False, name)]
    found: list[ssl.SSLError | None] = [None, None]
    for _ in range(4):
        for at in (1, 0):
            if found[at] is None:
                try:
                    if ends[at].step():
                        ends[at].read()
                except ssl.SSLError as fault:
                    found[at] = fault
            ends[1 - at].incoming.write(ends[at].outgoing.read())
    return found


def fault_of_server(server: ssl.SSLContext, client: ssl.SSLContext) -> TlsFailure:
    fault = faults(server, client)[0]
    assert fault is not None
    return server_failure(fault)


def fault_of_client(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> TlsFailure:
    fault = faults(server, client, name)[1]
    assert fault is not None
    return client_failure(fault, name)


def test_a_client_that_is_too_old_is_told_by_its_version(tmp_path: Path) -> None:
    server, client = accepting(tmp_path), trusting(tmp_path)
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert fault_of_server(server, client).word == "protocol_version"
    told = fault_of_client(server, client)
    assert told.cause is Cause.TLS_HANDSHAKE_FAILED
    assert "speaks no version of TLS that we do" in str(told)


def test_a_client_without_a_cipher_of_ours_is_told_by_that(tmp_path: Path) -> None:
    server, client = accepting(tmp_path), trusting(tmp_path)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("AES128-SHA")
    assert fault_of_server(server, client).word == "no_shared_cipher"
    assert "found nothing in common" in str(fault_of_client(server, client))


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (None, "client_certificate_missing"),
        (client_certificate(authority=stranger()), "client_certificate_untrusted"),
        (client_certificate(days=EXPIRED_DAYS), "client_certificate_expired"),
        (client_certificate(days=FUTURE_DAYS), "client_certificate_expired"),
    ],
)
def test_a_clients_certificate_is_missing_untrusted_or_expired(
    tmp_path: Path, made: Certificate | None, word: str
) -> None:
    told = fault_of_server(accepting(tmp_path, asks=True), trusting(tmp_path, made))
    assert told.word == word
    assert str(told).startswith("the client")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "wants a certificate of us"),
        (client_certificate(authority=stranger()), "does not trust the authority of our certificate"),
        (client_certificate(days=EXPIRED_DAYS), "says that our certificate has expired"),
    ],
)
def test_an_endpoint_that_refuses_our_certificate_says_why_once_it_stands(
    tmp_path: Path, made: Certificate | None, said: str
) -> None:
    told = fault_of_client(accepting(tmp_path, asks=True), trusting(tmp_path, made))
    assert said in str(told)
    assert told.cause is Cause.TLS_HANDSHAKE_FAILED


def test_a_client_that_refuses_our_certificate_is_a_failure_with_its_words(tmp_path: Path) -> None:
    server = accepting(tmp_path, server_certificate(authority=stranger()))
    told = fault_of_server(server, trusting(tmp_path))
    assert told.word == "failed"
    assert "does not trust the authority of our certificate" in str(told)


@pytest.mark.parametrize(
    ("made", "cause", "said"),
    [
        (server_certificate(days=EXPIRED_DAYS), Cause.CERTIFICATE_EXPIRED, "its certificate has expired"),
        (server_certificate(days=FUTURE_DAYS), Cause.CERTIFICATE_EXPIRED, "not valid yet"),
        (server_certificate("other.test"), Cause.CERTIFICATE_WRONG_NAME, "not for localhost"),
        (server_certificate(authority=stranger()), Cause.CERTIFICATE_UNTRUSTED, "nobody trusted"),
        (client_certificate(), Cause.CERTIFICATE_UNTRUSTED, "is not trusted: "),
    ],
)
def test_an_endpoints_certificate_is_expired_of_another_name_or_untrusted(
    tmp_path: Path, made: Certificate, cause: Cause, said: str
) -> None:
    told = fault_of_client(accepting(tmp_path, made), trusting(tmp_path))
    assert (told.cause, told.word) == (cause, cause.value)
    assert said in str(told)


def test_an_address_is_a_name_too(tmp_path: Path) -> None:
    told = fault_of_client(accepting(tmp_path), trusting(tmp_path), "10.0.0.1")
    assert told.cause is Cause.CERTIFICATE_WRONG_NAME


def test_a_root_that_is_sent_is_not_trusted_for_that(tmp_path: Path) -> None:
    made = server_certificate(authority=stranger())
    sent = type(made)(made.pem, stranger().pem, made.key)
    told = fault_of_client(accepting(tmp_path, sent), trusting(tmp_path))
    assert told.cause is Cause.CERTIFICATE_UNTRUSTED
    assert "root that is not trusted" in str(told)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.test ESMTP\r\n", b"-ERR unknown\r\n"])
def test_an_endpoint_that_does_not_speak_tls_is_told_so(tmp_path: Path, said: bytes) -> None:
    end = End(trusting(tmp_path), False, "localhost")
    end.step()
    end.incoming.write(said)
    with pytest.raises(ssl.SSLError) as fault:
        end.step()
    assert str(client_failure(fault.value, "localhost")) == "the endpoint does not speak TLS"


def test_a_client_that_sends_nonsense_fails_with_openssls_word(tmp_path: Path) -> None:
    end = End(accepting(tmp_path), True)
    end.incoming.write(b"\x16\x03\x01\x00\x05hello")
    with pytest.raises(ssl.SSLError) as fault:
        end.step()
    told = server_failure(fault.value)
    assert told.word == "failed"
    assert "the client sent what OpenSSL calls" in str(told)


def test_ends_without_an_error_of_openssl_have_their_sentences() -> None:
    assert left("app.test").cause is Cause.TLS_HANDSHAKE_FAILED
    assert "app.test" in str(left("app.test"))
    assert "close_notify" in str(truncated())


def test_a_record_that_cannot_be_read_breaks_an_established_connection(tmp_path: Path) -> None:
    ours, _ = shake(accepting(tmp_path), trusting(tmp_path))
    ours.incoming.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ssl.SSLError) as fault:
        ours.read()
    told = broken(fault.value)
    assert isinstance(told, OSError)
    assert str(told).startswith("TLS failed: the peer sent what OpenSSL calls ")


def test_an_alert_that_has_no_sentence_is_told_by_its_name(tmp_path: Path) -> None:
    end = End(trusting(tmp_path), False, "localhost")
    end.step()
    end.incoming.write(bytes((21, 3, 3, 0, 2, 2, 51)))  # decrypt_error
    with pytest.raises(ssl.SSLError) as fault:
        end.step()
    assert str(client_failure(fault.value, "")).endswith("the endpoint says decrypt error")
