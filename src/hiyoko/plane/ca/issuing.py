"""Certificates for ACM, as files that HAProxy reads: leaf, intermediate and key in one."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from hiyoko.blueprint.certificates import Certificate, ImportedCertificate
from hiyoko.plane.ca.authority import Authority, key_pem, new_key, pem
from hiyoko.plane.ca.files import private_directory, write_whole
from hiyoko.plane.ca.leaf import leaf_certificate
from hiyoko.plane.ca.ledger import Ledger
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings

_WRITTEN = ("certs", "keys", "endpoints")
_BEGIN_KEY = b"-----BEGIN PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Issued:
    """An issued certificate, without its key."""

    certificate_pem: str
    chain_pem: str
    serial: str
    not_before: float
    not_after: float


def certificate_path(settings: Settings, arn: str) -> Path:
    """Where a certificate's PEM bundle is, once it has been issued."""
    return settings.ca_dir / "certs" / f"{arn.rsplit('/', 1)[-1]}.pem"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The bundles of this cloud's certificates, and the keys that were brought along."""

    settings: Settings

    @property
    def ledger(self) -> Ledger:
        """What was issued and what is revoked."""
        return Ledger(self.settings.ca_dir)

    def observe(self) -> frozenset[str]:
        """The file names (without suffix: the ends of the ARNs) of the bundles that there are."""
        return _stems(self.settings.ca_dir / "certs", "pem")

    def observe_keys(self) -> frozenset[str]:
        """The names of the keys that were brought along."""
        return _stems(self.settings.ca_dir / "keys", "key")

    def sweep(self) -> int:
        """Delete what a crash left of files that were being written; how many there were.

        Only for whoever knows that nobody writes at this moment. Raises PlaneError.
        """
        left = [path for name in _WRITTEN for path in (self.settings.ca_dir / name).glob(".*")]
        for path in left:
            _delete(path)
        return len(left)

    async def issue(self, certificate: Certificate, now: float, renewing: str = "") -> Issued:
        """Issue the certificate, or read the one that was issued before. Raises PlaneError.

        A daemon that died between the file and the note of it finds the same certificate again.
        ``renewing`` is the serial number that a new one shall take the place of: the old file
        serves until the new one is whole.
        """
        return await asyncio.to_thread(self._issue, certificate, now, renewing)

    def _issue(self, certificate: Certificate, now: float, renewing: str) -> Issued:
        authority = Authority.open(self.settings)
        path = certificate_path(self.settings, certificate.arn)
        private_directory(path.parent)
        if path.exists():
            issued = _issued(read_leaf(path), authority)
            if issued.serial != renewing:
                return issued
        key = new_key(certificate.key_algorithm)
        issuer = authority.issuer(certificate.key_algorithm)
        moment = datetime.fromtimestamp(now, UTC)
        leaf = leaf_certificate(certificate.names, key.public_key(), issuer, moment)
        self.ledger.note(leaf, issuer.title.label)
        bundle = pem(leaf) + pem(issuer.certificate) + key_pem(key)
        write_whole(path, bundle.encode())
        return _issued(leaf, authority)

    async def sign(self, request_pem: str, names: tuple[str, ...], now: float) -> Issued:
        """Issue for a key that its owner keeps: its public half is in the request (RFC 2986).

        Raises PlaneError.
        """
        return await asyncio.to_thread(self._sign, request_pem, names, now)

    def _sign(self, request_pem: str, names: tuple[str, ...], now: float) -> Issued:
        authority = Authority.open(self.settings)
        try:
            key = x509.load_pem_x509_csr(request_pem.encode()).public_key()
        except ValueError as error:
            raise PlaneError(f"read a certificate request: {error}") from error
        if isinstance(key, ec.EllipticCurvePublicKey):
            algorithm = "EC_secp384r1" if key.key_size > 256 else "EC_prime256v1"
        elif isinstance(key, rsa.RSAPublicKey):
            algorithm = "RSA_2048"
        else:
            raise PlaneError("read a certificate request: a key of another kind")
        issuer = authority.issuer(algorithm)
        leaf = leaf_certificate(names, key, issuer, datetime.fromtimestamp(now, UTC))
        self.ledger.note(leaf, issuer.title.label)
        return _issued(leaf, authority)

    def installed(self, certificate: ImportedCertificate) -> bool:
        """Is the bundle of an imported certificate there, as it was imported?"""
        path = certificate_path(self.settings, certificate.arn)
        try:
            return path.read_bytes() == self._bundle(certificate)
        except (OSError, PlaneError):
            return False

    def install(self, certificate: ImportedCertificate) -> None:
        """Write the bundle of an imported certificate. Raises PlaneError without its key."""
        path = certificate_path(self.settings, certificate.arn)
        private_directory(path.parent)
        write_whole(path, self._bundle(certificate))

    def _bundle(self, certificate: ImportedCertificate) -> bytes:
        path = self._key_path(certificate.key_id)
        try:
            key = path.read_bytes()
        except OSError as error:
            raise PlaneError(f"read {path}: {error}; import the certificate again") from error
        return (certificate.certificate_pem + certificate.chain_pem).encode() + key

    def hold(self, key_pem: bytes) -> str:
        """Keep a key on disk from now on, and return its name. Raises PlaneError."""
        key_id = secrets.token_hex(16)
        path = self._key_path(key_id)
        private_directory(path.parent)
        write_whole(path, key_pem)
        return key_id

    def secret(self, purpose: str) -> bytes:
        """32 bytes, the same for the same purpose, drawn from one secret of this authority.

        Raises PlaneError.
        """
        path = private_directory(self.settings.ca_dir) / "secret"
        try:
            if not path.exists():
                write_whole(path, secrets.token_bytes(32))
            return hmac.digest(path.read_bytes(), purpose.encode(), "sha256")
        except OSError as error:
            raise PlaneError(f"read {path}: {error}") from error

    def private_key(self, arn: str) -> bytes | None:
        """The key of a certificate that was issued here, as PEM; None when there is none."""
        try:
            bundle = certificate_path(self.settings, arn).read_bytes()
        except FileNotFoundError:
            return None
        at = bundle.find(_BEGIN_KEY)
        return bundle[at:] if at >= 0 else None

    def forget(self, name: str) -> None:
        """Delete a bundle whose certificate is gone. Raises PlaneError."""
        _delete(self.settings.ca_dir / "certs" / f"{name}.pem")

    def forget_key(self, key_id: str) -> None:
        """Delete a key that no certificate names. Raises PlaneError."""
        _delete(self._key_path(key_id))

    def _key_path(self, key_id: str) -> Path:
        return self.settings.ca_dir / "keys" / f"{key_id}.key"


def read_leaf(path: Path) -> x509.Certificate:
    """The first certificate of a bundle. Raises PlaneError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PlaneError(f"read {path}: {error}") from error


def serial_text(number: int) -> str:
    """A serial number as ACM writes it: pairs of hexadecimal digits, with colons."""
    digits = f"{number:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _stems(directory: Path, suffix: str) -> frozenset[str]:
    if not directory.is_dir():
        return frozenset()
    return frozenset(path.stem for path in directory.glob(f"[!.]*.{suffix}"))


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PlaneError(f"delete {path}: {error}") from error


def _issued(leaf: x509.Certificate, authority: Authority) -> Issued:
    return Issued(
        certificate_pem=leaf.public_bytes(Encoding.PEM).decode(),
        chain_pem=authority.chain_pem(authority.issuer_of(leaf)),
        serial=serial_text(leaf.serial_number),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
    )
