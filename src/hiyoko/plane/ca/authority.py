"""The root and the intermediate of the world: made once, then only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from hiyoko.plane.ca.files import PUBLIC_MODE, private_directory, write_whole
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

ROOT_NAME = "hiyoko Root CA 1"
INTERMEDIATE_NAME = "hiyoko RSA 2048 M01"
"""After ``Amazon Root CA 1`` and ``Amazon RSA 2048 M01``, which issue for ACM."""
ROOT_DAYS = 20 * 365
INTERMEDIATE_DAYS = 10 * 365
KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that may sign others, and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """The chain that signs leaves."""

    root: Issuer
    intermediate: Issuer

    @classmethod
    def open(cls, settings: Settings) -> Authority:
        """Load the authority, or make what is missing of it. Raises PlaneError."""
        directory = private_directory(settings.ca_dir)
        root = _issuer(directory, "root", ROOT_NAME, ROOT_DAYS, None)
        intermediate = _issuer(
            directory, "intermediate", INTERMEDIATE_NAME, INTERMEDIATE_DAYS, root
        )
        return cls(root, intermediate)

    @property
    def chain_pem(self) -> str:
        """What a server sends after its leaf, and the root: as ACM's CertificateChain."""
        certificates = (self.intermediate.certificate, self.root.certificate)
        return "".join(pem(certificate) for certificate in certificates)


def root_certificate_path(settings: Settings) -> Path:
    """The root's certificate (public), made if missing: what clients trust."""
    Authority.open(settings)
    return settings.ca_dir / "root.pem"


def trust_bundle(settings: Settings) -> str:
    """Every certificate that a client of this internet trusts, as PEM."""
    return pem(Authority.open(settings).root.certificate)


def pem(certificate: x509.Certificate) -> str:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def distinguished_name(common_name: str) -> x509.Name:
    """The name of an issuer of this world."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "hiyoko simulated internet"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def midnight(now: datetime) -> datetime:
    """The beginning of the day (UTC): Amazon's certificates start there."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _issuer(directory: Path, name: str, title: str, days: int, above: Issuer | None) -> Issuer:
    """Read an issuer; make its key, then its certificate, where they are missing."""
    key_path, certificate_path = directory / f"{name}.key", directory / f"{name}.pem"
    try:
        if not key_path.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
            write_whole(key_path, key_bytes(key))
            certificate_path.unlink(missing_ok=True)
        loaded = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise PlaneError(f"read {key_path}: not an RSA key")
        if not certificate_path.exists():
            made = _issuer_certificate(title, days, loaded, above)
            write_whole(certificate_path, pem(made).encode(), PUBLIC_MODE)
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    except (OSError, ValueError) as error:
        raise PlaneError(f"read the certificate authority in {directory}: {error}") from error
    return Issuer(certificate, loaded)


def key_bytes(key: rsa.RSAPrivateKey) -> bytes:
    """An unencrypted PKCS 8 PEM: the file's mode guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _issuer_certificate(
    title: str, days: int, key: rsa.RSAPrivateKey, above: Issuer | None
) -> x509.Certificate:
    subject = distinguished_name(title)
    # A day early: a client whose clock is a little behind trusts it too.
    start = midnight(datetime.now(UTC)) - timedelta(days=1)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.certificate.subject if above else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if above else None), critical=True
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if above is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()),
            critical=False,
        )
    return builder.sign(above.key if above else key, hashes.SHA256())
