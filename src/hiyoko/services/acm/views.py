"""Certificates as ACM shows them.

The members were taken from recorded answers; the key algorithm is given with a hyphen.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from hiyoko.services.acm.model import Certificate, Status
from hiyoko.services.acm.seen import FailureSeen, IssuedSeen

SUMMARY_NAMES_MAX = 100
_SERVER_AUTH = "TLS_WEB_SERVER_AUTHENTICATION"
_SERVER_AUTH_OID = "1.3.6.1.5.5.7.3.1"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the reconciler saw of a certificate."""

    issued: IssuedSeen | None
    failure: FailureSeen | None


def status(certificate: Certificate, seen: Seen, now: float) -> Status:
    """The certificate's status."""
    return certificate.status(seen.issued, seen.failure.reason if seen.failure else None, now)


def detail(
    certificate: Certificate,
    *,
    seen: Seen,
    found: Collection[str],
    in_use_by: list[str],
    now: float,
) -> dict[str, Any]:
    """A CertificateDetail. ``found`` are the names whose proof was found."""
    state = status(certificate, seen, now)
    shown: dict[str, Any] = {
        "CertificateArn": certificate.arn,
        "DomainName": certificate.domain,
        "SubjectAlternativeNames": list(certificate.names),
        "DomainValidationOptions": [
            {
                "DomainName": validation.domain,
                "ValidationDomain": validation.domain,
                "ValidationMethod": "DNS",
                "ValidationStatus": _validation_status(state, validation.domain in found),
                "ResourceRecord": {
                    "Name": validation.name,
                    "Type": "CNAME",
                    "Value": validation.value,
                },
            }
            for validation in certificate.validations
        ],
        "Subject": f"CN={certificate.domain}",
        "Issuer": "Amazon",
        "CreatedAt": certificate.created_at,
        "Status": state.value,
        "KeyAlgorithm": certificate.key_algorithm.replace("_", "-"),
        "SignatureAlgorithm": "SHA256WITHRSA",
        "InUseBy": in_use_by,
        "Type": "AMAZON_ISSUED",
        "KeyUsages": [],
        "ExtendedKeyUsages": [],
        "RenewalEligibility": "ELIGIBLE" if seen.issued and in_use_by else "INELIGIBLE",
        "Options": {"CertificateTransparencyLoggingPreference": "ENABLED", "Export": "DISABLED"},
    }
    if seen.issued is not None:
        shown |= {
            "Serial": seen.issued.serial,
            "IssuedAt": seen.issued.issued_at,
            "NotBefore": seen.issued.not_before,
            "NotAfter": seen.issued.not_after,
            "KeyUsages": [{"Name": name} for name in _key_usages(certificate)],
            "ExtendedKeyUsages": [{"Name": _SERVER_AUTH, "OID": _SERVER_AUTH_OID}],
        }
    elif seen.failure is not None:
        shown["FailureReason"] = seen.failure.reason
    return shown


def summary(certificate: Certificate, *, seen: Seen, in_use: bool, now: float) -> dict[str, Any]:
    """A CertificateSummary."""
    shown: dict[str, Any] = {
        "CertificateArn": certificate.arn,
        "DomainName": certificate.domain,
        "SubjectAlternativeNameSummaries": list(certificate.names[:SUMMARY_NAMES_MAX]),
        "HasAdditionalSubjectAlternativeNames": len(certificate.names) > SUMMARY_NAMES_MAX,
        "Status": status(certificate, seen, now).value,
        "Type": "AMAZON_ISSUED",
        "KeyAlgorithm": certificate.key_algorithm.replace("_", "-"),
        "KeyUsages": [],
        "ExtendedKeyUsages": [],
        "ExportOption": "DISABLED",
        "Exported": False,
        "InUse": in_use,
        "RenewalEligibility": "ELIGIBLE" if seen.issued and in_use else "INELIGIBLE",
        "CreatedAt": certificate.created_at,
    }
    if seen.issued is not None:
        shown |= {
            "IssuedAt": seen.issued.issued_at,
            "NotBefore": seen.issued.not_before,
            "NotAfter": seen.issued.not_after,
            "KeyUsages": _key_usages(certificate),
            "ExtendedKeyUsages": [_SERVER_AUTH],
        }
    return shown


def _key_usages(certificate: Certificate) -> list[str]:
    if certificate.key_algorithm.startswith("RSA"):
        return ["DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"]
    return ["DIGITAL_SIGNATURE"]


def _validation_status(state: Status, found: bool) -> str:
    if found or state is Status.ISSUED or state is Status.EXPIRED:
        return "SUCCESS"
    return "PENDING_VALIDATION" if state is Status.PENDING_VALIDATION else "FAILED"
