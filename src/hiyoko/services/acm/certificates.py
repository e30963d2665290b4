"""Certificates: requested, shown, listed, deleted."""

from __future__ import annotations

import re
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.acm import errors, rows, views
from hiyoko.services.acm.certificate_tags import parsed_tags
from hiyoko.services.acm.model import Certificate
from hiyoko.services.acm.seen import FAILURES_SEEN, ISSUED_SEEN, VALIDATIONS_SEEN
from hiyoko.services.acm.validation import validation_for
from hiyoko.services.elbv2 import rows as elbv2

NAMES_MAX = 10
"""https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html"""
COMMON_NAME_MAX = 64
IDEMPOTENCY_S = 3600
PAGE = 1000
ISSUED_KEY_ALGORITHMS = ("RSA_2048", "EC_prime256v1", "EC_secp384r1")
LISTED_BY_DEFAULT = ("RSA_1024", "RSA_2048")
"""https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html"""

_NAME = re.compile(
    r"(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])"
)
_NOT_ALLOWED = ("amazonaws.com", "cloudfront.net", "elasticbeanstalk.com")


@operation("RequestCertificate")
def request_certificate(call: Call, request: Request) -> Response:
    """Record the wish; the reconciler looks for the proof and issues.

    The same idempotency token within an hour gives the certificate that it made.
    """
    _refuse_unsupported(request)
    certificate = _wanted(call, request)
    token = certificate.idempotency_token
    if token is not None:
        for other in rows.list_certificates(call.tx, call.account, call.region):
            fresh = call.now < other.created_at + IDEMPOTENCY_S
            if other.idempotency_token == token and other.names == certificate.names and fresh:
                return {"CertificateArn": other.arn}
    rows.insert_certificate(call.tx, certificate)
    return {"CertificateArn": certificate.arn}


def _refuse_unsupported(request: Request) -> None:
    # AWS takes an omitted method as EMAIL; nobody here reads mail, so that is said, not pretended.
    method = request.get("ValidationMethod") or "EMAIL"
    if method != "DNS":
        raise unsupported("ValidationMethod", method)
    for member in ("CertificateAuthorityArn", "ManagedBy", "CertificateUsage", "RootHierarchyType"):
        if request.get(member):
            raise unsupported(member)
    options = request.get("Options") or {}
    if options.get("Export", "DISABLED") != "DISABLED":
        raise unsupported("Options.Export", options["Export"])
    if options.get("CertificateTransparencyLoggingPreference", "ENABLED") != "ENABLED":
        raise unsupported("Options.CertificateTransparencyLoggingPreference", "DISABLED")


def _wanted(call: Call, request: Request) -> Certificate:
    given = [request["DomainName"], *(request.get("SubjectAlternativeNames") or ())]
    names = tuple(dict.fromkeys(name.lower().rstrip(".") for name in given))
    for name in names:
        _check_name(name)
    if len(names) > NAMES_MAX:
        raise errors.limit_exceeded(
            f"Error: the certificate has {len(names)} names. The limit is {NAMES_MAX}."
        )
    if len(names[0]) > COMMON_NAME_MAX:
        raise errors.validation(
            "The first domain name can be no longer than 64 characters:"
            " it is the certificate's common name."
        )
    for option in request.get("DomainValidationOptions") or ():
        name, above = option["DomainName"], option["ValidationDomain"]
        if name.removeprefix("*.") != above and not name.endswith("." + above):
            raise errors.invalid_validation_options(
                f"{above} is neither {name} nor a superdomain of it."
            )
    key_algorithm = request.get("KeyAlgorithm") or "RSA_2048"
    if key_algorithm not in ISSUED_KEY_ALGORITHMS:
        raise errors.validation(f"The key algorithm {key_algorithm} can't be requested.")
    return Certificate(
        arn=call.arn("acm", f"certificate/{call.ids.uuid()}"),
        account=call.account,
        region=call.region,
        domain=names[0],
        names=names,
        key_algorithm=key_algorithm,
        validations=tuple(validation_for(call.account, name) for name in names),
        created_at=call.now,
        idempotency_token=request.get("IdempotencyToken"),
        tags=parsed_tags(request.get("Tags") or ()),
    )


