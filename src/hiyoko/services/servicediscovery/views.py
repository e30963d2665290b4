"""Models as Cloud Map shows them."""

from __future__ import annotations

from typing import Any

from hiyoko.services.servicediscovery.model import Instance, Namespace, Service

Shown = dict[str, Any]


def namespace(one: Namespace, services: int) -> Shown:
    """A Namespace."""
    properties: Shown = {"HttpProperties": {"HttpName": one.name}}
    if one.zone_id:
        soa = {"TTL": one.soa_ttl_s}
        properties["DnsProperties"] = {"HostedZoneId": one.zone_id, "SOA": soa}
    shown: Shown = {
        "Id": one.namespace_id,
        "Arn": one.arn,
        "ResourceOwner": one.account,
        "Name": one.name,
        "Type": one.kind,
        "ServiceCount": services,
        "Properties": properties,
        "CreateDate": one.created_at,
        "CreatorRequestId": one.creator,
    }
    return shown | ({"Description": one.description} if one.description else {})


def service(one: Service, instances: int) -> Shown:
    """A Service."""
    shown: Shown = {
        "Id": one.service_id,
        "Arn": one.arn,
        "ResourceOwner": one.account,
        "Name": one.name,
        "NamespaceId": one.namespace_id,
        "InstanceCount": instances,
        "Type": one.kind,
        "CreateDate": one.created_at,
        "CreatorRequestId": one.creator,
        "CreatedByAccount": one.account,
    }
    if one.description:
        shown["Description"] = one.description
    if one.records:
        shown["DnsConfig"] = {
            "NamespaceId": one.namespace_id,
            "RoutingPolicy": one.routing,
            "DnsRecords": [{"Type": kind, "TTL": ttl} for kind, ttl in one.records],
        }
    if one.custom_health:
        shown["HealthCheckCustomConfig"] = {"FailureThreshold": 1}
    if one.health_check is not None:
        check = one.health_check
        shown["HealthCheckConfig"] = {
            "Type": check.type,
            "FailureThreshold": check.failure_threshold,
            **({"ResourcePath": check.path} if check.path else {}),
        }
    return shown


def instance(one: Instance) -> Shown:
    """An InstanceSummary."""
    return {
        "Id": one.instance_id,
        "Attributes": dict(one.attributes),
        "CreatedByAccount": one.account,
    }


def tags(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """A TagList."""
    return [{"Key": key, "Value": value} for key, value in pairs]
