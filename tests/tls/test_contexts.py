"""Contexts are made of files that will do, and say of the others what is wrong with them."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from sidecar.tls.certificates import read_certificates
from sidecar.tls.contexts import Asking, CredentialError, Credentials, Identity, client_context, server_context
from tests.doubles.certificates import (
    EXPIRED_DAYS,
    FUTURE_DAYS,
    Certificate,
    client_certificate,
    intermediate,
    root,
    server_certificate,
    stranger,
)
from tests.tls.hands import End, contexts, shake

NOW = time.time()


def identity(folder: Path, made: Certificate, name: str = "server") -> Identity:
    files = made.write(folder, name)
    return Identity(files.certificate, files.private_key)


def server(folder: Path, *names: str, strict: bool = False, **options: str) -> Credentials:
    """One identity for each name."""
    identities = [identity(folder, server_certificate(name), f"server-{at}") for at, name in enumerate(names)]
    return server_context(
        identities or [identity(folder, server_certificate())],
        now=NOW,
        strict_sni=strict,
        min_version=options.get("min_version", "1.2"),
        client_ca=options.get("client_ca"),
        client_certificate=options.get("client_certificate", "required"),
    )


def client(folder: Path, *, made: Certificate | None = None, min_version: str = "1.2") -> Credentials:
    proof = None if made is None else identity(folder, made, "client")
    return client_context(ca=root().write(folder), identity=proof, min_version=min_version, now=NOW)


def test_the_two_sides_agree_on_the_best_version_and_the_protocol(tmp_path: Path) -> None:
    trusting = client_context(ca=root().write(tmp_path), alpn=("h2", "http/1.1"), now=NOW)
    ours, theirs = shake(server(tmp_path).context, trusting.context)
    assert ours.object.version() == "TLSv1.3"
    assert theirs.object.selected_alpn_protocol() == ours.object.selected_alpn_protocol() == "http/1.1"


def test_the_facts_are_those_of_the_leaves(tmp_path: Path) -> None:
    made = server(tmp_path, "one.test", "two.test")
    assert [leaf.names for leaf in made.certificates] == [("one.test",), ("two.test",)]
    assert client(tmp_path).certificates == ()
    assert client(tmp_path, made=client_certificate("worker")).certificates[0].names == ("worker",)


def test_an_rsa_key_will_do(tmp_path: Path) -> None:
    made = server_context([identity(tmp_path, server_certificate(kind="rsa"))], now=NOW)
    ours, _ = shake(*contexts(made, client(tmp_path)))
    assert ours.object.cipher() is not None


def test_certificate_and_key_may_be_one_file(tmp_path: Path) -> None:
    made = server_certificate()
    both = tmp_path / "both.pem"
    both.write_bytes(made.private_key + made.pem + made.chain)
    assert server_context([Identity(str(both), str(both))], now=NOW).certificates[0].names[0] == "localhost"


def test_the_lowest_version_is_kept(tmp_path: Path) -> None:
    old = client(tmp_path).context
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(server(tmp_path, min_version="1.3").context, old, "localhost")
    ours, _ = shake(server(tmp_path).context, old)
    assert ours.object.version() == "TLSv1.2"


def test_tls_1_2_keeps_ciphers_with_forward_secrecy_and_authenticated_encryption_only(tmp_path: Path) -> None:
    old = [one for one in server(tmp_path).context.get_ciphers() if one["protocol"] == "TLSv1.2"]
    assert old
    assert all(one["name"].startswith("ECDHE-") and one["aead"] for one in old)


def test_nobody_may_renegotiate_or_compress(tmp_path: Path) -> None:
    for made in (server(tmp_path), client(tmp_path)):
        assert made.context.options & ssl.OP_NO_RENEGOTIATION
        assert made.context.options & ssl.OP_NO_COMPRESSION
    assert server(tmp_path).context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_is_good_where_it_was_given_and_nowhere_else(tmp_path: Path, version: ssl.TLSVersion) -> None:
    first, second, trusting = server(tmp_path).context, server(tmp_path).context, client(tmp_path).context
    trusting.maximum_version = version
    _, theirs = shake(first, trusting)
    for accepting, taken in ((second, False), (first, True)):
        ours, back = End(accepting, True), End(trusting, False)
        back.object = trusting.wrap_bio(
            back.incoming, back.outgoing, server_hostname="localhost", session=theirs.object.session
        )
        while not back.step():
            ours.incoming.write(back.outgoing.read())
            ours.step()
            back.incoming.write(ours.outgoing.read())
        assert back.object.session_reused is taken


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("one.test", "one.test"), ("two.test", "two.test"), ("other.test", "one.test"), (None, "one.test")],
)
def test_the_name_that_is_asked_for_chooses_the_certificate(tmp_path: Path, asked: str | None, shown: str) -> None:
    trusting = client(tmp_path).context
    trusting.check_hostname = False
    ours, theirs = shake(server(tmp_path, "one.test", "two.test").context, trusting, asked)
    der = theirs.object.getpeercert(binary_form=True)
    assert der is not None
    assert read_certificates(ssl.DER_cert_to_PEM_cert(der).encode())[0].names == (shown,)
    assert isinstance(ours.object, Asking)
    assert ours.object.asked == asked


def test_a_name_that_nobody_has_is_refused_where_names_are_strict(tmp_path: Path) -> None:
    accepting, trusting = server(tmp_path, "one.test", strict=True).context, client(tmp_path).context
    ours, theirs = End(accepting, True), End(trusting, False, "other.test")
    theirs.step()
    ours.incoming.write(theirs.outgoing.read())
    with pytest.raises(ssl.SSLError, match="CALLBACK_FAILED"):
        ours.step()
    assert ours.outgoing.read()[-2:] == bytes((2, 112))  # fatal, unrecognized_name
    trusting.check_hostname = False
    shake(accepting, trusting, None)
    shake(accepting, trusting, "one.test")


def test_each_name_asks_for_the_same_certificate_of_its_clients(tmp_path: Path) -> None:
    accepting = server(tmp_path, "one.test", "two.test", client_ca=root().write(tmp_path, "client-ca")).context
    ours, _ = shake(accepting, client(tmp_path, made=client_certificate()).context, "two.test")
    assert ours.object.getpeercert(binary_form=True)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake(accepting, client(tmp_path).context, "two.test")


def test_a_certificate_of_the_client_may_be_optional_and_is_checked_all_the_same(tmp_path: Path) -> None:
    accepting = server(tmp_path, client_ca=root().write(tmp_path, "client-ca"), client_certificate="optional").context
    ours, _ = shake(accepting, client(tmp_path).context)
    assert ours.object.getpeercert() is None
    unknown = client_certificate(authority=stranger())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(accepting, client(tmp_path, made=unknown).context)


def test_an_endpoint_of_another_name_or_authority_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server(tmp_path).context, client(tmp_path).context, "other.test")
    strange = server_context([identity(tmp_path, server_certificate(authority=stranger()))], now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(*contexts(strange, client(tmp_path)))


def test_nothing_is_checked_without_verify(tmp_path: Path) -> None:
    careless = client_context(verify=False, now=NOW).context
    strange = server_context([identity(tmp_path, server_certificate(authority=stranger()))], now=NOW)
    ours, _ = shake(strange.context, careless, "anything.test")
    assert ours.object.version() == "TLSv1.3"


def test_an_intermediate_may_be_all_that_is_trusted(tmp_path: Path) -> None:
    trusting = client_context(ca=intermediate().write(tmp_path), now=NOW)
    ours, _ = shake(*contexts(server(tmp_path), trusting))
    assert ours.object.version() == "TLSv1.3"


def test_without_ca_the_systems_authorities_are_trusted(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(*contexts(server(tmp_path), client_context(now=NOW)))


def refused(folder: Path, certificate: bytes | None, key: bytes | None, *, after: bool = False) -> CredentialError:
    """What is said of a certificate's and a key's file; None writes no file. `after`: as the second identity."""
    paths = [folder / "bad.pem", folder / "bad.key"]
    for path, text in zip(paths, (certificate, key), strict=True):
        if text is not None:
            path.write_bytes(text)
    bad = Identity(str(paths[0]), str(paths[1]))
    with pytest.raises(CredentialError) as told:
        server_context([identity(folder, server_certificate()), bad] if after else [bad], now=NOW)
    assert str(folder) in str(told.value)
    return told.value


GOOD = server_certificate()
OTHER = server_certificate("other.test")
EXPIRED = server_certificate(days=EXPIRED_DAYS)
FUTURE = server_certificate(days=FUTURE_DAYS)


@pytest.mark.parametrize(
    ("certificate", "key", "field", "said"),
    [
        (None, GOOD.private_key, "certificate", "No such file"),
        (GOOD.pem, None, "private_key", "No such file"),
        (b"hello", GOOD.private_key, "certificate", "no certificate in PEM form"),
        (GOOD.private_key, GOOD.private_key, "certificate", "; it belongs under `private_key`"),
        (GOOD.pem[:80] + b"\n-----END CERTIFICATE-----\n", GOOD.private_key, "certificate", "cannot be read"),
        (GOOD.pem, GOOD.pem, "private_key", "only a certificate in"),
        (GOOD.pem, GOOD.encrypted_key, "private_key", "is encrypted"),
        (GOOD.pem, OTHER.private_key, "private_key", "does not belong to the certificate of CN=localhost"),
        (GOOD.pem, server_certificate(kind="rsa").private_key, "private_key", "does not belong"),
        (GOOD.pem + GOOD.chain, OTHER.private_key, "private_key", "the first in its file"),
        (EXPIRED.pem, EXPIRED.private_key, "certificate", "has expired on 20"),
        (FUTURE.pem, FUTURE.private_key, "certificate", "is not valid before 20"),
        (GOOD.chain + GOOD.pem, GOOD.private_key, "certificate", "is not in order"),
        (GOOD.pem + root().pem, GOOD.private_key, "certificate", "CN=Sidecar Test Intermediate belongs"),
        (GOOD.pem, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "certificate", "OpenSSL"),
    ],
)
def test_a_file_that_will_not_do_is_told_with_its_key(
    tmp_path: Path, certificate: bytes | None, key: bytes | None, field: str, said: str
) -> None:
    told = refused(tmp_path, certificate, key)
    assert (told.field, told.index) == (field, 0)
    assert said in str(told)


def test_the_identity_that_will_not_do_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path, GOOD.pem, OTHER.private_key, after=True).index == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").mkdir()
    assert "Is a directory" in str(refused(tmp_path, None, GOOD.private_key))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        (b"hello", "no certificate in PEM form"),
        (GOOD.private_key, "; name the authority's certificate"),
        (server_certificate(days=EXPIRED_DAYS).pem, "is valid any more since 20"),
    ],
)
def test_an_authority_that_will_not_do_is_told_with_its_key(tmp_path: Path, text: bytes | None, said: str) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(CredentialError) as told:
        client_context(ca=str(path), now=NOW)
    assert told.value.field == "ca"
    assert said in str(told.value)
    with pytest.raises(CredentialError) as told:
        server_context([identity(tmp_path, GOOD)], client_ca=str(path), now=NOW)
    assert told.value.field == "client_ca"
