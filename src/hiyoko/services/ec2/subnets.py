"""Subnets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import RESERVED_HEAD, RESERVED_TAIL, check_size, read_cidr
from hiyoko.services.ec2.filters import Filters, describe, truth
from hiyoko.services.ec2.making import make_subnet
from hiyoko.services.ec2.model import Subnet, Vpc
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import shown, wanted_tags
from hiyoko.services.ec2.taken_addresses import TakenAddresses
from hiyoko.services.ec2.zones import Zone, zones


def _free(call: Call, subnet: Subnet) -> int:
    size = IPv4Network(subnet.cidr).num_addresses - RESERVED_HEAD - RESERVED_TAIL
    taken = rows.INTERFACES.table.derived(call.tx, TakenAddresses)
    return size - taken.of(subnet.subnet_id).bit_count()


def _arn(subnet: Subnet) -> str:
    return f"arn:aws:ec2:{subnet.region}:{subnet.account}:subnet/{subnet.subnet_id}"


def _view(call: Call, subnet: Subnet) -> dict[str, Any]:
    view = {
        "SubnetId": subnet.subnet_id,
        "SubnetArn": _arn(subnet),
        "VpcId": subnet.vpc_id,
        "OwnerId": subnet.account,
        "CidrBlock": subnet.cidr,
        "AvailabilityZone": subnet.zone,
        "AvailabilityZoneId": subnet.zone_id,
        "AvailableIpAddressCount": _free(call, subnet),
        "State": "available",
        "DefaultForAz": subnet.default_for_az,
        "MapPublicIpOnLaunch": subnet.map_public_ip,
        "MapCustomerOwnedIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": False,
        "Ipv6CidrBlockAssociationSet": [],
        "Ipv6Native": False,
        "EnableDns64": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
    }
    if subnet.tags:
        view["Tags"] = shown(subnet.tags)
    return view


@operation(
    "CreateSubnet", "VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId",
    "TagSpecifications",
)  # fmt: skip
def create_subnet(call: Call, request: Request) -> Response:
    """Record a subnet inside the VPC's CIDR, in the named zone or the first one."""
    vpc = rows.get_vpc(call, request["VpcId"])
    if not request.get("CidrBlock"):
        raise errors.missing("cidrBlock")
    network = check_size(read_cidr(request["CidrBlock"]), "InvalidSubnet.Range")
    _check_place(call, vpc, network)
    zone = _zone(call, request)
    subnet = make_subnet(call, vpc, network, zone, wanted_tags(request, "subnet"))
    return {"Subnet": _view(call, subnet)}


def _check_place(call: Call, vpc: Vpc, network: IPv4Network) -> None:
    if not any(network.subnet_of(IPv4Network(a.cidr)) for a in vpc.cidrs):
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{network}' is invalid.")
    for other in rows.SUBNETS.list(call, vpc_id=vpc.vpc_id):
        if network.overlaps(IPv4Network(other.cidr)):
            raise AwsError(
                "InvalidSubnet.Conflict", f"The CIDR '{network}' conflicts with another subnet"
            )


def _zone(call: Call, request: Request) -> Zone:
    known = zones(call.region)
    name, zone_id = request.get("AvailabilityZone"), request.get("AvailabilityZoneId")
    if name and zone_id:
        raise errors.bad_combination(
            "The parameter availabilityZone cannot be used with the parameter availabilityZoneId"
        )
    if not name and not zone_id:
        return known[0]
    for zone in known:
        if zone.name == name or zone.zone_id == zone_id:
            return zone
    parameter = "availabilityZone" if name else "availabilityZoneId"
    listed = ", ".join(zone.name if name else zone.zone_id for zone in known)
    raise errors.bad_value(
        f"Value ({name or zone_id}) for parameter {parameter} is invalid. Subnets can currently "
        f"only be created in the following availability zones: {listed}."
    )


_FILTERS: Filters[Subnet] = {
    "availability-zone": lambda subnet: subnet.zone,
    "availabilityZone": lambda subnet: subnet.zone,
    "availability-zone-id": lambda subnet: subnet.zone_id,
    "availabilityZoneId": lambda subnet: subnet.zone_id,
    "cidr": lambda subnet: subnet.cidr,
    "cidr-block": lambda subnet: subnet.cidr,
    "cidrBlock": lambda subnet: subnet.cidr,
    "default-for-az": lambda subnet: truth(subnet.default_for_az),
    "defaultForAz": lambda subnet: truth(subnet.default_for_az),
    "map-public-ip-on-launch": lambda subnet: truth(subnet.map_public_ip),
    "owner-id": lambda subnet: subnet.account,
    "state": lambda _: "available",
    "subnet-arn": _arn,
    "subnet-id": lambda subnet: subnet.subnet_id,
    "vpc-id": lambda subnet: subnet.vpc_id,
}


@operation("DescribeSubnets", "SubnetIds", "Filters", "MaxResults", "NextToken")
def describe_subnets(call: Call, request: Request) -> Response:
    """Subnets by id or filter."""
    return describe(call, rows.SUBNETS, request, _view, _FILTERS, ids="SubnetIds", answer="Subnets")


@operation("DeleteSubnet", "SubnetId")
def delete_subnet(call: Call, request: Request) -> Response:
    """Delete an empty subnet and its ties; a NAT gateway still being taken down blocks it."""
    subnet = rows.get_subnet(call, request["SubnetId"])
    nats = rows.NAT_GATEWAYS.list(call, subnet_id=subnet.subnet_id)
    if rows.INTERFACES.list(call, subnet_id=subnet.subnet_id) or any(
        rows.nat_gateway_seen(call, nat.nat_gateway_id) for nat in nats
    ):
        raise errors.has_dependencies("subnet", subnet.subnet_id)
    for table in rows.ROUTE_TABLES.list(call, vpc_id=subnet.vpc_id):
        left = tuple(a for a in table.associations if a.subnet_id != subnet.subnet_id)
        rows.ROUTE_TABLES.put(call, replace(table, associations=left))
    for acl in rows.ACLS.list(call, vpc_id=subnet.vpc_id):
        left = tuple(a for a in acl.associations if a.subnet_id != subnet.subnet_id)
        rows.ACLS.put(call, replace(acl, associations=left))
    rows.FORMER_INTERFACES.delete(call.tx, subnet_id=subnet.subnet_id)
    rows.SUBNETS.delete(call, subnet)
    return {}


@operation("ModifySubnetAttribute", "SubnetId", "MapPublicIpOnLaunch")
def modify_subnet_attribute(call: Call, request: Request) -> Response:
    """Switch whether interfaces that are launched here get a public address."""
    subnet = rows.get_subnet(call, request["SubnetId"])
    wanted = request.get("MapPublicIpOnLaunch")
    if wanted is None:
        raise errors.missing("mapPublicIpOnLaunch")
    rows.SUBNETS.put(call, replace(subnet, map_public_ip=bool(wanted.get("Value"))))
    return {}
