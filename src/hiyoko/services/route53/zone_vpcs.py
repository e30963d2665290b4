"""Which VPCs see a private zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.route53 import errors, names, rows
from hiyoko.services.route53.changes import submit
from hiyoko.services.route53.model import ZoneVpc

PAGE = 100


def checked_vpc(call: Call, vpc: Mapping[str, Any], name: str) -> ZoneVpc:
    """The VPC, if it exists and sees no other private zone of this name.

    Only the identical name is in the way; a parent's or a child's zone is not.
    """
    vpc_id, region = vpc.get("VPCId"), vpc.get("VPCRegion")
    if not vpc_id or not region:
        raise errors.invalid_vpc_id()
    try:
        replace(call, region=region).invoke("ec2", "DescribeVpcs", {"VpcIds": [vpc_id]})
    except AwsError as error:
        if not error.code.startswith("InvalidVpc"):
            raise
        raise errors.invalid_vpc_id() from error
    member = ZoneVpc(vpc_id=vpc_id, region=region)
    for zone in rows.list_zones_named(call.tx, name):
        if member in zone.vpcs:
            raise errors.conflicting_domain_exists(vpc_id, region, name)
    return member


@operation("AssociateVPCWithHostedZone")
def associate_vpc_with_hosted_zone(call: Call, request: Request) -> Response:
    """Let one more VPC see a private zone."""
    zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
    if not zone.private:
        raise errors.public_zone_vpc_association()
    member = checked_vpc(call, request["VPC"], zone.name)
    rows.put_zone(call.tx, replace(zone, vpcs=(*zone.vpcs, member)))
    return {"ChangeInfo": submit(call, request.get("Comment"))}


@operation("DisassociateVPCFromHostedZone")
def disassociate_vpc_from_hosted_zone(call: Call, request: Request) -> Response:
    """Take a private zone from a VPC's sight; the last VPC stays."""
    zone = rows.get_zone(call.tx, call.account, request["HostedZoneId"])
    vpc_id = request["VPC"].get("VPCId", "")
    left = tuple(member for member in zone.vpcs if member.vpc_id != vpc_id)
    if len(left) == len(zone.vpcs):
        raise errors.vpc_association_not_found(vpc_id, zone.zone_id)
    if not left:
        raise errors.last_vpc_association()
    rows.put_zone(call.tx, replace(zone, vpcs=left))
    return {"ChangeInfo": submit(call, request.get("Comment"))}


@operation("ListHostedZonesByVPC")
def list_hosted_zones_by_vpc(call: Call, request: Request) -> Response:
    """The private zones that a VPC sees."""
    if request.get("NextToken"):
        raise unsupported("NextToken")
    member = ZoneVpc(vpc_id=request["VPCId"], region=request["VPCRegion"])
    zones = [zone for zone in rows.list_zones(call.tx, call.account) if member in zone.vpcs]
    return {
        "HostedZoneSummaries": [
            {
                "HostedZoneId": zone.zone_id,
                "Name": zone.name,
                "Owner": {"OwningAccount": zone.account},
            }
            for zone in sorted(zones, key=lambda z: names.order(z.name))
        ],
        "MaxItems": str(request.get("MaxItems") or PAGE),
    }
