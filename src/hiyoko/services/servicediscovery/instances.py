"""Instances: registered, told to be healthy or not, deregistered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.servicediscovery import errors, operations, rows, views, zones
from hiyoko.services.servicediscovery.discovery import health
from hiyoko.services.servicediscovery.model import (
    ADDRESS,
    ALIAS,
    CNAME,
    INITIAL_HEALTH,
    PORT,
    Instance,
    Service,
)
from hiyoko.services.servicediscovery.pages import page

ATTRIBUTES_MAX, CHARACTERS_MAX = 30, 5000
"""https://docs.aws.amazon.com/cloud-map/latest/api/API_RegisterInstance.html"""
_NEEDED = {"A": ADDRESS, "SRV": PORT, "CNAME": CNAME}
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")


@operation("RegisterInstance")
def register_instance(call: Call, request: Request) -> Response:
    """Register an instance, or write one of this id anew."""
    service = _service(call, request)
    attributes = dict(request["Attributes"])
    _check(service, request["InstanceId"], attributes)
    old = rows.find_instance(call.tx, service.service_id, request["InstanceId"])
    made = Instance(
        account=call.account,
        region=call.region,
        service_id=service.service_id,
        instance_id=request["InstanceId"],
        creator=request.get("CreatorRequestId") or call.ids.uuid(),
        registered_at=old.registered_at if old else call.now,
        attributes=tuple(sorted(attributes.items())),
        told_health=attributes.get(INITIAL_HEALTH) or "HEALTHY",
    )
    _drop_check(call, old)
    if service.health_check is not None:
        made = replace(made, check_id=_health_check(call, service, made))
    rows.INSTANCES.put(call.tx, made)
    return _changed(call, service, made, "REGISTER_INSTANCE")


def _check(service: Service, instance_id: str, attributes: Mapping[str, str]) -> None:
    """Refuse attributes that cannot be, or that the service's records miss."""
    _check_size(attributes)
    for name in ("AWS_EC2_INSTANCE_ID", "AWS_INSTANCE_IPV6"):
        if attributes.get(name):
            raise unsupported(f"Attributes.{name}")
    if attributes.get(INITIAL_HEALTH):
        if not service.custom_health:
            raise errors.invalid_input(f"{INITIAL_HEALTH} needs a HealthCheckCustomConfig.")
        if attributes[INITIAL_HEALTH] not in ("HEALTHY", "UNHEALTHY"):
            raise errors.invalid_input(f"{INITIAL_HEALTH} must be HEALTHY or UNHEALTHY.")
    if attributes.get(ADDRESS):
        try:
            IPv4Address(attributes[ADDRESS])
        except AddressValueError as error:
            raise errors.invalid_input(f"{ADDRESS} is not an IPv4 address.") from error
    port = attributes.get(PORT)
    if port and not (port.isdigit() and 0 <= int(port) <= 65535):
        raise errors.invalid_input(f"{PORT} must be a number from 0 to 65535.")
    if service.records and not _LABEL.fullmatch(instance_id):
        raise errors.invalid_input(f"{instance_id} cannot be part of a DNS name.")
    _check_records(service, attributes)


def _check_size(attributes: Mapping[str, str]) -> None:
    size = sum(len(key) + len(value) for key, value in attributes.items())
    if len(attributes) > ATTRIBUTES_MAX or size > CHARACTERS_MAX:
        raise errors.invalid_input(
            f"An instance has at most {ATTRIBUTES_MAX} attributes of {CHARACTERS_MAX} characters"
            " in all."
        )


def _check_records(service: Service, attributes: Mapping[str, str]) -> None:
    kinds = [kind for kind, _ in service.records]
    if attributes.get(ALIAS):
        if kinds != ["A"] or service.routing != "WEIGHTED" or attributes.get(ADDRESS):
            raise errors.invalid_input(
                f"{ALIAS} needs a service with an A record and the routing policy WEIGHTED, and"
                f" no {ADDRESS}."
            )
        return
    for kind in kinds:
        if not attributes.get(_NEEDED[kind]):
            raise errors.invalid_input(
                f"Missing required attribute {_NEEDED[kind]} for a service with {kind} records."
            )


