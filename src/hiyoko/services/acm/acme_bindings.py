"""External account bindings (RFC 8555, section 7.3.4), the accounts that came by them, and tags.

The MAC key of a binding is derived from a secret of the key store, so no row holds it.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.acm import errors, rows
from hiyoko.services.acm.acme_endpoints import get_endpoint, owned, shown_tags
from hiyoko.services.acm.certificate_tags import parsed_tags
from hiyoko.services.acm.certificates import page
from hiyoko.services.acm.key_store import key_store
from hiyoko.services.acm.model import AcmeAccount, AcmeBinding, AcmeDomainValidation, AcmeEndpoint

_UNITS_S = {"MINUTES": 60, "HOURS": 3600, "DAYS": 86400}


@operation("CreateAcmeExternalAccountBinding")
def create_acme_external_account_binding(call: Call, request: Request) -> Response:
    """Make a binding; its credentials are fetched separately."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    token, role_arn = request.get("IdempotencyToken"), request["RoleArn"]
    for other in rows.ACME_BINDINGS.list(call.tx, endpoint_arn=endpoint.arn):
        if token is not None and other.idempotency_token == token:
            return {"ExternalAccountBinding": _view(other)}
    _check_role(call, role_arn)
    expiration = request.get("Expiration")
    lasts_s = expiration["Value"] * _UNITS_S[expiration["Type"]] if expiration else None
    binding = AcmeBinding(
        arn=f"{endpoint.arn}/acme-external-account-binding/{call.ids.uuid()}",
        endpoint_arn=endpoint.arn,
        account=call.account,
        region=call.region,
        role_arn=role_arn,
        key_id=call.ids.hex(20).upper(),
        created_at=call.now,
        updated_at=call.now,
        expires_at=call.now + lasts_s if lasts_s is not None else None,
        idempotency_token=token,
        tags=parsed_tags(request.get("Tags") or ()),
    )
    rows.ACME_BINDINGS.insert(call.tx, binding)
    return {"ExternalAccountBinding": _view(binding)}


@operation("DescribeAcmeExternalAccountBinding")
def describe_acme_external_account_binding(call: Call, request: Request) -> Response:
    """One binding."""
    return {"ExternalAccountBinding": _view(_get(call, request))}


@operation("GetAcmeExternalAccountBindingCredentials")
def get_acme_external_account_binding_credentials(call: Call, request: Request) -> Response:
    """What a client registers with."""
    binding = _get(call, request)
    mac_key = base64.urlsafe_b64encode(mac_key_of(binding)).decode().rstrip("=")
    return {"KeyId": binding.key_id, "MacKey": mac_key}


@operation("ListAcmeExternalAccountBindings")
def list_acme_external_account_bindings(call: Call, request: Request) -> Response:
    """The bindings of an endpoint."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    shown = [_view(b) for b in rows.ACME_BINDINGS.list(call.tx, endpoint_arn=endpoint.arn)]
    size = request.get("MaxResults")
    return page("ExternalAccountBindings", shown, request, size=size, default=100)


@operation("RevokeAcmeExternalAccountBinding")
def revoke_acme_external_account_binding(call: Call, request: Request) -> Response:
    """Let no new account in; those that came by it stay."""
    binding = _get(call, request)
    if binding.revoked_at is not None:
        raise errors.conflict(f"{binding.arn} is revoked already.")
    rows.ACME_BINDINGS.put(call.tx, replace(binding, revoked_at=call.now, updated_at=call.now))
    return {}


@operation("DeleteAcmeExternalAccountBinding")
def delete_acme_external_account_binding(call: Call, request: Request) -> Response:
    """Delete a binding. None is no error."""
    arn = request["AcmeExternalAccountBindingArn"]
    found = rows.ACME_BINDINGS.find(call.tx, arn=arn)
    if found is not None and owned(call, found):
        rows.ACME_BINDINGS.delete(call.tx, arn=arn)
    return {}


@operation("ListAcmeAccounts")
def list_acme_accounts(call: Call, request: Request) -> Response:
    """The accounts of an endpoint."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    found = rows.ACME_ACCOUNTS.list(call.tx, endpoint_arn=endpoint.arn)
    shown = [_account(endpoint, account) for account in found]
    return page("AcmeAccounts", shown, request, size=request.get("MaxResults"), default=100)


