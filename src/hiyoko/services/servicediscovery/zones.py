"""A namespace's hosted zone: everything that Cloud Map asks of Route 53."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import Call
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.model import canonical_hosted_zone_id
from hiyoko.services.route53 import rows as route53
from hiyoko.services.servicediscovery import errors, rows
from hiyoko.services.servicediscovery.model import ALIAS, Namespace, Service
from hiyoko.services.servicediscovery.records import Key, service_name, wanted_records

SOA_TTL_S = 15
"""A namespace's own; how long an answer that says "no such name" may be kept."""


def create(call: Call, namespace: Namespace) -> str:
    """Make the namespace's zone; its id. Raises Route 53's errors."""
    request: dict[str, Any] = {
        "Name": namespace.name,
        "CallerReference": namespace.namespace_id,
        "HostedZoneConfig": {"Comment": namespace.description},
        "Owner": namespace.arn,
    }
    if namespace.vpc_id:
        request["VPC"] = {"VPCId": namespace.vpc_id, "VPCRegion": namespace.region}
    answer = call.invoke("route53", "_CreateLinkedZone", request)
    zone_id = str(answer["HostedZone"]["Id"]).rpartition("/")[2]
    set_soa_ttl(call, replace(namespace, zone_id=zone_id))
    return zone_id


def set_soa_ttl(call: Call, namespace: Namespace) -> None:
    """Write the zone's SOA with the namespace's TTL."""
    found = route53.list_records(call.tx, namespace.zone_id)
    soa = next(one for one in found if one.type == "SOA")
    record = {
        "Name": soa.name,
        "Type": "SOA",
        "TTL": namespace.soa_ttl_s,
        "ResourceRecords": [{"Value": value} for value in soa.values],
    }
    _change(call, namespace, [{"Action": "UPSERT", "ResourceRecordSet": record}])


def delete(call: Call, namespace: Namespace) -> None:
    """Delete the namespace's zone, which no service has records in."""
    call.invoke("route53", "_DeleteLinkedZone", {"Id": namespace.zone_id})


def sync(call: Call, service: Service) -> bool:
    """Let the zone hold what the service's instances ask for; whether that changed it."""
    namespace = rows.get_namespace(call.tx, service.account, service.region, service.namespace_id)
    if not namespace.zone_id:
        return False
    present = _present(call, namespace, service)
    instances = rows.list_instances(call.tx, service.service_id)
    aliases = {one.attribute(ALIAS) for one in instances} - {""}
    zones = {alias: _alias_zone(call, alias) for alias in aliases}
    wanted = wanted_records(service, namespace.name, instances, zones) if service.records else {}
    drops = [
        {"Action": "DELETE", "ResourceRecordSet": present[key]}
        for key in present.keys() - wanted.keys()
    ]
    puts = [
        {"Action": "UPSERT", "ResourceRecordSet": record}
        for key, record in wanted.items()
        if present.get(key) != record
    ]
    if drops or puts:
        _change(call, namespace, [*drops, *puts])
    return bool(drops or puts)


def _present(call: Call, namespace: Namespace, service: Service) -> dict[Key, dict[str, Any]]:
    """The zone's sets that are the service's: at its name, and at its instances' below."""
    name = service_name(service, namespace.name)
    request = {"HostedZoneId": namespace.zone_id, "MaxItems": "300"}
    found: dict[Key, dict[str, Any]] = {}
    while True:
        answer = call.invoke("route53", "ListResourceRecordSets", request)
        for one in answer["ResourceRecordSets"]:
            mine = one["Name"] == name or one["Name"].endswith(f".{name}")
            if mine and one.get("SetIdentifier"):
                found[one["Name"], one["Type"], one["SetIdentifier"]] = one
        if not answer["IsTruncated"]:
            return found
        request |= {
            "StartRecordName": answer["NextRecordName"],
            "StartRecordType": answer["NextRecordType"],
        }
        if answer.get("NextRecordIdentifier"):
            request["StartRecordIdentifier"] = answer["NextRecordIdentifier"]


def _alias_zone(call: Call, dns_name: str) -> str:
    """The hosted zone of the load balancer that an alias leads to. Raises InvalidInput."""
    bare = dns_name.lower().removeprefix("dualstack.").rstrip(".")
    for balancer in elbv2.LOAD_BALANCERS.list(call.tx):
        if balancer.dns_name.lower() == bare:
            return canonical_hosted_zone_id(balancer.region)
    raise errors.invalid_input(f"No load balancer has the DNS name {dns_name}.")


def _change(call: Call, namespace: Namespace, changes: list[dict[str, Any]]) -> None:
    for start in range(0, len(changes), 200):
        request = {
            "HostedZoneId": namespace.zone_id,
            "ChangeBatch": {"Changes": changes[start : start + 200]},
        }
        call.invoke("route53", "_ChangeLinkedRecordSets", request)
