"""ACME endpoints: servers of RFC 8555 that issue for names proved beforehand.

https://docs.aws.amazon.com/acm/latest/userguide/acm-acme-issuance.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.certificate_tags import parsed_tags
from hiyoko.services.acm.certificates import page
from hiyoko.services.acm.model import AcmeEndpoint
from hiyoko.services.acm.requests import ISSUED_KEY_ALGORITHMS

ENDPOINTS_MAX = 25


@operation("CreateAcmeEndpoint")
def create_acme_endpoint(call: Call, request: Request) -> Response:
    """Make an endpoint. The same idempotency token gives the one that it made."""
    algorithms = _key_algorithms(request["CertificateAuthority"])
    there = _all(call)
    token = request.get("IdempotencyToken")
    for other in there:
        if token is not None and other.idempotency_token == token:
            return {"AcmeEndpointArn": other.arn}
    if len(there) >= ENDPOINTS_MAX:
        raise errors.quota_exceeded(f"An account can have {ENDPOINTS_MAX} ACME endpoints.")
    endpoint_id = call.ids.uuid()
    endpoint = AcmeEndpoint(
        arn=call.arn("acm", f"acme-endpoint/{endpoint_id}"),
        account=call.account,
        region=call.region,
        endpoint_id=endpoint_id,
        contact_required=request.get("Contact") == "REQUIRED",
        key_algorithms=algorithms,
        created_at=call.now,
        updated_at=call.now,
        idempotency_token=token,
        tags=parsed_tags(request.get("Tags") or ()),
        certificate_tags=parsed_tags(request.get("CertificateTags") or ()),
    )
    rows.ACME_ENDPOINTS.insert(call.tx, endpoint)
    return {"AcmeEndpointArn": endpoint.arn}


@operation("DescribeAcmeEndpoint")
def describe_acme_endpoint(call: Call, request: Request) -> Response:
    """One endpoint."""
    return {"AcmeEndpoint": _view(get_endpoint(call, request["AcmeEndpointArn"]))}


@operation("ListAcmeEndpoints")
def list_acme_endpoints(call: Call, request: Request) -> Response:
    """The endpoints of the Region."""
    shown = [_view(endpoint) for endpoint in _all(call)]
    return page("AcmeEndpoints", shown, request, size=request.get("MaxResults"), default=100)


@operation("UpdateAcmeEndpoint")
def update_acme_endpoint(call: Call, request: Request) -> Response:
    """Change what clients must give and which keys they may have."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    changed = replace(endpoint, updated_at=call.now)
    if (contact := request.get("Contact")) is not None:
        changed = replace(changed, contact_required=contact == "REQUIRED")
    if (authority := request.get("CertificateAuthority")) is not None:
        changed = replace(changed, key_algorithms=_key_algorithms(authority))
    rows.ACME_ENDPOINTS.put(call.tx, changed)
    return {}


@operation("DeleteAcmeEndpoint")
def delete_acme_endpoint(call: Call, request: Request) -> Response:
    """Delete an endpoint with its validations, bindings, accounts and orders; none is no error."""
    arn = request["AcmeEndpointArn"]
    endpoint = rows.ACME_ENDPOINTS.find(call.tx, arn=arn)
    if endpoint is None or not owned(call, endpoint):
        return {}
    for account in rows.ACME_ACCOUNTS.list(call.tx, endpoint_arn=arn):
        rows.ACME_ORDERS.delete(call.tx, account_id=account.account_id)
    rows.ACME_ENDPOINTS.delete(call.tx, arn=arn)
    for table in (rows.ACME_VALIDATIONS, rows.ACME_BINDINGS, rows.ACME_ACCOUNTS):
        table.delete(call.tx, endpoint_arn=arn)
    return {}


def get_endpoint(call: Call, arn: str) -> AcmeEndpoint:
    """The account's endpoint. Raises ResourceNotFoundException."""
    found = rows.ACME_ENDPOINTS.find(call.tx, arn=arn)
    if found is None or not owned(call, found):
        raise errors.resource_not_found(f"ACME endpoint {arn}")
    return found


def owned(call: Call, row: Any) -> bool:
    """Is it the caller's, in the caller's Region?"""
    return (row.account, row.region) == (call.account, call.region)


def shown_tags(tags: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Tags as the API gives them."""
    return [{"Key": key, "Value": value} for key, value in tags]


def _all(call: Call) -> list[AcmeEndpoint]:
    return [e for e in rows.ACME_ENDPOINTS.list(call.tx) if owned(call, e)]


def _key_algorithms(authority: dict[str, Any]) -> tuple[str, ...]:
    public = authority.get("PublicCertificateAuthority")
    if public is None:
        raise errors.validation("CertificateAuthority has exactly one member.")
    return tuple(public.get("AllowedKeyAlgorithms") or ISSUED_KEY_ALGORITHMS)


def _view(endpoint: AcmeEndpoint) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "AcmeEndpointArn": endpoint.arn,
        "EndpointUrl": f"{endpoint.url}/directory",
        "Status": "ACTIVE",
        "AuthorizationBehavior": "PRE_APPROVED",
        "Contact": "REQUIRED" if endpoint.contact_required else "NOT_REQUIRED",
        "CertificateAuthority": {
            "PublicCertificateAuthority": {"AllowedKeyAlgorithms": list(endpoint.key_algorithms)}
        },
        "CreatedAt": endpoint.created_at,
        "UpdatedAt": endpoint.updated_at,
    }
    if endpoint.certificate_tags:
        shown["CertificateTags"] = shown_tags(endpoint.certificate_tags)
    return shown
