"""Certificates that must be proved, issued and kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Validation:
    """The proof that ACM asks for: a CNAME ``name`` whose value is ``value``."""

    domain: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A requested certificate. ``key_algorithm`` as in the API (``RSA_2048``)."""

    arn: str
    domain: str
    names: tuple[str, ...]
    key_algorithm: str
    validations: tuple[Validation, ...]


@dataclass(frozen=True, slots=True)
class ImportedCertificate:
    """A certificate whose chain was imported; its key is already on disk, named ``key_id``."""

    arn: str
    certificate_pem: str
    chain_pem: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """A serial number (``03:e9``) that is no longer good, since when and why in ACM's words."""

    serial: str
    revoked_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Certificates:
    """Every certificate that must exist as files."""

    requested: tuple[Certificate, ...] = ()
    imported: tuple[ImportedCertificate, ...] = ()
    revoked: tuple[Revocation, ...] = ()