@operation("DescribeAcmeAccount")
def describe_acme_account(call: Call, request: Request) -> Response:
    """One account, by its URL."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    return {"AcmeAccount": _account(endpoint, _find_account(call, endpoint, request["AccountUrl"]))}


@operation("RevokeAcmeAccount")
def revoke_acme_account(call: Call, request: Request) -> Response:
    """Let an account ask for nothing any more, for ever."""
    endpoint = get_endpoint(call, request["AcmeEndpointArn"])
    account = _find_account(call, endpoint, request["AccountUrl"])
    if account.status != "VALID":
        raise errors.conflict(f"The account is {account.status} already.")
    rows.ACME_ACCOUNTS.put(call.tx, replace(account, status="REVOKED"))
    return {}


@operation("TagResource")
def tag_resource(call: Call, request: Request) -> Response:
    """Add tags to an endpoint, a validation or a binding, or replace their values."""
    table, row = _tagged(call, request["ResourceArn"])
    tags = parsed_tags([*shown_tags(row.tags), *request["Tags"]])
    table.put(call.tx, replace(row, tags=tags))
    return {}


@operation("UntagResource")
def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags by their keys."""
    table, row = _tagged(call, request["ResourceArn"])
    tags = tuple((key, value) for key, value in row.tags if key not in request["TagKeys"])
    table.put(call.tx, replace(row, tags=tags))
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, request: Request) -> Response:
    """The tags of an endpoint, a validation or a binding."""
    _, row = _tagged(call, request["ResourceArn"])
    return {"Tags": shown_tags(row.tags)} if row.tags else {}


def mac_key_of(binding: AcmeBinding) -> bytes:
    """The key by which a client proves that it was given the binding."""
    return key_store().secret(f"acme binding {binding.arn}")


def account_url(endpoint: AcmeEndpoint, account_id: str) -> str:
    """Where an account is, and what it is known by."""
    return f"{endpoint.url}/acct/{account_id}"


def _check_role(call: Call, role_arn: str) -> None:
    """The role must be there. What it may do is not looked at, as nowhere here."""
    try:
        call.invoke("iam", "GetRole", {"RoleName": role_arn.rsplit("/", 1)[-1]})
    except AwsError as error:
        if error.code == "NotImplemented":
            raise
        raise errors.validation(f"The role {role_arn} does not exist.") from error


def _tagged(call: Call, arn: str) -> tuple[Any, AcmeEndpoint | AcmeDomainValidation | AcmeBinding]:
    for table in (rows.ACME_ENDPOINTS, rows.ACME_VALIDATIONS, rows.ACME_BINDINGS):
        found = table.find(call.tx, arn=arn)
        if found is not None and owned(call, found):
            return table, found
    raise errors.resource_not_found(f"resource {arn}")


def _get(call: Call, request: Request) -> AcmeBinding:
    arn = request["AcmeExternalAccountBindingArn"]
    found = rows.ACME_BINDINGS.find(call.tx, arn=arn)
    if found is None or not owned(call, found):
        raise errors.resource_not_found(f"ACME external account binding {arn}")
    return found


def _find_account(call: Call, endpoint: AcmeEndpoint, url: str) -> AcmeAccount:
    found = rows.ACME_ACCOUNTS.find(call.tx, account_id=url.rsplit("/", 1)[-1])
    if found is None or account_url(endpoint, found.account_id) != url:
        raise errors.resource_not_found(f"ACME account {url}")
    return found


def _view(binding: AcmeBinding) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "AcmeExternalAccountBindingArn": binding.arn,
        "AcmeEndpointArn": binding.endpoint_arn,
        "RoleArn": binding.role_arn,
        "CreatedAt": binding.created_at,
        "UpdatedAt": binding.updated_at,
    }
    moments = (
        ("ExpiresAt", binding.expires_at),
        ("RevokedAt", binding.revoked_at),
        ("LastUsedAt", binding.last_used_at),
    )
    return shown | {name: moment for name, moment in moments if moment is not None}


def _account(endpoint: AcmeEndpoint, account: AcmeAccount) -> dict[str, Any]:
    return {
        "AccountUrl": account_url(endpoint, account.account_id),
        "PublicKeyThumbprint": account.thumbprint,
        "Status": account.status,
        "CreatedAt": account.created_at,
        "AcmeExternalAccountBindingArn": account.binding_arn,
        "Contacts": list(account.contacts),
    }
