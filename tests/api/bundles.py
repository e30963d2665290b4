"""Certificates that a user might bring along: made here, good ones and bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def key_pem(
    key: Key, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes | None = None
) -> bytes:
    guard: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    return key.private_bytes(Encoding.PEM, form, guard)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return key_pem(self.key)


@dataclass(frozen=True)
class Maker:
    """Makes certificates as of a moment."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def ca(self, name: str = "Somebody's CA", above: Made | None = None) -> Made:
        key = rsa_key()
        builder = self._builder(name, key, above, 3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        signer = above.key if above else key
        return Made(builder.sign(signer, hashes.SHA256()), key)

    def leaf(
        self,
        *names: str,
        by: Made | None = None,
        key: Key | None = None,
        days: int = 90,
        common_name: str | None = None,
        more: Sequence[x509.ExtensionType] = (),
    ) -> Made:
        key = key or rsa_key()
        names = names or ("www.example.com",)
        builder = self._builder(common_name or names[0], key, by, days)
        extensions = [
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            *more,
        ]
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return Made(builder.sign(by.key if by else key, hashes.SHA256()), key)

    def _builder(self, name: str, key: Key, by: Made | None, days: int) -> x509.CertificateBuilder:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        start = self.now - timedelta(days=100)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(self.now + timedelta(days=days))
        )
