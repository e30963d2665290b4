"""The root and the intermediates of the world: made once, then only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hiyoko.plane.ca.files import PUBLIC_MODE, private_directory, write_whole
from hiyoko.plane.ca.pointers import pointers
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ROOT_DAYS = 20 * 365
INTERMEDIATE_DAYS = 10 * 365
DOMAIN_VALIDATED = x509.ObjectIdentifier("2.23.140.1.2.1")


@dataclass(frozen=True, slots=True)
class Title:
    """An issuer of this world: its files, its label in URLs, its name, the kind of its key."""

    file: str
    label: str
    name: str
    algorithm: str


ROOT = Title("root", "rootca1", "hiyoko Root CA 1", "RSA_2048")
RSA_INTERMEDIATE = Title("intermediate", "r2m01", "hiyoko RSA 2048 M01", "RSA_2048")
INTERMEDIATES = (
    RSA_INTERMEDIATE,
    Title("intermediate-e2m01", "e2m01", "hiyoko ECDSA 256 M01", "EC_prime256v1"),
    Title("intermediate-e3m01", "e3m01", "hiyoko ECDSA 384 M01", "EC_secp384r1"),
)
"""After ``Amazon Root CA 1``, ``Amazon RSA 2048 M01`` and ``Amazon ECDSA 256 M01``, which issue for
ACM. One root for all of them: one certificate to trust."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that may sign others, and its key."""

    title: Title
    certificate: x509.Certificate
    key: Key

    @property
    def digest(self) -> hashes.SHA256 | hashes.SHA384:
        """What it signs with."""
        return digest_for(self.key)


@dataclass(frozen=True, slots=True)
class Authority:
    """The chain that signs leaves; ``issuer`` finds those of other kinds of keys."""

    directory: Path
    root: Issuer
    intermediate: Issuer

    @classmethod
    def open(cls, settings: Settings) -> Authority:
        """Load the authority, or make what is missing of it. Raises PlaneError."""
        directory = private_directory(settings.ca_dir)
        root = _issuer(directory, ROOT, ROOT_DAYS, None)
        intermediate = _issuer(directory, RSA_INTERMEDIATE, INTERMEDIATE_DAYS, root)
        return cls(directory, root, intermediate)

    def issuer(self, algorithm: str) -> Issuer:
        """Who signs for keys of an algorithm: one with a key of the same kind."""
        for title in INTERMEDIATES[1:]:
            if title.algorithm == algorithm:
                return _issuer(self.directory, title, INTERMEDIATE_DAYS, self.root)
        return self.intermediate

    def issuers(self) -> tuple[Issuer, ...]:
        """The root and every intermediate."""
        others = (self.issuer(title.algorithm) for title in INTERMEDIATES[1:])
        return (self.root, self.intermediate, *others)

    def issuer_of(self, leaf: x509.Certificate) -> Issuer:
        """Who signed a leaf; the intermediate for RSA when it is none of ours."""
        for title in INTERMEDIATES[1:]:
            if leaf.issuer == distinguished_name(title.name):
                return self.issuer(title.algorithm)
        return self.intermediate

    def chain_pem(self, issuer: Issuer | None = None) -> str:
        """What a server sends after its leaf, and the root: as ACM's CertificateChain."""
        return pem((issuer or self.intermediate).certificate) + pem(self.root.certificate)


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


def new_key(algorithm: str) -> Key:
    """A private key of an algorithm in the API's spelling."""
    match algorithm:
        case "EC_prime256v1":
            return ec.generate_private_key(ec.SECP256R1())
        case "EC_secp384r1":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return rsa.generate_private_key(
                public_exponent=65537, key_size=int(algorithm.removeprefix("RSA_"))
            )


def key_pem(key: Key) -> str:
    """An unencrypted PKCS 8 PEM, which every OpenSSL reads: the file's mode guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _issuer(directory: Path, title: Title, days: int, above: Issuer | None) -> Issuer:
    """Read an issuer; make its key, then its certificate, where they are missing."""
    key_path, certificate_path = directory / f"{title.file}.key", directory / f"{title.file}.pem"
    try:
        if not key_path.exists():
            write_whole(key_path, key_pem(new_key(title.algorithm)).encode())
            certificate_path.unlink(missing_ok=True)
        # Our own file, which nobody else can write: its numbers need no proof at each reading.
        loaded = serialization.load_pem_private_key(
            key_path.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
        )
        if not isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise PlaneError(f"read {key_path}: neither an RSA nor an elliptic-curve key")
        if not certificate_path.exists():
            made = _issuer_certificate(title, days, loaded, above)
            write_whole(certificate_path, pem(made).encode(), PUBLIC_MODE)
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    except (OSError, ValueError) as error:
        raise PlaneError(f"read the certificate authority in {directory}: {error}") from error
    return Issuer(title, certificate, loaded)


def _issuer_certificate(
    title: Title, days: int, key: Key, above: Issuer | None
) -> x509.Certificate:
    # A day early: a client whose clock is a little behind trusts it too.
    start = midnight(datetime.now(UTC)) - timedelta(days=1)
    builder = issuer_builder(title, key, above, start, start + timedelta(days=days))
    if above is not None:
        builder = (
            builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.CertificatePolicies([x509.PolicyInformation(DOMAIN_VALIDATED, None)]),
                critical=False,
            )
        )
        for pointer in pointers(above.title.label):
            builder = builder.add_extension(pointer, critical=False)
    signer = above.key if above else key
    return builder.sign(signer, digest_for(signer))


def digest_for(key: Key) -> hashes.SHA256 | hashes.SHA384:
    """The digest that a key signs: as strong as the key."""
    strong = isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256
    return hashes.SHA384() if strong else hashes.SHA256()


def issuer_builder(
    title: Title, key: Key, above: Issuer | None, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    """What every certificate of an issuer has, the root's own and those made of its key."""
    subject = distinguished_name(title.name)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.certificate.subject if above else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
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
