"""A blueprint to try planes and the analyser on: the tutorial's site, by hand.

Two public subnets (internet gateway), two private ones behind a NAT gateway, a load balancer node,
tasks. Tests, goldens and benchmarks start from it and replace what they are about.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint.network import (
    ANY_PROTOCOL,
    TCP,
    Acl,
    AclEntry,
    GroupPeer,
    GroupRule,
    Interface,
    NatGateway,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
    ToInterface,
    ToInternetGateway,
    Vpc,
)

EVERYWHERE = IPv4Network("0.0.0.0/0")
VPC_ID = "vpc-0a000000000000001"
IGW_ID = "igw-0a000000000000001"
NAT_ID = "nat-0a000000000000001"
OPEN_ACL = "acl-0a000000000000001"
PUBLIC_TABLE = "rtb-0a000000000000001"
PRIVATE_TABLE = "rtb-0a000000000000002"
BALANCER_GROUP = "sg-0a000000000000001"
TASK_GROUP = "sg-0a000000000000002"

PUBLIC_A = Subnet(
    "subnet-0a000000000000001",
    IPv4Network("10.0.0.0/24"),
    "ap-northeast-1a",
    PUBLIC_TABLE,
    OPEN_ACL,
)
PRIVATE_A = Subnet(
    "subnet-0a000000000000003",
    IPv4Network("10.0.10.0/24"),
    "ap-northeast-1a",
    PRIVATE_TABLE,
    OPEN_ACL,
)
PRIVATE_C = Subnet(
    "subnet-0a000000000000004",
    IPv4Network("10.0.11.0/24"),
    "ap-northeast-1c",
    PRIVATE_TABLE,
    OPEN_ACL,
)


def example_interface(
    number: int, subnet: Subnet, groups: tuple[str, ...] | None, public: str | None = None
) -> Interface:
    """The interface that has the ``number``-th address of its subnet."""
    address = subnet.cidr.network_address + number
    return Interface(
        eni_id=f"eni-0{int(address):016x}",
        subnet_id=subnet.subnet_id,
        address=address,
        mac="0a:" + ":".join(f"{byte:02x}" for byte in (0, *address.packed)),
        public_address=IPv4Address(public) if public else None,
        groups=groups,
    )


def allow(peer: IPv4Network | str, port: int | None = None, protocol: int = TCP) -> GroupRule:
    """A group's rule for one port, or for everything when there is no port."""
    other = GroupPeer(peer) if isinstance(peer, str) else peer
    if port is None:
        return GroupRule("sgr-0a000000000000001", ANY_PROTOCOL, -1, -1, other)
    return GroupRule("sgr-0a000000000000001", protocol, port, port, other)


NAT_INTERFACE = replace(example_interface(5, PUBLIC_A, None, "198.19.0.5"), forwards=True)
BALANCER = example_interface(6, PUBLIC_A, (BALANCER_GROUP,), "198.19.0.6")
TASK_A = replace(example_interface(7, PRIVATE_A, (TASK_GROUP,)), of_task=True)
TASK_C = replace(example_interface(8, PRIVATE_C, (TASK_GROUP,)), of_task=True)


def example_vpc(interfaces: tuple[Interface, ...] = ()) -> Vpc:
    """The example with further interfaces."""
    open_entry = AclEntry(100, ANY_PROTOCOL, -1, -1, EVERYWHERE, allow=True)
    return Vpc(
        vpc_id=VPC_ID,
        cidrs=(IPv4Network("10.0.0.0/16"),),
        resolver=IPv4Address("10.0.0.2"),
        internet_gateway_id=IGW_ID,
        subnets=(PUBLIC_A, PRIVATE_A, PRIVATE_C),
        route_tables=(
            RouteTable(PUBLIC_TABLE, (Route(EVERYWHERE, ToInternetGateway(IGW_ID)),)),
            RouteTable(
                PRIVATE_TABLE, (Route(EVERYWHERE, ToInterface(NAT_INTERFACE.eni_id, NAT_ID)),)
            ),
        ),
        acls=(Acl(OPEN_ACL, (open_entry,), (open_entry,)),),
        groups=(
            SecurityGroup(
                BALANCER_GROUP,
                ingress=(allow(EVERYWHERE, 80), allow(EVERYWHERE, 443)),
                egress=(allow(TASK_GROUP, 80),),
            ),
            SecurityGroup(
                TASK_GROUP, ingress=(allow(BALANCER_GROUP, 80),), egress=(allow(EVERYWHERE, 443),)
            ),
        ),
        interfaces=tuple(
            sorted(
                (NAT_INTERFACE, BALANCER, TASK_A, TASK_C, *interfaces),
                key=lambda each: each.eni_id,
            )
        ),
        nat_gateways=(NatGateway(NAT_ID, NAT_INTERFACE.eni_id),),
    )
