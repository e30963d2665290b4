"""The network that must exist: VPCs with subnets, tables, rules and interfaces.

An interface (ENI) lives in a namespace of its own, named by its id: whatever owns the interface (a
task, a balancer node, a NAT gateway) runs in that namespace and has no other way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

ANY_PROTOCOL = -1
ICMP, TCP, UDP = 1, 6, 17


@dataclass(frozen=True, slots=True)
class GroupPeer:
    """A rule's peer that is a security group: the private addresses of its members."""

    group_id: str


@dataclass(frozen=True, slots=True)
class PrefixListPeer:
    """A rule's peer that is a prefix list: the CIDRs in it."""

    prefix_list_id: str


@dataclass(frozen=True, slots=True)
class GroupRule:
    """One allow rule. TCP and UDP: ports ``low``-``high``. ICMP: type ``low``, code ``high``.

    ``-1`` means any. ``protocol`` is the IP protocol number, ``ANY_PROTOCOL`` for all (then ports
    do not count).
    """

    rule_id: str
    protocol: int
    low: int
    high: int
    peer: IPv4Network | GroupPeer | PrefixListPeer


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """Rules by direction. Members are the interfaces that name the group."""

    group_id: str
    ingress: tuple[GroupRule, ...]
    egress: tuple[GroupRule, ...]


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One numbered, stateless entry of a network ACL; fields as in GroupRule."""

    number: int
    protocol: int
    low: int
    high: int
    cidr: IPv4Network
    allow: bool


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL: entries in ascending number; what no entry matches is denied."""

    acl_id: str
    ingress: tuple[AclEntry, ...]
    egress: tuple[AclEntry, ...]


@dataclass(frozen=True, slots=True)
class ToInternetGateway:
    """Route target: the VPC's attached internet gateway."""

    gateway_id: str


@dataclass(frozen=True, slots=True)
class ToInterface:
    """Route target: an interface; ``nat_gateway_id`` when it is a NAT gateway's."""

    eni_id: str
    nat_gateway_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToGatewayEndpoint:
    """Route target: a gateway endpoint."""

    endpoint_id: str


@dataclass(frozen=True, slots=True)
class Blackhole:
    """Route target that has gone: packets are dropped, shorter prefixes do not take over."""

    was: str


RouteTarget = ToInternetGateway | ToInterface | ToGatewayEndpoint | Blackhole


@dataclass(frozen=True, slots=True)
class Route:
    """A route beside the implied local ones; one by a prefix list is a route for each CIDR."""

    destination: IPv4Network
    target: RouteTarget


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Routes of the subnets that use the table. ``local`` comes first and is not listed."""

    route_table_id: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet with the route table and the ACL that are in force for it."""

    subnet_id: str
    cidr: IPv4Network
    zone: str
    route_table_id: str
    acl_id: str


@dataclass(frozen=True, slots=True)
class Interface:
    """An ENI: a /32 in a namespace named ``eni_id``.

    ``groups`` is None for an interface that no security group guards (a NAT gateway's).
    ``forwards`` is true where source/destination check is off (a NAT gateway's interface).
    ``of_task``: what runs in the namespace is other people's code.
    """

    eni_id: str
    subnet_id: str
    address: IPv4Address
    mac: str
    public_address: IPv4Address | None
    groups: tuple[str, ...] | None
    forwards: bool = False
    of_task: bool = False


@dataclass(frozen=True, slots=True)
class NatGateway:
    """A NAT gateway: its interface's namespace translates sources to the interface's address."""

    nat_gateway_id: str
    eni_id: str


@dataclass(frozen=True, slots=True)
class GatewayEndpoint:
    """A service of AWS's, at its own address, in a namespace of its own beside the router.

    Packets reach it by routes alone and keep their source address, so VPCs may overlap.
    """

    endpoint_id: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class PrefixList:
    """CIDRs that rules name together; none lies in another."""

    prefix_list_id: str
    cidrs: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC: a router namespace named ``vpc_id``.

    ``resolver`` is the address of the VPC's DNS (base + 2), None when DNS support is off.
    ``prefix_lists`` are those that its groups' rules name.
    """

    vpc_id: str
    cidrs: tuple[IPv4Network, ...]
    resolver: IPv4Address | None
    internet_gateway_id: str | None
    subnets: tuple[Subnet, ...]
    route_tables: tuple[RouteTable, ...]
    acls: tuple[Acl, ...]
    groups: tuple[SecurityGroup, ...]
    interfaces: tuple[Interface, ...]
    nat_gateways: tuple[NatGateway, ...]
    gateway_endpoints: tuple[GatewayEndpoint, ...] = ()
    prefix_lists: tuple[PrefixList, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """Every VPC of every account and region, sorted by id (as all tuples here are)."""

    vpcs: tuple[Vpc, ...] = ()
