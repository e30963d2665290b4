"""Services: what instances are registered in, and how they are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.servicediscovery import errors, operations, rows, views, zones
from hiyoko.services.servicediscovery.model import Service
from hiyoko.services.servicediscovery.pages import page
from hiyoko.services.servicediscovery.parsing import dns_in, health_in, records_in
from hiyoko.services.servicediscovery.tagging import tags_in

ATTRIBUTES_MAX = 30


@operation("CreateService")
def create_service(call: Call, request: Request) -> Response:
    """Record a service. Asking again with the same CreatorRequestId returns the first one."""
    reference = (request.get("DnsConfig") or {}).get("NamespaceId") or request.get("NamespaceId")
    if not reference:
        raise errors.invalid_input("NamespaceId must be specified.")
    namespace = rows.get_namespace(call.tx, call.account, call.region, reference)
    name, creator = request["Name"], request.get("CreatorRequestId") or call.ids.uuid()
    routing, records = dns_in(request, namespace)
    others = rows.list_services(call.tx, call.account, call.region, namespace.namespace_id)
    for other in others:
        # DNS does not tell capitals from small letters.
        same = other.name.lower() == name.lower() if records else other.name == name
        if same and other.creator == creator:
            return {"Service": _shown(call, other)}
        if same:
            raise errors.service_already_exists(other.service_id, other.arn, other.creator)
    service_id = f"srv-{call.ids.hex(16)}"
    made = Service(
        account=call.account,
        region=call.region,
        service_id=service_id,
        arn=call.arn("servicediscovery", f"service/{service_id}"),
        namespace_id=namespace.namespace_id,
        name=name,
        created_at=call.now,
        creator=creator,
        description=request.get("Description") or "",
        routing=routing,
        records=records,
        health_check=health_in(request, namespace, records),
        custom_health=request.get("HealthCheckCustomConfig") is not None,
        tags=tags_in(request),
    )
    rows.SERVICES.insert(call.tx, made)
    return {"Service": _shown(call, made)}


@operation("GetService")
def get_service(call: Call, request: Request) -> Response:
    """A service by id or ARN."""
    return {"Service": _shown(call, _get(call, request["Id"]))}


@operation("ListServices")
def list_services(call: Call, request: Request) -> Response:
    """The account's services, all or those of namespaces."""
    found = rows.list_services(call.tx, call.account, call.region)
    for one in request.get("Filters") or ():
        found = [item for item in found if _passes(item, one)]
    shown = [_shown(call, one) for one in found]
    for one in shown:
        for member in ("NamespaceId", "CreatorRequestId"):
            one.pop(member)
    return page(request, "Services", shown)


def _passes(one: Service, wanted: dict[str, Any]) -> bool:
    if (wanted.get("Condition") or "EQ") not in ("EQ", "IN"):
        raise errors.invalid_input(f"The condition {wanted['Condition']} is not for services.")
    values: Sequence[str] = wanted["Values"]
    if wanted["Name"] == "RESOURCE_OWNER":
        return "SELF" in values
    return one.namespace_id in {value.rpartition("/")[2] for value in values}


@operation("UpdateService")
def update_service(call: Call, request: Request) -> Response:
    """Change a service's description, records or health check.

    DNS records that the request leaves out are deleted; the health check stays what kind it is.
    """
    found, change = _get(call, request["Id"]), request["Service"]
    description = change.get("Description")
    changed = replace(found, description=found.description if description is None else description)
    if change.get("DnsConfig"):
        if not found.records:
            raise errors.invalid_input("A service without DNS records cannot get any.")
        changed = replace(changed, records=records_in(change["DnsConfig"]["DnsRecords"]))
    if change.get("HealthCheckConfig"):
        namespace = rows.get_namespace(call.tx, call.account, call.region, found.namespace_id)
        changed = replace(changed, health_check=health_in(change, namespace, changed.records))
    rows.SERVICES.put(call.tx, changed)
    dns = zones.sync(call, changed)
    targets = {"SERVICE": found.service_id, "NAMESPACE": found.namespace_id}
    return operations.begin(call, "UPDATE_SERVICE", targets, dns=dns)


@operation("DeleteService")
def delete_service(call: Call, request: Request) -> Response:
    """Delete a service without instances."""
    found = _get(call, request["Id"])
    if rows.count_instances(call.tx, found.service_id):
        raise errors.resource_in_use(
            "Service contains registered instances; delete the instances before deleting the"
            " service."
        )
    rows.SERVICES.delete(
        call.tx, account=call.account, region=call.region, service_id=found.service_id
    )
    return {}


@operation("GetServiceAttributes")
def get_service_attributes(call: Call, request: Request) -> Response:
    """A service's own attributes."""
    found = _get(call, request["ServiceId"])
    shown = {
        "ServiceArn": found.arn,
        "ResourceOwner": found.account,
        "Attributes": dict(found.attributes),
    }
    return {"ServiceAttributes": shown}


@operation("UpdateServiceAttributes")
def update_service_attributes(call: Call, request: Request) -> Response:
    """Set attributes of a service."""
    found = _get(call, request["ServiceId"])
    merged = {**dict(found.attributes), **request["Attributes"]}
    if len(merged) > ATTRIBUTES_MAX:
        raise errors.too_many_attributes()
    rows.SERVICES.put(call.tx, replace(found, attributes=tuple(merged.items())))
    return {}


@operation("DeleteServiceAttributes")
def delete_service_attributes(call: Call, request: Request) -> Response:
    """Remove attributes of a service by their names."""
    found = _get(call, request["ServiceId"])
    kept = tuple(pair for pair in found.attributes if pair[0] not in request["Attributes"])
    rows.SERVICES.put(call.tx, replace(found, attributes=kept))
    return {}


def _get(call: Call, reference: str) -> Service:
    return rows.get_service(call.tx, call.account, call.region, reference)


def _shown(call: Call, one: Service) -> dict[str, Any]:
    return views.service(one, rows.count_instances(call.tx, one.service_id))
