"""SearchCertificates: certificates by any combination of what is known of them.

https://docs.aws.amazon.com/acm/latest/APIReference/API_SearchCertificates.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.acm import errors, rows, views
from hiyoko.services.acm.certificates import page
from hiyoko.services.acm.rows import Known

PAGE = 100
DEPTH_MAX = 10
_METADATA = {
    "CREATED_AT": "CreatedAt",
    "STATUS": "Status",
    "RENEWAL_STATUS": "RenewalStatus",
    "EXPORTED": "Exported",
    "IN_USE": "InUse",
    "TYPE": "Type",
    "REVOKED_AT": "RevokedAt",
    "RENEWAL_ELIGIBILITY": "RenewalEligibility",
    "ISSUED_AT": "IssuedAt",
    "MANAGED_BY": "ManagedBy",
    "EXPORT_OPTION": "ExportOption",
    "VALIDATION_METHOD": "ValidationMethod",
    "IMPORTED_AT": "ImportedAt",
    "ACME_ENDPOINT_ARN": "AcmeEndpointArn",
    "ACME_ACCOUNT_ID": "AcmeAccountId",
    "CERTIFICATE_KEY_PAIR_ORIGIN": "CertificateKeyPairOrigin",
}
_ATTRIBUTES = {
    "NOT_AFTER": "NotAfter",
    "NOT_BEFORE": "NotBefore",
    "KEY_ALGORITHM": "KeyAlgorithm",
}
_FILTERED_LISTS = {"ExtendedKeyUsage": "ExtendedKeyUsages", "KeyUsage": "KeyUsages"}
_TIMES = ("NotAfter", "NotBefore")
_COPIED = ("CreatedAt", "ImportedAt", "IssuedAt", "RevokedAt", "AcmeEndpointArn", "AcmeAccountId")

Result = dict[str, Any]


@operation("SearchCertificates")
def search_certificates(call: Call, request: Request) -> Response:
    """The certificates of the Region that a filter statement holds for; all without one."""
    statement = request.get("FilterStatement")
    found = [
        _result(known, call.now) for known in rows.list_known(call.tx, call.account, call.region)
    ]
    if statement is not None:
        found = [result for result in found if holds(statement, result)]
    if (by := request.get("SortBy")) is not None:
        found.sort(key=lambda result: _sort_key(result, by))
        if request.get("SortOrder") != "ASCENDING":
            found.reverse()
    elif request.get("SortOrder") is not None:
        raise errors.validation("SortOrder is only valid together with SortBy.")
    return page("Results", found, request, size=request.get("MaxResults"), default=PAGE)


def holds(statement: Mapping[str, Any], result: Result, depth: int = 0) -> bool:
    """Does a filter statement hold for a certificate?"""
    if len(statement) != 1:
        raise errors.validation("A filter statement has exactly one of And, Or, Not and Filter.")
    if depth > DEPTH_MAX:
        raise errors.validation(f"Filter statements can be nested {DEPTH_MAX} deep.")
    if "And" in statement:
        return all(holds(part, result, depth + 1) for part in statement["And"])
    if "Or" in statement:
        return any(holds(part, result, depth + 1) for part in statement["Or"])
    if "Not" in statement:
        return not holds(statement["Not"], result, depth + 1)
    return _fits(statement["Filter"], result)


def _fits(wanted: Mapping[str, Any], result: Result) -> bool:
    if (arn := wanted.get("CertificateArn")) is not None:
        return bool(result["CertificateArn"] == arn)
    if (attribute := wanted.get("X509AttributeFilter")) is not None:
        return _attribute_fits(attribute, result["X509Attributes"])
    metadata = result["CertificateMetadata"]["AcmCertificateMetadata"]
    return all(
        metadata.get(name) == value
        for name, value in (wanted.get("AcmCertificateMetadataFilter") or {}).items()
    )


def _attribute_fits(wanted: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    for name, value in wanted.items():
        if name == "Subject":
            common = attributes.get("Subject", {}).get("CommonName", "")
            fits = _compares(value["CommonName"], [common])
        elif name == "SubjectAlternativeName":
            names = [each["DnsName"] for each in attributes["SubjectAlternativeNames"]]
            fits = _compares(value["DnsName"], names)
        elif name in _TIMES:
            at = attributes.get(name)
            fits = at is not None and _seconds(value.get("Start"), 0.0) <= at
            fits = fits and at is not None and at <= _seconds(value.get("End"), float("inf"))
        elif name in _FILTERED_LISTS:
            fits = value in attributes[_FILTERED_LISTS[name]]
        else:
            fits = attributes.get(name) == value
        if not fits:
            return False
    return True


def _compares(wanted: Mapping[str, str], values: list[str]) -> bool:
    text = wanted["Value"].lower()
    if wanted["ComparisonOperator"] == "EQUALS":
        return text in values
    return any(text in value for value in values)


def _seconds(value: Any, default: float) -> float:
    if value is None:
        return default
    return float(value.timestamp()) if hasattr(value, "timestamp") else float(value)


def _sort_key(result: Result, by: str) -> tuple[bool, str | float]:
    """What a certificate lacks comes last (or first, in the other direction)."""
    if by == "CERTIFICATE_ARN":
        value: Any = result["CertificateArn"]
    elif by == "COMMON_NAME":
        value = result["X509Attributes"]["Subject"].get("CommonName")
    elif by in _ATTRIBUTES:
        value = result["X509Attributes"].get(_ATTRIBUTES[by])
    else:
        value = result["CertificateMetadata"]["AcmCertificateMetadata"].get(_METADATA[by])
    missing: str | float = ""
    return value is not None, missing if value is None else value


def _result(known: Known, now: float) -> Result:
    detail = views.detail(known, now)
    certificate = known.certificate
    attributes = {
        "Issuer": {"CommonName": detail["Issuer"]},
        "Subject": {"CommonName": certificate.domain},
        "SubjectAlternativeNames": [{"DnsName": name} for name in certificate.names],
        "ExtendedKeyUsages": [name for name, _ in views.extended_key_usages(known)],
        "KeyUsages": list(views.key_usages(known)),
        "KeyAlgorithm": certificate.key_algorithm,
    }
    if "Serial" in detail:
        attributes["SerialNumber"] = detail["Serial"]
    for name in _TIMES:
        if name in detail:
            attributes[name] = detail[name]
    metadata: dict[str, Any] = {
        "Status": detail["Status"],
        "Type": detail["Type"],
        "InUse": bool(known.used_by),
        "Exported": certificate.exported_at is not None,
        "RenewalEligibility": detail["RenewalEligibility"],
        "CertificateKeyPairOrigin": detail["CertificateKeyPairOrigin"],
    }
    if certificate.imported is None:
        metadata["ValidationMethod"] = certificate.method.value
        metadata["ExportOption"] = detail["Options"]["Export"]
    for name in _COPIED:
        if name in detail:
            metadata[name] = detail[name]
    if known.renewal is not None:
        metadata["RenewalStatus"] = known.renewal.status
    return {
        "CertificateArn": certificate.arn,
        "X509Attributes": attributes,
        "CertificateMetadata": {"AcmCertificateMetadata": metadata},
    }
