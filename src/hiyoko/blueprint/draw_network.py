"""ec2's rows become the network that must exist. Pure: the same rows draw the same network.

A VPC without an attached interface is left out: no packet can enter it, so its router would only
cost memory (every account has a default VPC in every region that it ever asked about). So is an
interface that nothing is attached to, as no packet reaches it on AWS either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from operator import is_

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


@dataclass(slots=True)
class DrawnBefore:
    """VPCs by id as they were drawn, each with the rows that it was drawn from."""

    vpcs: dict[str, tuple[NetworkRows, Vpc]] = field(default_factory=dict)


def draw_network(rows: NetworkRows, before: DrawnBefore | None = None) -> Network:
    """Every VPC that some interface is attached in, sorted by id.

    ``before``: a VPC whose rows are the very same ones is the same object again; what is drawn now
    is left there.
    """
    before = DrawnBefore() if before is None else before
    known, before.vpcs = before.vpcs, {}
    living = {row.vpc_id for row in rows.interfaces if row.attachment_id}
    for vpc_id, mine in _by_vpc(rows, living).items():
        old = known.get(vpc_id)
        same = old is not None and _same(old[0], mine)
        drawn = old[1] if same and old is not None else _Drawer(mine, mine.vpcs[0]).vpc_drawn()
        before.vpcs[vpc_id] = mine, drawn
    return Network(tuple(before.vpcs[vpc_id][1] for vpc_id in sorted(before.vpcs)))


def _same(one: NetworkRows, other: NetworkRows) -> bool:
    """Whether these are the very same rows."""
    pairs = ((getattr(one, each.name), getattr(other, each.name)) for each in fields(NetworkRows))
    return all(len(a) == len(b) and all(map(is_, a, b)) for a, b in pairs)


def _by_vpc(rows: NetworkRows, wanted: set[str]) -> dict[str, NetworkRows]:
    """What each of these VPCs is drawn from. Prefix lists are an account's: all have all."""
    found: dict[str, dict[str, list[object]]] = {vpc_id: {} for vpc_id in wanted}
    vpc_of = {row.group_id: row.vpc_id for row in rows.groups}
    vpc_of |= {row.eni_id: row.vpc_id for row in rows.interfaces}
    owners = {"rules": "group_id", "addresses": "eni_id"}
    for each in fields(NetworkRows):
        owner = owners.get(each.name)
        for row in getattr(rows, each.name) if each.name != "prefix_lists" else ():
            vpc_id = row.vpc_id if owner is None else vpc_of.get(getattr(row, owner))
            if vpc_id in found:
                found[vpc_id].setdefault(each.name, []).append(row)
    return {
        vpc_id: NetworkRows(
            **{name: tuple(some) for name, some in mine.items()},  # type: ignore[arg-type]
            prefix_lists=rows.prefix_lists,
        )
        for vpc_id, mine in found.items()
        if "vpcs" in mine
    }


@dataclass(frozen=True)
class _Drawer:
    """One VPC, and the rows that it is drawn from."""

    rows: NetworkRows
    vpc: model.Vpc

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

    def _attached(self) -> list[model.NetworkInterface]:
        nats = {nat.eni_id for nat in self._nat_gateways()}
        return sorted(
            (
                row
                for row in self.rows.interfaces
                if row.vpc_id == self.vpc.vpc_id
                and row.attachment_id
                and (row.interface_type != "nat_gateway" or row.eni_id in nats)
            ),
            key=lambda row: row.eni_id,
        )

    def _interfaces(self) -> tuple[Interface, ...]:
        elastic = {a.eni_id: a.public_ip for a in self.rows.addresses if a.eni_id}
        return tuple(
            _interface(row, elastic.get(row.eni_id) or row.public_ip) for row in self._attached()
        )

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
        for row in self._attached():
            if row.eni_id == target:
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
