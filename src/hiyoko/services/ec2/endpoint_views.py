"""VPC endpoints as describe shows them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hiyoko.api import Call
from hiyoko.services.ec2 import rows
from hiyoko.services.ec2.model import VpcEndpoint
from hiyoko.services.ec2.tags import shown

FULL_ACCESS = {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]}


def endpoint_type(endpoint: VpcEndpoint) -> str:
    """``Gateway`` or ``Interface``."""
    return "Gateway" if endpoint.gateway else "Interface"


def route_tables_of(call: Call, endpoint: VpcEndpoint) -> list[str]:
    """The tables with a route to a gateway endpoint."""
    tables = rows.ROUTE_TABLES.list(call, vpc_id=endpoint.vpc_id) if endpoint.gateway else []
    key = endpoint.vpc_endpoint_id
    return [t.route_table_id for t in tables if any(route.target == key for route in t.routes)]


def endpoint_state(call: Call, endpoint: VpcEndpoint) -> str:
    """From the wish and what is seen of its interfaces; a gateway's is there at once, as AWS's."""
    stands = [rows.interface_seen(call, i.eni_id) for i in endpoint.interfaces]
    answers = [rows.endpoint_seen(call, i.eni_id) for i in endpoint.interfaces]
    pairs = list(zip(stands, answers, strict=True))
    return endpoint.state(sum(all(pair) for pair in pairs), sum(any(pair) for pair in pairs))


def service_name(region: str, service: str) -> str:
    """``com.amazonaws.REGION.SERVICE``."""
    return f"com.amazonaws.{region}.{service}"


def _zone_id(name: str) -> str:
    """A hosted zone's id, made up from the name: the zone is AWS's, not an account's."""
    return "Z" + hashlib.sha256(name.encode()).hexdigest()[:13].upper()


def _dns_entries(endpoint: VpcEndpoint) -> list[dict[str, str]]:
    if endpoint.gateway:
        return []
    places = {i.zone for i in endpoint.interfaces}
    names = [endpoint.regional_name, *(endpoint.zonal_name(zone) for zone in sorted(places))]
    entries = [{"DnsName": n, "HostedZoneId": _zone_id(endpoint.base_name)} for n in names]
    if endpoint.private_dns:
        private = _zone_id(f"{endpoint.vpc_endpoint_id} {endpoint.private_name}")
        entries.append({"DnsName": endpoint.private_name, "HostedZoneId": private})
    return entries


def endpoint_view(call: Call, endpoint: VpcEndpoint) -> dict[str, Any]:
    """An endpoint as describe shows it."""
    groups = [rows.GROUPS.find(call, group_id) for group_id in endpoint.groups]
    return {
        "VpcEndpointId": endpoint.vpc_endpoint_id,
        "VpcEndpointType": endpoint_type(endpoint),
        "VpcId": endpoint.vpc_id,
        "ServiceName": service_name(endpoint.region, endpoint.service),
        "State": endpoint_state(call, endpoint),
        "PolicyDocument": endpoint.policy or json.dumps(FULL_ACCESS),
        "RouteTableIds": route_tables_of(call, endpoint),
        "SubnetIds": [i.subnet_id for i in endpoint.interfaces],
        "Groups": [{"GroupId": g.group_id, "GroupName": g.name} for g in groups if g is not None],
        "IpAddressType": "ipv4",
        # A gateway leaves the service's own names as they are.
        "DnsOptions": {"DnsRecordIpType": "service-defined" if endpoint.gateway else "ipv4"},
        "PrivateDnsEnabled": endpoint.private_dns,
        "RequesterManaged": False,
        "NetworkInterfaceIds": [i.eni_id for i in endpoint.interfaces],
        "DnsEntries": _dns_entries(endpoint),
        "CreationTimestamp": endpoint.created_at,
        "OwnerId": endpoint.account,
        "Tags": shown(endpoint.tags),
    }
