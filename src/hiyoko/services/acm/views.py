"""Certificates as ACM shows them.

The members were taken from recorded answers; the key algorithm is given with a hyphen.
"""

from __future__ import annotations

from typing import Any

from hiyoko.services.acm.model import Certificate, Method, Status
from hiyoko.services.acm.rows import Known

SUMMARY_NAMES_MAX = 100
MAILBOXES = ("admin", "administrator", "hostmaster", "postmaster", "webmaster")
"""https://docs.aws.amazon.com/acm/latest/userguide/email-validation.html"""
_SERVER_AUTH = ("TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1")


def detail(known: Known, now: float) -> dict[str, Any]:
    """A CertificateDetail."""
    certificate, state = known.certificate, known.status(now)
    shown: dict[str, Any] = {
        "CertificateArn": certificate.arn,
        "DomainName": certificate.domain,
        "SubjectAlternativeNames": list(certificate.names),
        "DomainValidationOptions": _initial_validations(known, state),
        "Subject": f"CN={certificate.domain}",
        "Issuer": "Amazon",
        "CreatedAt": certificate.created_at,
        "Status": state.value,
        "KeyAlgorithm": certificate.key_algorithm.replace("_", "-"),
        "SignatureAlgorithm": signature_algorithm(certificate),
        "InUseBy": list(known.used_by),
        "Type": certificate.kind.value,
        "KeyUsages": [{"Name": name} for name in key_usages(known)],
        "ExtendedKeyUsages": [{"Name": n, "OID": oid} for n, oid in extended_key_usages(known)],
        "RenewalEligibility": eligibility(known, state),
        "Options": {
            "CertificateTransparencyLoggingPreference": "ENABLED",
            "Export": "ENABLED" if certificate.exportable else "DISABLED",
        },
        "CertificateKeyPairOrigin": origin(certificate),
    }
    if certificate.imported is not None:
        return shown | _imported(certificate)
    if certificate.acme is not None:
        shown["AcmeEndpointArn"] = certificate.acme.endpoint_arn
        shown["AcmeAccountId"] = certificate.acme.account_id
    if known.issued is not None:
        shown |= {
            "Serial": known.issued.serial,
            "IssuedAt": known.issued.issued_at,
            "NotBefore": known.issued.not_before,
            "NotAfter": known.issued.not_after,
        }
    elif known.failure is not None:
        shown["FailureReason"] = known.failure.reason
    if known.revocation is not None:
        shown["RevokedAt"] = known.revocation.revoked_at
        shown["RevocationReason"] = known.revocation.reason
    if known.renewal is not None:
        shown["RenewalSummary"] = _renewal(known)
    return shown


def _imported(certificate: Certificate) -> dict[str, Any]:
    """Where an imported certificate's detail differs: it speaks for itself."""
    imported = certificate.imported
    assert imported is not None
    facts = imported.facts
    return {
        "DomainValidationOptions": [{"DomainName": name} for name in certificate.names],
        "Subject": facts.subject,
        "Issuer": facts.issuer,
        "Serial": facts.serial,
        "ImportedAt": imported.imported_at,
        "NotBefore": facts.not_before,
        "NotAfter": facts.not_after,
        "SignatureAlgorithm": facts.signature_algorithm,
        "Options": {"CertificateTransparencyLoggingPreference": "DISABLED"},
    }


