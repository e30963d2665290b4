"""Certificates for ACM, as files that HAProxy reads: leaf, intermediate and key in one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hiyoko.blueprint.certificates import Certificate
from hiyoko.plane.ca.authority import Authority, pem
from hiyoko.plane.ca.files import private_directory, write_whole
from hiyoko.plane.ca.leaf import key_pem, leaf_certificate, new_key
from hiyoko.plane.error import PlaneError
from hiyoko.settings import Settings


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
    """The bundles of this cloud's certificates."""

    settings: Settings

    def observe(self) -> frozenset[str]:
        """The file names (without suffix: the ends of the ARNs) of the bundles that there are."""
        directory = self.settings.ca_dir / "certs"
        if not directory.is_dir():
            return frozenset()
        return frozenset(path.stem for path in directory.glob("[!.]*.pem"))

    async def issue(self, certificate: Certificate) -> Issued:
        """Issue the certificate, or read the one that was issued before. Raises PlaneError.

        A daemon that died between the file and the note of it finds the same certificate again.
        """
        return await asyncio.to_thread(self._issue, certificate)

    def _issue(self, certificate: Certificate) -> Issued:
        authority = Authority.open(self.settings)
        path = certificate_path(self.settings, certificate.arn)
        private_directory(path.parent)
        if path.exists():
            return _issued(read_leaf(path), authority)
        key = new_key(certificate.key_algorithm)
        leaf = leaf_certificate(certificate.names, key, authority.intermediate, datetime.now(UTC))
        bundle = pem(leaf) + pem(authority.intermediate.certificate) + key_pem(key)
        write_whole(path, bundle.encode())
        return _issued(leaf, authority)

    def forget(self, name: str) -> None:
        """Delete a bundle whose certificate is gone. Raises PlaneError."""
        path = self.settings.ca_dir / "certs" / f"{name}.pem"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise PlaneError(f"delete {path}: {error}") from error


def read_leaf(path: Path) -> x509.Certificate:
    """The first certificate of a bundle. Raises PlaneError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PlaneError(f"read {path}: {error}") from error


def _issued(leaf: x509.Certificate, authority: Authority) -> Issued:
    digits = f"{leaf.serial_number:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    return Issued(
        certificate_pem=leaf.public_bytes(Encoding.PEM).decode(),
        chain_pem=authority.chain_pem,
        serial=":".join(digits[at : at + 2] for at in range(0, len(digits), 2)),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
    )
