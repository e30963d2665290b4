"""What the account finds in a region before it makes anything: zones, regions, attributes."""

from __future__ import annotations

from typing import Any

from hiyoko.api import Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, select
from hiyoko.services.ec2.making_interfaces import GROUPS_PER_INTERFACE_MAX
from hiyoko.services.ec2.model import REGIONS
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.zones import Zone, zones


def _zone_view(call: Call, zone: Zone) -> dict[str, Any]:
    return {
        "ZoneName": zone.name,
        "ZoneId": zone.zone_id,
        "ZoneType": "availability-zone",
        "RegionName": call.region,
        "State": "available",
        "OptInStatus": "opt-in-not-required",
        "GroupName": f"{call.region}-zg-1",
        "NetworkBorderGroup": call.region,
        "Messages": [],
    }


@operation("DescribeAvailabilityZones", "ZoneNames", "ZoneIds", "AllAvailabilityZones", "Filters")
def describe_availability_zones(call: Call, request: Request) -> Response:
    """The region's zones by name, id or filter."""
    every = zones(call.region)
    for member, known in (
        ("ZoneNames", {zone.name for zone in every}),
        ("ZoneIds", {zone.zone_id for zone in every}),
    ):
        wanted = request.get(member) or ()
        for value in wanted:
            if value not in known:
                raise errors.bad_value(f"Invalid availability zone: [{value}]")
        if wanted:
            every = tuple(zone for zone in every if {zone.name, zone.zone_id} & set(wanted))
    filters: Filters[Zone] = {
        "group-name": lambda _: f"{call.region}-zg-1",
        "opt-in-status": lambda _: "opt-in-not-required",
        "region-name": lambda _: call.region,
        "state": lambda _: "available",
        "zone-id": lambda zone: zone.zone_id,
        "zone-name": lambda zone: zone.name,
        "zone-type": lambda _: "availability-zone",
    }
    chosen = select(every, request.get("Filters") or (), filters)
    return {"AvailabilityZones": [_zone_view(call, zone) for zone in chosen]}


@operation("DescribeRegions", "RegionNames", "AllRegions", "Filters")
def describe_regions(call: Call, request: Request) -> Response:
    """Regions by name or filter; the caller's own is always among them."""
    known = sorted({*REGIONS, call.region})
    wanted = request.get("RegionNames") or known
    for name in wanted:
        if name not in known:
            raise errors.bad_value(f"Invalid region name: {name}")
    filters: Filters[str] = {
        "endpoint": _endpoint,
        "opt-in-status": lambda _: "opt-in-not-required",
        "region-name": lambda name: name,
    }
    chosen = select(sorted(set(wanted)), request.get("Filters") or (), filters)
    return {
        "Regions": [
            {
                "RegionName": name,
                "Endpoint": _endpoint(name),
                "OptInStatus": "opt-in-not-required",
            }
            for name in chosen
        ]
    }


def _endpoint(region: str) -> str:
    return f"ec2.{region}.amazonaws.com"


@operation("DescribeAccountAttributes", "AttributeNames")
def describe_account_attributes(call: Call, request: Request) -> Response:
    """The account's attributes in this region."""
    default = rows.find_default_vpc(call)
    attributes = {
        "supported-platforms": "VPC",
        "default-vpc": default.vpc_id if default else "none",
        "max-instances": "20",
        "vpc-max-security-groups-per-interface": str(GROUPS_PER_INTERFACE_MAX),
        "max-elastic-ips": "5",
        "vpc-max-elastic-ips": "5",
    }
    wanted = request.get("AttributeNames") or list(attributes)
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": value}]}
            for name, value in attributes.items()
            if name in wanted
        ]
    }
