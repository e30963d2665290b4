"""Certificates: shown, listed, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.acm import errors, rows, views
from hiyoko.services.acm.rows import Known

PAGE = 1000
LISTED_BY_DEFAULT = ("RSA_1024", "RSA_2048")
"""https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html"""
ORIGINS_BY_DEFAULT = ("AWS_MANAGED", "CUSTOMER_PROVIDED")


@operation("DescribeCertificate")
def describe_certificate(call: Call, request: Request) -> Response:
    """All that is known of a certificate."""
    return {"Certificate": views.detail(_get(call, request), call.now)}


@operation("ListCertificates")
def list_certificates(call: Call, request: Request) -> Response:
    """The certificates of the Region; elliptic-curve keys only when asked for."""
    if bool(request.get("SortBy")) != bool(request.get("SortOrder")):
        raise errors.validation("SortBy and SortOrder are only valid together.")
    includes = request.get("Includes") or {}
    wanted = _filter(request, includes)
    shown = []
    for known in rows.list_known(call.tx, call.account, call.region):
        summary = views.summary(known, call.now)
        if known.certificate.names and wanted(known, summary):
            shown.append(summary)
    if request.get("SortOrder") == "ASCENDING":
        shown.reverse()
    return page("CertificateSummaryList", shown, request, size=request.get("MaxItems"))


def _filter(
    request: Request, includes: Mapping[str, Any]
) -> Callable[[Known, Mapping[str, Any]], bool]:
    key_types = includes.get("keyTypes") or LISTED_BY_DEFAULT
    statuses = request.get("CertificateStatuses")
    origins = request.get("CertificateKeyPairOrigins") or ORIGINS_BY_DEFAULT
    usages = set(includes.get("keyUsage") or ())
    extended = set(includes.get("extendedKeyUsage") or ())
    # There are no N2 certificates and none of CloudFront's: who asks for these gets none.
    nothing = bool(request.get("RootHierarchyTypes") or includes.get("managedBy"))

    def wanted(known: Known, summary: Mapping[str, Any]) -> bool:
        export = includes.get("exportOption")
        return (
            not nothing
            and known.certificate.key_algorithm in key_types
            and (not statuses or summary["Status"] in statuses)
            and views.origin(known.certificate) in origins
            and usages <= set(summary["KeyUsages"])
            and extended <= set(summary["ExtendedKeyUsages"])
            and (export is None or summary.get("ExportOption") == export)
        )

    return wanted


def page(
    name: str,
    shown: list[dict[str, Any]],
    request: Request,
    *,
    size: int | None,
    default: int = PAGE,
) -> Response:
    """One page of a list, and the token of the next one."""
    token, size = request.get("NextToken") or "0", size or default
    if not token.isascii() or not token.isdigit():
        raise errors.validation("The next token is not valid.")
    start = int(token)
    response: Response = {name: shown[start : start + size]}
    if start + size < len(shown):
        response["NextToken"] = str(start + size)
    return response


@operation("GetCertificate")
def get_certificate(call: Call, request: Request) -> Response:
    """The issued certificate and its chain, as PEM."""
    known = _get(call, request)
    imported, issued = known.certificate.imported, known.issued
    if imported is not None:
        chain = {"CertificateChain": imported.chain_pem} if imported.chain_pem else {}
        return {"Certificate": imported.certificate_pem, **chain}
    if issued is None:
        raise errors.in_progress(known.certificate.arn)
    return {"Certificate": issued.certificate_pem, "CertificateChain": issued.chain_pem}


@operation("DeleteCertificate")
def delete_certificate(call: Call, request: Request) -> Response:
    """Delete a certificate that no listener presents."""
    known = _get(call, request)
    if known.used_by:
        raise errors.in_use(known.certificate.arn, call.account)
    if known.certificate.acme is not None:
        raise errors.validation("A certificate that was issued through ACME can't be deleted.")
    rows.delete_certificate(call.tx, known.certificate.arn)
    return {}


def _get(call: Call, request: Request) -> Known:
    return rows.get_known(call.tx, call.account, call.region, request["CertificateArn"])
