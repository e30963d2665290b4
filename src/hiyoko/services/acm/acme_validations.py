"""Which names an ACME endpoint may issue for: proved once by a CNAME, good until it is gone.

https://docs.aws.amazon.com/acm/latest/userguide/acm-acme-domain-validation.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.acme_endpoints import get_endpoint, owned
from hiyoko.services.acm.certificate_tags import parsed_tags
from hiyoko.services.acm.certificates import page
from hiyoko.services.acm.model import AcmeDomainValidation
from hiyoko.services.acm.requests import check_name
from hiyoko.services.acm.seen import ACME_VALIDATIONS_SEEN
from hiyoko.services.acm.validation import validation_for

TTL_S = 300


@operation("CreateAcmeDomainValidation")
def create_acme_domain_validation(call: Call, request: Request) -> Response:
    """Record the wish, and write the CNAME where a hosted zone is named."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    domain = request["DomainName"].lower()
    check_name(domain)
    token = request.get("IdempotencyToken")
    for other in rows.ACME_VALIDATIONS.list(call.tx, endpoint_arn=endpoint.arn):
        if token is not None and other.idempotency_token == token:
            return {"AcmeDomainValidationArn": other.arn}
        if other.domain == domain:
            raise errors.conflict(f"The endpoint has a domain validation for {domain} already.")
    wanted = AcmeDomainValidation(
        arn=f"{endpoint.arn}/acme-domain-validation/{call.ids.uuid()}",
        endpoint_arn=endpoint.arn,
        account=call.account,
        region=call.region,
        domain=domain,
        exact=True,
        subdomains=False,
        wildcards=False,
        validation=validation_for(call.account, domain, endpoint.endpoint_id),
        created_at=call.now,
        updated_at=call.now,
        idempotency_token=token,
        tags=parsed_tags(request.get("Tags") or ()),
    )
    made = _with_options(call, wanted, request["PrevalidationOptions"])
    rows.ACME_VALIDATIONS.insert(call.tx, made)
    return {"AcmeDomainValidationArn": made.arn}


@operation("DescribeAcmeDomainValidation")
def describe_acme_domain_validation(call: Call, request: Request) -> Response:
    """One validation, with the record to publish."""
    found = _get(call, request["AcmeDomainValidationArn"])
    return {"AcmeDomainValidation": _view(call, found)}


@operation("ListAcmeDomainValidations")
def list_acme_domain_validations(call: Call, request: Request) -> Response:
    """The validations of an endpoint."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    found = rows.ACME_VALIDATIONS.list(call.tx, endpoint_arn=endpoint.arn)
    shown = [_view(call, validation) for validation in found]
    size = request.get("MaxResults")
    return page("AcmeDomainValidations", shown, request, size=size, default=100)


@operation("UpdateAcmeDomainValidation")
def update_acme_domain_validation(call: Call, request: Request) -> Response:
    """Change the scope, or the hosted zone; another 72 hours to prove it."""
    found = _get(call, request["AcmeDomainValidationArn"])
    if (options := request.get("PrevalidationOptions")) is not None:
        changed = _with_options(call, replace(found, failure="", updated_at=call.now), options)
        rows.ACME_VALIDATIONS.put(call.tx, changed)
    return {}


@operation("DeleteAcmeDomainValidation")
def delete_acme_domain_validation(call: Call, request: Request) -> Response:
    """Issue for these names no longer. None is no error."""
    arn = request["AcmeDomainValidationArn"]
    found = rows.ACME_VALIDATIONS.find(call.tx, arn=arn)
    if found is not None and owned(call, found):
        rows.ACME_VALIDATIONS.delete(call.tx, arn=arn)
        ACME_VALIDATIONS_SEEN.delete(call.tx, arn=arn)
    return {}


def _with_options(
    call: Call, wanted: AcmeDomainValidation, options: Mapping[str, Any]
) -> AcmeDomainValidation:
    given = options.get("DnsPrevalidation")
    if given is None:
        raise errors.validation("PrevalidationOptions has exactly one member.")
    scope = given.get("DomainScope")
    if scope is not None:
        wanted = replace(
            wanted,
            exact=scope.get("ExactDomain", "DISABLED") == "ENABLED",
            subdomains=scope.get("Subdomains", "DISABLED") == "ENABLED",
            wildcards=scope.get("Wildcards", "DISABLED") == "ENABLED",
        )
    if not (wanted.exact or wanted.subdomains or wanted.wildcards):
        raise errors.validation("A domain scope must have at least one option that is ENABLED.")
    zone_id = given.get("HostedZoneId")
    if zone_id is None:
        return wanted
    return replace(wanted, hosted_zone_id=zone_id, failure=_publish(call, wanted, zone_id))


def _publish(call: Call, wanted: AcmeDomainValidation, zone_id: str) -> str:
    """Write the CNAME into the hosted zone; the failure reason when that cannot be."""
    record = {
        "Name": wanted.validation.name,
        "Type": "CNAME",
        "TTL": TTL_S,
        "ResourceRecords": [{"Value": wanted.validation.value}],
    }
    change = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    request = {"HostedZoneId": zone_id, "ChangeBatch": change}
    try:
        with call.tx.savepoint():
            call.invoke("route53", "ChangeResourceRecordSets", request)
    except AwsError as error:
        missing = error.code in ("NoSuchHostedZone", "AccessDenied")
        return "HOSTED_ZONE_NOT_FOUND" if missing else "INVALID_CHANGE_BATCH"
    return ""


def _get(call: Call, arn: str) -> AcmeDomainValidation:
    found = rows.ACME_VALIDATIONS.find(call.tx, arn=arn)
    if found is None or not owned(call, found):
        raise errors.resource_not_found(f"ACME domain validation {arn}")
    return found


def _view(call: Call, validation: AcmeDomainValidation) -> dict[str, Any]:
    found = ACME_VALIDATIONS_SEEN.find(call.tx, arn=validation.arn) is not None
    status = validation.status(found, call.now)
    scope = (
        ("ExactDomain", validation.exact),
        ("Subdomains", validation.subdomains),
        ("Wildcards", validation.wildcards),
    )
    record = validation.validation
    details: dict[str, Any] = {
        "DomainScope": {name: "ENABLED" if on else "DISABLED" for name, on in scope},
        "ResourceRecord": {"Name": record.name, "Type": "CNAME", "Value": record.value},
    }
    if validation.hosted_zone_id is not None:
        details["HostedZoneId"] = validation.hosted_zone_id
    shown: dict[str, Any] = {
        "AcmeDomainValidationArn": validation.arn,
        "AcmeEndpointArn": validation.endpoint_arn,
        "DomainName": validation.domain,
        "PrevalidationType": "DNS_PREVALIDATION",
        "PrevalidationDetails": {"DnsPrevalidation": details},
        "Status": status,
        "CreatedAt": validation.created_at,
        "UpdatedAt": validation.updated_at,
    }
    if status == "INVALID":
        reason = validation.failure or "TIMED_OUT"
        message = f"The record {record.name} could not be validated: {reason}."
        shown["FailureDetails"] = {"Reason": reason, "Message": message}
    return shown
