"""How rows are made that more than one operation makes: VPCs with their parts, and subnets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from hiyoko.api import Call
from hiyoko.services.ec2 import rows
from hiyoko.services.ec2.model import (
    ALL_PROTOCOLS,
    ANYWHERE,
    AclEntry,
    Association,
    CidrAssociation,
    InternetGateway,
    NetworkAcl,
    Route,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Tags,
    Vpc,
)
from hiyoko.services.ec2.zones import Zone, zones

DEFAULT_VPC_CIDR = "172.31.0.0/16"


def new_id(call: Call, prefix: str) -> str:
    """A new id of AWS's long form."""
    return f"{prefix}-{call.ids.hex(17)}"


def open_rule(call: Call, group_id: str) -> SecurityGroupRule:
    """The egress rule that every new group has: all, to anywhere."""
    return SecurityGroupRule(
        account=call.account,
        region=call.region,
        rule_id=new_id(call, "sgr"),
        group_id=group_id,
        egress=True,
        protocol=ALL_PROTOCOLS,
        from_port=-1,
        to_port=-1,
        cidr=ANYWHERE,
    )


def make_vpc(
    call: Call,
    cidr: IPv4Network,
    dhcp_options_id: str,
    tags: Tags = (),
    *,
    is_default: bool = False,
) -> Vpc:
    """A VPC with its main route table, default ACL and default group.

    https://docs.aws.amazon.com/vpc/latest/userguide/configure-your-vpc.html
    """
    vpc = Vpc(
        account=call.account,
        region=call.region,
        vpc_id=new_id(call, "vpc"),
        cidrs=(CidrAssociation(new_id(call, "vpc-cidr-assoc"), str(cidr)),),
        dhcp_options_id=dhcp_options_id,
        is_default=is_default,
        dns_hostnames=is_default,
        tags=tags,
    )
    rows.VPCS.put(call, vpc)
    rows.ROUTE_TABLES.put(
        call,
        RouteTable(
            account=call.account,
            region=call.region,
            route_table_id=new_id(call, "rtb"),
            vpc_id=vpc.vpc_id,
            associations=(Association(new_id(call, "rtbassoc"), ""),),
        ),
    )
    rows.ACLS.put(
        call,
        NetworkAcl(
            account=call.account,
            region=call.region,
            acl_id=new_id(call, "acl"),
            vpc_id=vpc.vpc_id,
            is_default=True,
            entries=tuple(
                AclEntry(100, egress, ALL_PROTOCOLS, allow=True, cidr=ANYWHERE)
                for egress in (False, True)
            ),
        ),
    )
    _make_default_group(call, vpc)
    return vpc


def _make_default_group(call: Call, vpc: Vpc) -> None:
    group = SecurityGroup(
        account=call.account,
        region=call.region,
        group_id=new_id(call, "sg"),
        vpc_id=vpc.vpc_id,
        name="default",
        description="default VPC security group",
    )
    rows.GROUPS.put(call, group)
    rows.RULES.put(call, open_rule(call, group.group_id))
    rows.RULES.put(
        call,
        SecurityGroupRule(
            account=call.account,
            region=call.region,
            rule_id=new_id(call, "sgr"),
            group_id=group.group_id,
            egress=False,
            protocol=ALL_PROTOCOLS,
            from_port=-1,
            to_port=-1,
            peer_group=group.group_id,
        ),
    )


def make_subnet(
    call: Call,
    vpc: Vpc,
    cidr: IPv4Network,
    zone: Zone,
    tags: Tags = (),
    *,
    default_for_az: bool = False,
) -> Subnet:
    """A subnet, tied to the VPC's default ACL."""
    subnet = Subnet(
        account=call.account,
        region=call.region,
        subnet_id=new_id(call, "subnet"),
        vpc_id=vpc.vpc_id,
        cidr=str(cidr),
        zone=zone.name,
        zone_id=zone.zone_id,
        default_for_az=default_for_az,
        map_public_ip=default_for_az,
        tags=tags,
    )
    rows.SUBNETS.put(call, subnet)
    acl = next(a for a in rows.ACLS.list(call, vpc_id=vpc.vpc_id) if a.is_default)
    tie = Association(new_id(call, "aclassoc"), subnet.subnet_id)
    rows.ACLS.put(call, replace(acl, associations=(*acl.associations, tie)))
    return subnet


def make_default_vpc(call: Call, dhcp_options_id: str) -> Vpc:
    """The default VPC: a public subnet in every zone.

    https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html
    """
    vpc = make_vpc(call, IPv4Network(DEFAULT_VPC_CIDR), dhcp_options_id, is_default=True)
    gateway = InternetGateway(
        account=call.account,
        region=call.region,
        internet_gateway_id=new_id(call, "igw"),
        vpc_id=vpc.vpc_id,
    )
    rows.INTERNET_GATEWAYS.put(call, gateway)
    table = rows.main_route_table(call, vpc.vpc_id)
    out = Route(ANYWHERE, gateway.internet_gateway_id)
    rows.ROUTE_TABLES.put(call, replace(table, routes=(out,)))
    blocks = IPv4Network(DEFAULT_VPC_CIDR).subnets(new_prefix=20)
    for zone, block in zip(zones(call.region), blocks, strict=False):
        make_subnet(call, vpc, block, zone, default_for_az=True)
    return vpc
