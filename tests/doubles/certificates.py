"""An authority for tests: whatever certificate a test needs, good or bad in exactly one way, and its files.

    pair = server_certificate("app.test").write(tmp_path)        # two paths: pair.certificate, pair.private_key
    ca = root().write(tmp_path)                                   # the path of the authority's certificate

Everything is made once per process and arguments: an RSA key costs a tenth of a second. Names and addresses are in the
subjectAltName; without any, a server certificate is for `localhost` and 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSWORD = b"secret"  # of the encrypted key
VALID_DAYS = (-1.0, 30.0)
EXPIRED_DAYS = (-30.0, -1.0)
FUTURE_DAYS = (1.0, 30.0)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _key(kind: str) -> Key:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: Key, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Files:
    """Where a certificate (with its chain) and its key are written, as rules name them."""

    certificate: str
    private_key: str


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key. `pem` is the leaf, `chain` the intermediates that a server sends after it."""

    pem: bytes
    chain: bytes
    key: Key

    @property
    def x509(self) -> x509.Certificate:
        """The leaf, to look into."""
        return x509.load_pem_x509_certificate(self.pem)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf in DER, as lower-case hex digits."""
        return self.x509.fingerprint(hashes.SHA256()).hex()

    @property
    def private_key(self) -> bytes:
        """The key as PEM, PKCS #8."""
        return _key_pem(self.key)

    @property
    def encrypted_key(self) -> bytes:
        """The key as PEM under `PASSWORD`."""
        return _key_pem(self.key, PASSWORD)

    def write(self, folder: Path, name: str = "server", *, private_key: bytes | None = None) -> Files:
        """Writes `name.pem` (leaf, then chain) and `name.key` (another key, where one is given), each at once."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        _replace(certificate, self.pem + self.chain)
        _replace(key, self.private_key if private_key is None else private_key)
        return Files(str(certificate), str(key))


def _replace(path: Path, data: bytes) -> None:
    """As whoever renews certificates should: nobody reads half of it."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(data)
    fresh.chmod(0o600)
    fresh.rename(path)


@dataclass(frozen=True)
class Authority:
    """Who signs. `chain` is what a server has to send besides: nothing for a root."""

    certificate: x509.Certificate
    key: Key
    chain: bytes = b""

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return _pem(self.certificate)

    def write(self, folder: Path, name: str = "ca") -> str:
        """Writes `name.pem`; its path, as `ca` and `client_ca` name it."""
        path = folder / f"{name}.pem"
        _replace(path, self.pem)
        return str(path)

    def issue(
        self,
        common_name: str,
        names: tuple[str, ...] = (),
        *,
        client: bool = False,
        days: tuple[float, float] = VALID_DAYS,
        kind: str = "p256",
        uris: tuple[str, ...] = (),
    ) -> Certificate:
        """A new certificate; `names` are DNS names and IP addresses, `days` its validity counted from now."""
        key = _key(kind)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = _builder(common_name, self.certificate.subject, key, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(_known_by(self.certificate), critical=False)
        others = [*map(_general_name, names), *map(x509.UniformResourceIdentifier, uris)]
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        return Certificate(_pem(builder.sign(self.key, hashes.SHA256())), self.chain, key)

    def intermediate(self, common_name: str = "Sidecar Test Intermediate") -> Authority:
        """An authority that this one vouches for."""
        key = _key("p256")
        builder = _ca_builder(common_name, self.certificate.subject, key)
        builder = builder.add_extension(_known_by(self.certificate), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Authority(certificate, key, _pem(certificate) + self.chain)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _known_by(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _builder(common_name: str, issuer: x509.Name, key: Key, days: tuple[float, float]) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )


def _ca_builder(common_name: str, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    # The bits that strict verifiers (Python 3.13's default) ask of an authority.
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(common_name, issuer, key, (-40.0, 40.0))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _root(common_name: str) -> Authority:
    key = _key("p256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return Authority(_ca_builder(common_name, name, key).sign(key, hashes.SHA256()), key)


@cache
def root() -> Authority:
    """Whom the tests trust."""
    return _root("Sidecar Test Root")


@cache
def stranger() -> Authority:
    """An authority that nobody trusts."""
    return _root("Sidecar Test Stranger")


@cache
def intermediate() -> Authority:
    """The one that signs the certificates of servers; the root vouches for it."""
    return root().intermediate()


def server_certificate(
    *names: str, days: tuple[float, float] = VALID_DAYS, kind: str = "p256", authority: Authority | None = None
) -> Certificate:
    """A server's, signed by the intermediate where no other authority is given. Its common name is its first name."""
    return _server(names or ("localhost", "127.0.0.1"), days, kind, authority or intermediate())


@cache
def _server(names: tuple[str, ...], days: tuple[float, float], kind: str, authority: Authority) -> Certificate:
    return authority.issue(names[0], names, days=days, kind=kind)


def client_certificate(
    common_name: str = "client",
    *,
    days: tuple[float, float] = VALID_DAYS,
    authority: Authority | None = None,
    uris: tuple[str, ...] = (),
) -> Certificate:
    """A client's, signed by the root where no other authority is given."""
    return _client(common_name, days, authority or root(), uris)


@cache
def _client(common_name: str, days: tuple[float, float], authority: Authority, uris: tuple[str, ...]) -> Certificate:
    return authority.issue(common_name, client=True, days=days, uris=uris)


def renewed(*names: str) -> Certificate:
    """Another one for the same names each time: what a renewal brings."""
    return intermediate().issue(names[0], names)