def _check_name(name: str) -> None:
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise errors.validation(f"{name} is not a valid domain name for a certificate.")
    if any(name == zone or name.endswith("." + zone) for zone in _NOT_ALLOWED):
        raise errors.validation(f"A certificate can't be requested for {name}: it is Amazon's.")


@operation("DescribeCertificate")
def describe_certificate(call: Call, request: Request) -> Response:
    """All that is known of a certificate."""
    certificate = _get(call, request)
    return {
        "Certificate": views.detail(
            certificate,
            seen=_seen(call, certificate),
            found={
                v.domain
                for v in VALIDATIONS_SEEN.list(call.tx, certificate_arn=certificate.arn)
                if v.found
            },
            in_use_by=_in_use_by(call, certificate.arn),
            now=call.now,
        )
    }


@operation("ListCertificates")
def list_certificates(call: Call, request: Request) -> Response:
    """The certificates of the Region; elliptic-curve keys only when asked for."""
    for member in ("CertificateKeyPairOrigins", "RootHierarchyTypes"):
        if request.get(member):
            raise unsupported(member)
    includes = request.get("Includes") or {}
    for member in ("extendedKeyUsage", "keyUsage", "exportOption", "managedBy"):
        if includes.get(member):
            raise unsupported(f"Includes.{member}")
    if bool(request.get("SortBy")) != bool(request.get("SortOrder")):
        raise errors.validation("SortBy and SortOrder are only valid together.")
    key_types = includes.get("keyTypes") or LISTED_BY_DEFAULT
    statuses = request.get("CertificateStatuses")
    shown = []
    for certificate in rows.list_certificates(call.tx, call.account, call.region):
        seen = _seen(call, certificate)
        status = views.status(certificate, seen, call.now)
        if certificate.key_algorithm in key_types and (not statuses or status in statuses):
            used = bool(_in_use_by(call, certificate.arn))
            shown.append(views.summary(certificate, seen=seen, in_use=used, now=call.now))
    if request.get("SortOrder") == "ASCENDING":
        shown.reverse()
    return _page(shown, request)


def _page(shown: list[dict[str, Any]], request: Request) -> Response:
    token, size = request.get("NextToken") or "0", request.get("MaxItems") or PAGE
    if not token.isdigit():
        raise errors.validation("The next token is not valid.")
    start = int(token)
    response: Response = {"CertificateSummaryList": shown[start : start + size]}
    if start + size < len(shown):
        response["NextToken"] = str(start + size)
    return response


@operation("GetCertificate")
def get_certificate(call: Call, request: Request) -> Response:
    """The issued certificate and its chain, as PEM."""
    certificate = _get(call, request)
    issued = ISSUED_SEEN.find(call.tx, certificate_arn=certificate.arn)
    if issued is None:
        raise errors.in_progress(certificate.arn)
    return {"Certificate": issued.certificate_pem, "CertificateChain": issued.chain_pem}


@operation("DeleteCertificate")
def delete_certificate(call: Call, request: Request) -> Response:
    """Delete a certificate that no listener presents."""
    certificate = _get(call, request)
    if _in_use_by(call, certificate.arn):
        raise errors.in_use(certificate.arn, call.account)
    rows.delete_certificate(call.tx, certificate.arn)
    return {}


def _get(call: Call, request: Request) -> Certificate:
    return rows.get_certificate(call.tx, call.account, call.region, request["CertificateArn"])


def _seen(call: Call, certificate: Certificate) -> views.Seen:
    return views.Seen(
        issued=ISSUED_SEEN.find(call.tx, certificate_arn=certificate.arn),
        failure=FAILURES_SEEN.find(call.tx, certificate_arn=certificate.arn),
    )


def _in_use_by(call: Call, arn: str) -> list[str]:
    """The load balancers one of whose listeners presents the certificate."""
    users = {row.balancer_arn for row in elbv2.LISTENERS.list(call.tx) if arn in row.certificates}
    return sorted(users)
