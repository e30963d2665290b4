"""RequestCertificate: the wish for a certificate of the public CA.

https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html
"""

from __future__ import annotations

import re

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.certificate_tags import parsed_tags
from hiyoko.services.acm.model import Certificate, Method
from hiyoko.services.acm.validation import validation_for

NAMES_MAX = 10
CERTIFICATES_MAX = 2500
"""https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html"""
COMMON_NAME_MAX = 64
IDEMPOTENCY_S = 3600
ISSUED_KEY_ALGORITHMS = ("RSA_2048", "EC_prime256v1", "EC_secp384r1")

_NAME = re.compile(
    r"(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])"
)
_TAGGED = re.compile(r"..--")


@operation("RequestCertificate")
def request_certificate(call: Call, request: Request) -> Response:
    """Record the wish; the reconciler looks for the proof and issues.

    The same idempotency token within an hour gives the certificate that it made, as long as the
    same certificate is asked for.
    """
    _refuse_unsupported(request)
    certificate = _wanted(call, request)
    others = rows.list_certificates(call.tx, call.account, call.region)
    token = certificate.idempotency_token
    for other in others if token is not None else ():
        fresh = call.now < other.created_at + IDEMPOTENCY_S
        if other.idempotency_token == token and fresh and other.same_request(certificate):
            return {"CertificateArn": other.arn}
    if len(others) >= CERTIFICATES_MAX:
        raise errors.too_many_certificates()
    rows.insert_certificate(call.tx, certificate)
    return {"CertificateArn": certificate.arn}


def _refuse_unsupported(request: Request) -> None:
    if request.get("CertificateUsage") and not request.get("RootHierarchyType"):
        raise errors.validation("CertificateUsage is only valid together with RootHierarchyType.")
    # HTTP is CloudFront's alone, and there is no CloudFront here.
    if request.get("ValidationMethod") == "HTTP":
        raise unsupported("ValidationMethod", "HTTP")
    for member in ("CertificateAuthorityArn", "ManagedBy", "CertificateUsage", "RootHierarchyType"):
        if request.get(member):
            raise unsupported(member)
    options = request.get("Options") or {}
    if options.get("CertificateTransparencyLoggingPreference", "ENABLED") != "ENABLED":
        raise unsupported("Options.CertificateTransparencyLoggingPreference", "DISABLED")
    if options.get("ValidationMethod"):
        raise errors.validation("Options.ValidationMethod is only valid in an update.")


def _wanted(call: Call, request: Request) -> Certificate:
    given = [request["DomainName"], *(request.get("SubjectAlternativeNames") or ())]
    names = tuple(dict.fromkeys(name.lower().rstrip(".") for name in given))
    for name in names:
        check_name(name)
    if len(names) > NAMES_MAX:
        raise errors.limit_exceeded(
            f"Error: the certificate has {len(names)} names. The limit is {NAMES_MAX}."
        )
    if len(names[0]) > COMMON_NAME_MAX:
        raise errors.validation(
            "The first domain name can be no longer than 64 characters:"
            " it is the certificate's common name."
        )
    key_algorithm = request.get("KeyAlgorithm") or "RSA_2048"
    if key_algorithm not in ISSUED_KEY_ALGORITHMS:
        raise errors.validation(f"The key algorithm {key_algorithm} can't be requested.")
    # As on AWS: who names no method gets mail.
    method = Method(request.get("ValidationMethod") or "EMAIL")
    dns = method is Method.DNS
    return Certificate(
        arn=call.arn("acm", f"certificate/{call.ids.uuid()}"),
        account=call.account,
        region=call.region,
        domain=names[0],
        names=names,
        key_algorithm=key_algorithm,
        validations=tuple(validation_for(call.account, name) for name in names) if dns else (),
        created_at=call.now,
        idempotency_token=request.get("IdempotencyToken"),
        tags=parsed_tags(request.get("Tags") or ()),
        method=method,
        validation_domains=_validation_domains(request, names),
        exportable=(request.get("Options") or {}).get("Export") == "ENABLED",
    )


def _validation_domains(request: Request, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for option in request.get("DomainValidationOptions") or ():
        name = option["DomainName"].lower().rstrip(".")
        above = option["ValidationDomain"].lower().rstrip(".")
        if name not in names:
            raise errors.invalid_validation_options(f"{name} is none of the certificate's names.")
        check_validation_domain(name, above)
        found[name] = above
    return tuple(sorted(found.items()))


def check_validation_domain(name: str, above: str) -> None:
    """Refuse a validation domain that is neither the name nor above it."""
    if name.removeprefix("*.") != above and not name.endswith(f".{above}"):
        raise errors.invalid_validation_options(
            f"{above} is neither {name} nor a superdomain of it."
        )


def check_name(name: str) -> None:
    """Refuse what can be no name of a certificate, other than in a wildcard's first label."""
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise errors.validation(f"{name} is not a valid domain name for a certificate.")
    for label in name.split("."):
        if _TAGGED.match(label) and not _is_a_label(label):
            raise errors.validation(
                f"{name} is not a valid domain name for a certificate: {label} is no encoded"
                " international label (RFC 5891)."
            )


def _is_a_label(label: str) -> bool:
    """True for a valid ``xn--`` label: hyphens in third and fourth place mean nothing else."""
    if not label.startswith("xn--"):
        return False
    try:
        label.encode().decode("idna")
    except UnicodeError:
        return False
    return True
