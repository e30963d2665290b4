"""How a certificate's names are proved: mail sent again, another method, where each name stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.acm import errors, rows, views
from hiyoko.services.acm.certificates import page
from hiyoko.services.acm.model import Kind, Method, Status
from hiyoko.services.acm.requests import check_validation_domain


@operation("ResendValidationEmail")
def resend_validation_email(call: Call, request: Request) -> Response:
    """Give the request another 72 hours. No mail leaves this machine, and none is answered.

    https://docs.aws.amazon.com/acm/latest/APIReference/API_ResendValidationEmail.html
    """
    arn = request["CertificateArn"]
    known = rows.get_known(call.tx, call.account, call.region, arn)
    certificate = known.certificate
    name = request["Domain"].lower().rstrip(".")
    above = request["ValidationDomain"].lower().rstrip(".")
    if certificate.kind is Kind.IMPORTED or certificate.method is not Method.EMAIL:
        raise errors.invalid_state(f"Certificate {arn} is not validated by email.")
    if known.status(call.now) is not Status.PENDING_VALIDATION:
        raise errors.invalid_state(
            f"Certificate {arn} is {known.status(call.now).value}, not PENDING_VALIDATION."
        )
    if name not in certificate.names:
        raise errors.invalid_validation_options(f"{name} is none of the certificate's names.")
    check_validation_domain(name, above)
    domains = {**dict(certificate.validation_domains), name: above}
    rows.put_certificate(
        call.tx,
        replace(certificate, validation_domains=tuple(sorted(domains.items())), resent_at=call.now),
    )
    return {}


@operation("UpdateCertificateOptions")
def update_certificate_options(call: Call, request: Request) -> Response:
    """Change the options that can be changed.

    https://docs.aws.amazon.com/acm/latest/APIReference/API_UpdateCertificateOptions.html
    """
    arn, options = request["CertificateArn"], request["Options"]
    known = rows.get_known(call.tx, call.account, call.region, arn)
    certificate, state = known.certificate, known.status(call.now)
    if certificate.kind is Kind.IMPORTED:
        raise errors.validation(f"Certificate {arn} was imported: it has no options.")
    if options.get("CertificateTransparencyLoggingPreference", "ENABLED") != "ENABLED":
        raise errors.validation("Certificate transparency logging opt-out is no longer available.")
    method = options.get("ValidationMethod")
    # From email to DNS is the one way, for a certificate that mail has proved: there is none here.
    if method is not None and (method != "DNS" or certificate.method is not Method.DNS):
        raise errors.invalid_state(
            f"The validation method of certificate {arn} can't be changed while it is"
            f" {state.value}. Request a new certificate that is validated by DNS."
        )
    export = options.get("Export")
    if export is not None and (export == "ENABLED") != certificate.exportable:
        raise errors.validation(
            "The value of Export can't be changed after the certificate is created."
        )
    return {}


@operation("ListCertificateDomainValidations")
def list_certificate_domain_validations(call: Call, request: Request) -> Response:
    """How each name of the certificate is proved, and where that stands.

    https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificateDomainValidations.html
    """
    known = rows.get_known(call.tx, call.account, call.region, request["CertificateArn"])
    shown = []
    if known.certificate.kind is not Kind.IMPORTED:
        detail = views.detail(known, call.now)
        shown = [_summary(validation) for validation in detail["DomainValidationOptions"]]
    return page("DomainValidationSummaryList", shown, request, size=request.get("MaxItems"))


def _summary(validation: dict[str, Any]) -> dict[str, Any]:
    if validation["ValidationMethod"] == "EMAIL":
        fields = ("ValidationEmails", "ValidationDomain")
        challenge = {"EmailValidationChallenge": {name: validation[name] for name in fields}}
    elif "ResourceRecord" not in validation:
        # Through an ACME endpoint: its own validations prove the names.
        return {"DomainName": validation["DomainName"]}
    else:
        record = {"ResourceRecord": validation["ResourceRecord"]}
        challenge = {"DnsValidationChallenge": record}
    return {
        "DomainName": validation["DomainName"],
        "ActiveValidationConfiguration": {
            "ValidationMethod": validation["ValidationMethod"],
            "ValidationStatus": validation["ValidationStatus"],
            "ValidationChallenge": challenge,
        },
    }