def summary(known: Known, now: float) -> dict[str, Any]:
    """A CertificateSummary."""
    certificate, state = known.certificate, known.status(now)
    shown: dict[str, Any] = {
        "CertificateArn": certificate.arn,
        "DomainName": certificate.domain,
        "SubjectAlternativeNameSummaries": list(certificate.names[:SUMMARY_NAMES_MAX]),
        "HasAdditionalSubjectAlternativeNames": len(certificate.names) > SUMMARY_NAMES_MAX,
        "Status": state.value,
        "Type": certificate.kind.value,
        "KeyAlgorithm": certificate.key_algorithm.replace("_", "-"),
        "KeyUsages": list(key_usages(known)),
        "ExtendedKeyUsages": [name for name, _ in extended_key_usages(known)],
        "InUse": bool(known.used_by),
        "RenewalEligibility": eligibility(known, state),
        "CreatedAt": certificate.created_at,
        "CertificateKeyPairOrigin": origin(certificate),
    }
    if certificate.imported is not None:
        facts = certificate.imported.facts
        return shown | {
            "ImportedAt": certificate.imported.imported_at,
            "NotBefore": facts.not_before,
            "NotAfter": facts.not_after,
        }
    shown["ExportOption"] = "ENABLED" if certificate.exportable else "DISABLED"
    shown["Exported"] = certificate.exported_at is not None
    if known.issued is not None:
        shown |= {
            "IssuedAt": known.issued.issued_at,
            "NotBefore": known.issued.not_before,
            "NotAfter": known.issued.not_after,
        }
    if known.revocation is not None:
        shown["RevokedAt"] = known.revocation.revoked_at
    return shown


def origin(certificate: Certificate) -> str:
    """Who made the key pair."""
    if certificate.imported is not None:
        return "CUSTOMER_PROVIDED"
    return "AWS_MANAGED" if certificate.acme is None else "ACME"


def eligibility(known: Known, state: Status) -> str:
    """Does ACM renew it by itself?"""
    return "ELIGIBLE" if known.renewable and state is Status.ISSUED else "INELIGIBLE"


def signature_algorithm(certificate: Certificate) -> str:
    """By which the CA signs: it answers each kind of key with one of that kind."""
    match certificate.key_algorithm:
        case "EC_prime256v1":
            return "SHA256WITHECDSA"
        case "EC_secp384r1":
            return "SHA384WITHECDSA"
        case _:
            return "SHA256WITHRSA"


def key_usages(known: Known) -> tuple[str, ...]:
    """What the key may be used for; nothing before there is a certificate."""
    if known.certificate.imported is not None:
        return known.certificate.imported.facts.key_usages
    if known.issued is None:
        return ()
    if known.certificate.key_algorithm.startswith("RSA"):
        return ("DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT")
    return ("DIGITAL_SIGNATURE",)


def extended_key_usages(known: Known) -> tuple[tuple[str, str], ...]:
    """Names and object identifiers."""
    if known.certificate.imported is not None:
        return known.certificate.imported.facts.extended_key_usages
    return (_SERVER_AUTH,) if known.issued is not None else ()


def mail_addresses(domain: str) -> list[str]:
    """The five addresses that ACM writes to about a domain."""
    return [f"{mailbox}@{domain}" for mailbox in MAILBOXES]


def _initial_validations(known: Known, state: Status) -> list[dict[str, Any]]:
    done = state in (Status.ISSUED, Status.EXPIRED, Status.REVOKED)
    over = "PENDING_VALIDATION" if state is Status.PENDING_VALIDATION else "FAILED"
    return [
        _validation(known.certificate, name, "SUCCESS" if done or name in known.found else over)
        for name in known.certificate.names
    ]


def _validation(certificate: Certificate, name: str, status: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "DomainName": name,
        "ValidationDomain": name,
        "ValidationMethod": certificate.method.value,
        "ValidationStatus": status,
    }
    if certificate.method is Method.EMAIL:
        domain = certificate.mail_domain(name)
        return shown | {"ValidationDomain": domain, "ValidationEmails": mail_addresses(domain)}
    for validation in certificate.validations:
        if validation.domain == name:
            shown["ResourceRecord"] = {
                "Name": validation.name,
                "Type": "CNAME",
                "Value": validation.value,
            }
    return shown


def _renewal(known: Known) -> dict[str, Any]:
    renewal = known.renewal
    assert renewal is not None
    missing = "FAILED" if renewal.status == "FAILED" else "PENDING_VALIDATION"
    shown: dict[str, Any] = {
        "RenewalStatus": renewal.status,
        "DomainValidationOptions": [
            _validation(known.certificate, name, "SUCCESS" if name in renewal.proved else missing)
            for name in known.certificate.names
        ],
        "UpdatedAt": renewal.updated_at,
    }
    if renewal.reason:
        shown["RenewalStatusReason"] = renewal.reason
    return shown
