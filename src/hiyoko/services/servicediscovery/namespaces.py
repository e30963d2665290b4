"""Namespaces: private and public ones with a hosted zone, and those for the API only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.servicediscovery import errors, operations, rows, views, zones
from hiyoko.services.servicediscovery.model import Namespace
from hiyoko.services.servicediscovery.pages import page
from hiyoko.services.servicediscovery.tagging import tags_in


@operation("CreatePrivateDnsNamespace")
def create_private_dns_namespace(call: Call, request: Request) -> Response:
    """Record a namespace with a private hosted zone that one VPC sees."""
    return _create(call, request, "DNS_PRIVATE")


@operation("CreatePublicDnsNamespace")
def create_public_dns_namespace(call: Call, request: Request) -> Response:
    """Record a namespace with a public hosted zone."""
    return _create(call, request, "DNS_PUBLIC")


@operation("CreateHttpNamespace")
def create_http_namespace(call: Call, request: Request) -> Response:
    """Record a namespace whose services are found by the API only."""
    return _create(call, request, "HTTP")


def _create(call: Call, request: Request, kind: str) -> Response:
    earlier = _begun_with(call, request)
    if earlier:
        return {"OperationId": earlier}
    made = _wanted(call, request, kind)
    for other in rows.list_namespaces(call.tx, call.account, call.region):
        if (other.name, other.kind, other.vpc_id) == (made.name, kind, made.vpc_id):
            raise errors.namespace_already_exists(other.namespace_id, other.creator)
    targets = {"NAMESPACE": made.namespace_id}
    if kind != "HTTP":
        try:
            made = replace(made, zone_id=zones.create(call, made))
        except AwsError as error:
            # Route 53 refuses before it writes: the operation has failed, nothing was made.
            return operations.begin(
                call, "CREATE_NAMESPACE", targets, dns=False, creator=made.creator, failure=error
            )
    rows.NAMESPACES.insert(call.tx, made)
    return operations.begin(
        call, "CREATE_NAMESPACE", targets, dns=kind != "HTTP", creator=made.creator
    )


def _begun_with(call: Call, request: Request) -> str:
    """The operation that an earlier request with the same CreatorRequestId began."""
    creator = request.get("CreatorRequestId")
    for one in rows.list_operations(call.tx, call.account, call.region) if creator else ():
        if one.type == "CREATE_NAMESPACE" and one.creator == creator:
            return one.operation_id
    return ""


def _wanted(call: Call, request: Request, kind: str) -> Namespace:
    namespace_id = f"ns-{call.ids.hex(16)}"
    soa = ((request.get("Properties") or {}).get("DnsProperties") or {}).get("SOA") or {}
    return Namespace(
        account=call.account,
        region=call.region,
        namespace_id=namespace_id,
        arn=call.arn("servicediscovery", f"namespace/{namespace_id}"),
        name=request["Name"].rstrip("."),
        kind=kind,
        created_at=call.now,
        creator=request.get("CreatorRequestId") or call.ids.uuid(),
        description=request.get("Description") or "",
        vpc_id=request.get("Vpc") or "",
        soa_ttl_s=0 if kind == "HTTP" else int(soa.get("TTL", zones.SOA_TTL_S)),
        tags=tags_in(request),
    )


@operation("GetNamespace")
def get_namespace(call: Call, request: Request) -> Response:
    """A namespace by id or ARN."""
    return {"Namespace": _shown(call, _get(call, request))}


@operation("ListNamespaces")
def list_namespaces(call: Call, request: Request) -> Response:
    """The account's namespaces, by type or name."""
    found = rows.list_namespaces(call.tx, call.account, call.region)
    for one in request.get("Filters") or ():
        found = [item for item in found if _passes(item, one)]
    shown = [_shown(call, one) for one in found]
    for one in shown:
        one.pop("CreatorRequestId")
    return page(request, "Namespaces", shown)


def _passes(one: Namespace, wanted: dict[str, Any]) -> bool:
    name, values = wanted["Name"], wanted["Values"]
    if name == "RESOURCE_OWNER":
        return "SELF" in values
    told = one.kind if name == "TYPE" else one.name
    match wanted.get("Condition") or "EQ":
        case "BEGINS_WITH" if name != "TYPE":
            return any(told.startswith(value) for value in values)
        case "EQ" | "IN":
            return told in values
        case other:
            raise errors.invalid_input(f"The condition {other} is not for the filter {name}.")


@operation("UpdatePrivateDnsNamespace")
def update_private_dns_namespace(call: Call, request: Request) -> Response:
    """Change a private namespace's description or its SOA's TTL."""
    return _update(call, request, "DNS_PRIVATE")


@operation("UpdatePublicDnsNamespace")
def update_public_dns_namespace(call: Call, request: Request) -> Response:
    """Change a public namespace's description or its SOA's TTL."""
    return _update(call, request, "DNS_PUBLIC")


@operation("UpdateHttpNamespace")
def update_http_namespace(call: Call, request: Request) -> Response:
    """Change an HTTP namespace's description."""
    return _update(call, request, "HTTP")


def _update(call: Call, request: Request, kind: str) -> Response:
    found, change = _get(call, request), request["Namespace"]
    if found.kind != kind:
        raise errors.invalid_input(f"Namespace {found.namespace_id} has the type {found.kind}.")
    soa = ((change.get("Properties") or {}).get("DnsProperties") or {}).get("SOA")
    description = change.get("Description")
    changed = replace(
        found,
        description=found.description if description is None else description,
        soa_ttl_s=int(soa["TTL"]) if soa else found.soa_ttl_s,
    )
    new_ttl = changed.soa_ttl_s != found.soa_ttl_s
    if new_ttl:
        zones.set_soa_ttl(call, changed)
    rows.NAMESPACES.put(call.tx, changed)
    targets = {"NAMESPACE": found.namespace_id}
    return operations.begin(call, "UPDATE_NAMESPACE", targets, dns=new_ttl)


@operation("DeleteNamespace")
def delete_namespace(call: Call, request: Request) -> Response:
    """Delete an empty namespace, and its hosted zone with it."""
    found = _get(call, request)
    if rows.list_services(call.tx, call.account, call.region, found.namespace_id):
        raise errors.resource_in_use("Namespace has associated services.")
    if found.zone_id:
        zones.delete(call, found)
    rows.NAMESPACES.delete(
        call.tx, account=call.account, region=call.region, namespace_id=found.namespace_id
    )
    targets = {"NAMESPACE": found.namespace_id}
    return operations.begin(call, "DELETE_NAMESPACE", targets, dns=bool(found.zone_id))


def _get(call: Call, request: Request) -> Namespace:
    return rows.get_namespace(call.tx, call.account, call.region, request["Id"])


def _shown(call: Call, one: Namespace) -> dict[str, Any]:
    services = rows.list_services(call.tx, call.account, call.region, one.namespace_id)
    return views.namespace(one, len(services))
