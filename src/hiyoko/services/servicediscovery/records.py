"""The record sets that a service's instances ask for. Pure.

https://docs.aws.amazon.com/cloud-map/latest/api/API_DnsRecord.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiyoko.services.servicediscovery.model import ADDRESS, ALIAS, CNAME, PORT, Instance, Service

Shown = dict[str, Any]
Key = tuple[str, str, str]
PRIORITY = WEIGHT = 1
"""Of every SRV record; Cloud Map lets nobody change them."""


def service_name(service: Service, namespace: str) -> str:
    """The name at which a service's instances answer, absolute."""
    return f"{service.name}.{namespace}.".lower()


def answering(instances: Sequence[Instance]) -> list[Instance]:
    """Those that DNS names: the healthy ones, and all when none is.

    As Route 53 does with a group of which every set is unhealthy.
    """
    healthy = [one for one in instances if one.told_health == "HEALTHY"]
    return healthy or list(instances)


def wanted_records(
    service: Service,
    namespace: str,
    instances: Sequence[Instance],
    alias_zones: Mapping[str, str],
) -> dict[Key, Shown]:
    """ResourceRecordSets by name, type and set identifier.

    ``alias_zones``: hosted zone ids of load balancers, by the DNS name that an alias leads to.
    """
    name = service_name(service, namespace)
    found: list[Shown] = []
    for instance in answering(instances):
        for kind, ttl in service.records:
            found += _records(service, name, instance, kind, ttl, alias_zones)
    return {(one["Name"], one["Type"], one["SetIdentifier"]): one for one in found}


def _records(
    service: Service,
    name: str,
    instance: Instance,
    kind: str,
    ttl: int,
    alias_zones: Mapping[str, str],
) -> list[Shown]:
    alias = instance.attribute(ALIAS)
    if alias:
        target = {
            "HostedZoneId": alias_zones.get(alias, ""),
            "DNSName": alias,
            "EvaluateTargetHealth": True,
        }
        return [_set(service, instance, name, kind) | {"AliasTarget": target}]
    if kind == "SRV":
        host = f"{instance.instance_id}.{name}".lower()
        value = f"{PRIORITY} {WEIGHT} {instance.attribute(PORT)} {host}"
        records = [_plain(service, instance, name, kind, ttl, value)]
        address = instance.attribute(ADDRESS)
        if address:
            records.append(_plain(service, instance, host, "A", ttl, address))
        return records
    value = instance.attribute(CNAME if kind == "CNAME" else ADDRESS)
    return [_plain(service, instance, name, kind, ttl, value)]


def _plain(
    service: Service, instance: Instance, name: str, kind: str, ttl: int, value: str
) -> Shown:
    values = {"TTL": ttl, "ResourceRecords": [{"Value": value}]}
    return _set(service, instance, name, kind) | values


def _set(service: Service, instance: Instance, name: str, kind: str) -> Shown:
    record: Shown = {"Name": name, "Type": kind, "SetIdentifier": instance.instance_id}
    if service.routing == "WEIGHTED":
        record["Weight"] = WEIGHT
    else:
        record["MultiValueAnswer"] = True
    if instance.check_id:
        record["HealthCheckId"] = instance.check_id
    return record
