"""ec2's rows become the network that must exist. Pure: the same rows draw the same network.

A VPC without an attached interface is left out: no packet can enter it, so its router would only
cost memory (every account has a default VPC in every region that it ever asked about). So is an
interface that nothing is attached to, as no packet reaches it on AWS either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from operator import attrgetter, is_
from typing import Any

from hiyoko.blueprint.network import (
    ANY_PROTOCOL,
    ICMP,
    TCP,
    UDP,
    Acl,
    AclEntry,
    Blackhole,
    GatewayEndpoint,
    GroupPeer,
    GroupRule,
    Interface,
    NatGateway,
    Network,
    PrefixList,
    PrefixListPeer,
    Route,
    RouteTable,
    RouteTarget,
    SecurityGroup,
    Subnet,
    ToGatewayEndpoint,
    ToInterface,
    ToInternetGateway,
    Vpc,
)
from hiyoko.services.ec2 import model
from hiyoko.services.ec2.model import NetworkRows

__all__ = ["NetworkRows", "draw_network"]


Parted = dict[str, dict[str, tuple[object, ...]]]
"""Rows by the name of their kind, then by VPC."""
Interfaces = dict[str, tuple[model.NetworkInterface, str, Interface]]
"""Drawn ones by id, each with its row and the public address that it was drawn with."""


@dataclass(slots=True)
class DrawnBefore:
    """What the last drawing can save this one: it holds for rows that are the very same ones.

    ``vpcs`` by id, each with the rows that it was drawn from, and its drawn interfaces.
    """

    rows: NetworkRows | None = None
    parted: Parted = field(default_factory=dict)
    vpcs: dict[str, tuple[NetworkRows, Vpc, Interfaces]] = field(default_factory=dict)


def draw_network(rows: NetworkRows, before: DrawnBefore | None = None) -> Network:
    """Every VPC that some interface is attached in, sorted by id.

    ``before``: a VPC whose rows are the very same ones is the same object again, and so is each
    interface; what is drawn now is left there.
    """
    before = DrawnBefore() if before is None else before
    known, before.vpcs = before.vpcs, {}
    before.parted = _parted(rows, before)
    before.rows = rows
    for vpc_id in sorted(before.parted["interfaces"]):
        mine = _of_vpc(before.parted, vpc_id, rows)
        if not mine.vpcs or not any(row.attachment_id for row in mine.interfaces):
            continue
        old = known.get(vpc_id)
        if old is None or not _same(old[0], mine):
            drawer = _Drawer(mine, mine.vpcs[0], old[2] if old is not None else {})
            old = mine, drawer.vpc_drawn(), drawer.drawn
        before.vpcs[vpc_id] = old
    return Network(tuple(vpc for _, vpc, _ in before.vpcs.values()))


def _same(one: NetworkRows, other: NetworkRows) -> bool:
    """Whether these are the very same rows."""
    pairs = ((getattr(one, each.name), getattr(other, each.name)) for each in fields(NetworkRows))
    return all(a is b or (len(a) == len(b) and all(map(is_, a, b))) for a, b in pairs)


_SHARED = "prefix_lists"
"""An account's: every VPC has all."""
_OWNERS = {"rules": ("groups", "group_id"), "addresses": ("interfaces", "eni_id")}
"""Rows that say no VPC, the kind that says it for them, and the id of both."""


def _parted(rows: NetworkRows, before: DrawnBefore) -> Parted:
    """Each kind of rows by VPC: as before where neither they nor what says their VPC changed."""
    found: Parted = {}
    for each in fields(NetworkRows):
        name, owner = each.name, _OWNERS.get(each.name)
        if name == _SHARED:
            continue
        told = (name,) if owner is None else (name, owner[0])
        same = all(getattr(before.rows, one, None) is getattr(rows, one) for one in told)
        if name in before.parted and same:
            found[name] = before.parted[name]
            continue
        if owner is None:
            found[name] = _parted_by(getattr(rows, name), lambda row: row.vpc_id)
        else:
            found[name] = _parted_by_owner(getattr(rows, name), getattr(rows, owner[0]), owner[1])
    return found


def _parted_by(
    rows: Iterable[Any], vpc_of: Callable[[Any], str | None]
) -> dict[str, tuple[object, ...]]:
    parts: dict[str, list[object]] = {}
    for row in rows:
        vpc_id = vpc_of(row)
        if vpc_id is not None:
            parts.setdefault(vpc_id, []).append(row)
    return {vpc_id: tuple(part) for vpc_id, part in parts.items()}


def _parted_by_owner(
    rows: Iterable[Any], owners: Iterable[Any], key: str
) -> dict[str, tuple[object, ...]]:
    owned = attrgetter(key)
    wanted = {owned(row) for row in rows}
    vpcs = {owned(row): row.vpc_id for row in owners if owned(row) in wanted} if wanted else {}
    return _parted_by(rows, lambda row: vpcs.get(owned(row)))