def _health_check(call: Call, service: Service, instance: Instance) -> str:
    """Make the instance's Route 53 health check; its id."""
    config = service.health_check
    assert config is not None
    address = instance.attribute(ADDRESS)
    if not address:
        raise errors.invalid_input(f"A health check needs the attribute {ADDRESS}.")
    ports = {"HTTP": "80", "HTTPS": "443"}
    port = instance.attribute(PORT) or ports.get(config.type, "")
    if not port:
        raise errors.invalid_input(f"A health check of type TCP needs the attribute {PORT}.")
    wanted: dict[str, Any] = {
        "Type": config.type,
        "IPAddress": address,
        "Port": int(port),
        "FailureThreshold": config.failure_threshold,
    }
    if config.path:
        wanted["ResourcePath"] = config.path
    request = {"CallerReference": call.ids.uuid(), "HealthCheckConfig": wanted}
    return str(call.invoke("route53", "CreateHealthCheck", request)["HealthCheck"]["Id"])


def _drop_check(call: Call, instance: Instance | None) -> None:
    if instance is not None and instance.check_id:
        call.invoke("route53", "DeleteHealthCheck", {"HealthCheckId": instance.check_id})


def _changed(call: Call, service: Service, instance: Instance, kind: str) -> Response:
    service = replace(service, revision=service.revision + 1)
    rows.SERVICES.put(call.tx, service)
    targets = {
        "INSTANCE": instance.instance_id,
        "SERVICE": service.service_id,
        "NAMESPACE": service.namespace_id,
    }
    return operations.begin(call, kind, targets, dns=zones.sync(call, service))


@operation("DeregisterInstance")
def deregister_instance(call: Call, request: Request) -> Response:
    """Take an instance and its records away."""
    service = _service(call, request)
    found = _instance(call, service, request["InstanceId"])
    rows.INSTANCES.delete(call.tx, service_id=service.service_id, instance_id=found.instance_id)
    answer = _changed(call, service, found, "DEREGISTER_INSTANCE")
    _drop_check(call, found)
    return answer


@operation("GetInstance")
def get_instance(call: Call, request: Request) -> Response:
    """An instance with its attributes."""
    found = _instance(call, _service(call, request), request["InstanceId"])
    shown = views.instance(found) | {"CreatorRequestId": found.creator}
    return {"Instance": shown, "ResourceOwner": found.account}


@operation("ListInstances")
def list_instances(call: Call, request: Request) -> Response:
    """A service's instances."""
    service = _service(call, request)
    found = rows.list_instances(call.tx, service.service_id)
    shown = [views.instance(one) for one in found]
    return page(request, "Instances", shown) | {"ResourceOwner": service.account}


@operation("UpdateInstanceCustomHealthStatus")
def update_instance_custom_health_status(call: Call, request: Request) -> Response:
    """Tell whether an instance is healthy; DNS and DiscoverInstances go by it at once."""
    service = _service(call, request)
    found = _instance(call, service, request["InstanceId"])
    if not service.custom_health:
        raise errors.custom_health_not_found(found.instance_id)
    if found.told_health != request["Status"]:
        rows.INSTANCES.put(call.tx, replace(found, told_health=request["Status"]))
        service = replace(service, revision=service.revision + 1)
        rows.SERVICES.put(call.tx, service)
        zones.sync(call, service)
    return {}


@operation("GetInstancesHealthStatus")
def get_instances_health_status(call: Call, request: Request) -> Response:
    """The health of a service's instances: HEALTHY, UNHEALTHY, or UNKNOWN without a check."""
    service = _service(call, request)
    if request.get("Instances"):
        found = [_instance(call, service, one) for one in request["Instances"]]
    else:
        found = rows.list_instances(call.tx, service.service_id)
    shown = [{one.instance_id: health(call, service, one)} for one in found]
    answer = page(request, "Status", shown)
    answer["Status"] = {key: value for one in answer["Status"] for key, value in one.items()}
    return answer


def _service(call: Call, request: Request) -> Service:
    return rows.get_service(call.tx, call.account, call.region, request["ServiceId"])


def _instance(call: Call, service: Service, instance_id: str) -> Instance:
    found = rows.find_instance(call.tx, service.service_id, instance_id)
    if found is None:
        raise errors.instance_not_found(instance_id)
    return found