def _of_vpc(parted: Parted, vpc_id: str, rows: NetworkRows) -> NetworkRows:
    """What this VPC is drawn from."""
    mine: dict[str, Any] = {name: parts.get(vpc_id, ()) for name, parts in parted.items()}
    return NetworkRows(**mine, prefix_lists=rows.prefix_lists)


@dataclass(frozen=True)
class _Drawer:
    """One VPC, the rows that it is drawn from, and interfaces that were drawn before."""

    rows: NetworkRows
    vpc: model.Vpc
    known: Interfaces
    drawn: Interfaces = field(default_factory=dict)

    def vpc_drawn(self) -> Vpc:
        vpc_id = self.vpc.vpc_id
        base = IPv4Network(self.vpc.cidr).network_address
        gateway = self._internet_gateway()
        return Vpc(
            vpc_id=vpc_id,
            cidrs=tuple(IPv4Network(c.cidr) for c in self.vpc.cidrs),
            # https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
            resolver=base + 2 if self.vpc.dns_support else None,
            internet_gateway_id=gateway.internet_gateway_id if gateway else None,
            subnets=self._subnets(),
            route_tables=self._route_tables(),
            acls=tuple(
                sorted(
                    (_acl(acl) for acl in self.rows.acls if acl.vpc_id == vpc_id),
                    key=lambda acl: acl.acl_id,
                )
            ),
            groups=self._groups(),
            interfaces=self._interfaces(),
            nat_gateways=tuple(
                NatGateway(nat.nat_gateway_id, nat.eni_id) for nat in self._nat_gateways()
            ),
            gateway_endpoints=self._gateway_endpoints(),
            prefix_lists=self._prefix_lists(),
        )

    def _internet_gateway(self) -> model.InternetGateway | None:
        attached = (g for g in self.rows.internet_gateways if g.vpc_id == self.vpc.vpc_id)
        return next(attached, None)

    def _nat_gateways(self) -> list[model.NatGateway]:
        if self._internet_gateway() is None:
            return []
        mine = (n for n in self.rows.nat_gateways if n.vpc_id == self.vpc.vpc_id and n.works)
        return sorted(mine, key=lambda nat: nat.nat_gateway_id)

    @cached_property
    def _attached(self) -> list[model.NetworkInterface]:
        nats = {nat.eni_id for nat in self._nat_gateways()}
        found = [
            row
            for row in self.rows.interfaces
            if row.attachment_id and (row.interface_type != "nat_gateway" or row.eni_id in nats)
        ]
        return sorted(found, key=attrgetter("eni_id"))

    def _interfaces(self) -> tuple[Interface, ...]:
        elastic = {a.eni_id: a.public_ip for a in self.rows.addresses if a.eni_id}
        known, drawn = self.known, self.drawn
        for row in self._attached:
            eni_id = row.eni_id
            public = elastic.get(eni_id) or row.public_ip
            old = known.get(eni_id)
            if old is None or old[0] is not row or old[1] != public:
                old = row, public, _interface(row, public)
            drawn[eni_id] = old
        return tuple([interface for _, _, interface in drawn.values()])

    def _subnets(self) -> tuple[Subnet, ...]:
        tables: dict[str, str] = {}
        for table in self.rows.route_tables:
            if table.vpc_id == self.vpc.vpc_id:
                tables |= {a.subnet_id: table.route_table_id for a in table.associations}
        acls = {a.subnet_id: acl.acl_id for acl in self.rows.acls for a in acl.associations}
        return tuple(
            Subnet(
                subnet_id=row.subnet_id,
                cidr=IPv4Network(row.cidr),
                zone=row.zone,
                # The main table's association has no subnet.
                route_table_id=tables.get(row.subnet_id) or tables[""],
                acl_id=acls[row.subnet_id],
            )
            for row in sorted(self.rows.subnets, key=lambda row: row.subnet_id)
            if row.vpc_id == self.vpc.vpc_id
        )

    def _route_tables(self) -> tuple[RouteTable, ...]:
        return tuple(
            RouteTable(table.route_table_id, self._routes(table))
            for table in sorted(self.rows.route_tables, key=lambda row: row.route_table_id)
            if table.vpc_id == self.vpc.vpc_id
        )

    def _routes(self, table: model.RouteTable) -> tuple[Route, ...]:
        """A static route beats one of a prefix list for the same CIDR.

        https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html
        """
        found: dict[IPv4Network, Route] = {}
        for route in sorted(table.routes, key=lambda r: (not r.by_prefix_list, r.destination)):
            target = self._target(route.target)
            for cidr in self._cidrs(route):
                found[cidr] = Route(cidr, target)
        return tuple(sorted(found.values(), key=lambda route: route.destination))

    def _cidrs(self, route: model.Route) -> tuple[IPv4Network, ...]:
        if route.by_prefix_list:
            return self._prefix_list(route.destination).cidrs
        return (IPv4Network(route.destination),)

    def _prefix_list(self, key: str) -> PrefixList:
        own = (row for row in self.rows.prefix_lists if row.account == self.vpc.account)
        every = (*model.aws_prefix_lists(self.vpc.region), *own)
        found = next((row.entries for row in every if row.prefix_list_id == key), ())
        cidrs = collapse_addresses(IPv4Network(entry.cidr) for entry in found)
        return PrefixList(key, tuple(cidrs))

    def _prefix_lists(self) -> tuple[PrefixList, ...]:
        """Those that a rule of the VPC's groups names."""
        mine = {group.group_id for group in self.rows.groups if group.vpc_id == self.vpc.vpc_id}
        named = {r.prefix_list for r in self.rows.rules if r.prefix_list and r.group_id in mine}
        return tuple(self._prefix_list(key) for key in sorted(named))

    def _gateway_endpoints(self) -> tuple[GatewayEndpoint, ...]:
        found = []
        for row in self.rows.endpoints:
            if row.gateway and row.works and row.vpc_id == self.vpc.vpc_id:
                address = model.gateway_address(row.service, row.region)
                assert address is not None, "made only where there is one"
                found.append(GatewayEndpoint(row.vpc_endpoint_id, address))
        return tuple(sorted(found, key=lambda endpoint: endpoint.endpoint_id))

    def _target(self, target: str) -> RouteTarget:
        gateway = self._internet_gateway()
        if gateway is not None and gateway.internet_gateway_id == target:
            return ToInternetGateway(target)
        for nat in self._nat_gateways():
            if nat.nat_gateway_id == target:
                return ToInterface(nat.eni_id, target)
        if any(endpoint.endpoint_id == target for endpoint in self._gateway_endpoints()):
            return ToGatewayEndpoint(target)
        if any(row.eni_id == target for row in self._attached):
            return ToInterface(target)
        return Blackhole(target)

    def _groups(self) -> tuple[SecurityGroup, ...]:
        rules: dict[tuple[str, bool], list[GroupRule]] = {}
        for row in sorted(self.rows.rules, key=lambda row: row.rule_id):
            rules.setdefault((row.group_id, row.egress), []).append(_rule(row))
        return tuple(
            SecurityGroup(
                row.group_id,
                ingress=tuple(rules.get((row.group_id, False), ())),
                egress=tuple(rules.get((row.group_id, True), ())),
            )
            for row in sorted(self.rows.groups, key=lambda row: row.group_id)
            if row.vpc_id == self.vpc.vpc_id
        )


def _interface(row: model.NetworkInterface, public_ip: str) -> Interface:
    return Interface(
        eni_id=row.eni_id,
        subnet_id=row.subnet_id,
        address=IPv4Address(row.private_ip),
        mac=row.mac,
        public_address=IPv4Address(public_ip) if public_ip else None,
        groups=None if row.groups is None else tuple(sorted(row.groups)),
        forwards=not row.source_dest_check,
        of_task=row.requester_id == "amazon-ecs",
    )


def _protocol(name: str) -> int:
    if name == model.ALL_PROTOCOLS:
        return ANY_PROTOCOL
    return model.PROTOCOL_NUMBERS.get(name) or int(name)


def _ports(protocol: int, low: int, high: int) -> tuple[int, int]:
    return (low, high) if protocol in (ICMP, TCP, UDP) else (-1, -1)


def _rule(row: model.SecurityGroupRule) -> GroupRule:
    protocol = _protocol(row.protocol)
    low, high = _ports(protocol, row.from_port, row.to_port)
    peer: GroupPeer | PrefixListPeer | IPv4Network
    if row.peer_group:
        peer = GroupPeer(row.peer_group)
    elif row.prefix_list:
        peer = PrefixListPeer(row.prefix_list)
    else:
        peer = IPv4Network(row.cidr)
    return GroupRule(row.rule_id, protocol, low, high, peer)


def _acl(row: model.NetworkAcl) -> Acl:
    return Acl(row.acl_id, _entries(row.entries, egress=False), _entries(row.entries, egress=True))


def _entries(rows: Iterable[model.AclEntry], *, egress: bool) -> tuple[AclEntry, ...]:
    drawn = []
    for row in sorted(rows, key=lambda row: row.number):
        if row.egress == egress:
            protocol = _protocol(row.protocol)
            low, high = _ports(protocol, row.low, row.high)
            cidr = IPv4Network(row.cidr)
            drawn.append(AclEntry(row.number, protocol, low, high, cidr, row.allow))
    return tuple(drawn)
