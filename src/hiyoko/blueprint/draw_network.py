"""ec2's rows become the network that must exist. Pure: the same rows draw the same network.

A VPC without an attached interface is left out: no packet can enter it, so its router would only
cost memory (every account has a default VPC in every region that it ever asked about). So is an
interface that nothing is attached to, as no packet reaches it on AWS either.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from operator import is_
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


@dataclass(slots=True)
class _Interfaces:
    """Rows of interfaces, kept in step: looked at are those that are other objects than before."""

    by_id: dict[str, model.NetworkInterface] = field(default_factory=dict)
    by_vpc: dict[str, dict[str, model.NetworkInterface]] = field(default_factory=dict)
    _known: dict[int, model.NetworkInterface] = field(default_factory=dict)
    """By the object's own identity."""

    def follow(self, rows: Iterable[model.NetworkInterface]) -> dict[str, set[str]]:
        """The ids of those that came, went or changed, by VPC."""
        before, self._known = self._known, {id(row): row for row in rows}
        changed: dict[str, set[str]] = {}
        for each in before.keys() - self._known.keys():
            row = before[each]
            changed.setdefault(row.vpc_id, set()).add(row.eni_id)
            del self.by_id[row.eni_id], self.by_vpc[row.vpc_id][row.eni_id]
            if not self.by_vpc[row.vpc_id]:
                del self.by_vpc[row.vpc_id]
        for each in self._known.keys() - before.keys():
            row = self._known[each]
            changed.setdefault(row.vpc_id, set()).add(row.eni_id)
            self.by_id[row.eni_id] = row
            self.by_vpc.setdefault(row.vpc_id, {})[row.eni_id] = row
        return changed


@dataclass(slots=True)
class _Drawn:
    """A VPC as it was drawn, the rows that it was drawn from but for interfaces, and these."""

    rows: NetworkRows
    vpc: Vpc
    interfaces: dict[str, Interface]
    order: list[str]
    """Their ids, sorted."""


@dataclass(slots=True)
class DrawnBefore:
    """What the last drawing can save this one: it holds for rows that are the very same ones."""

    rows: NetworkRows | None = None
    parted: Parted = field(default_factory=dict)
    vpcs: dict[str, _Drawn] = field(default_factory=dict)
    interfaces: _Interfaces = field(default_factory=_Interfaces)


def draw_network(rows: NetworkRows, before: DrawnBefore | None = None) -> Network:
    """Every VPC that some interface is attached in, sorted by id.

    ``before``: a VPC whose rows are the very same ones is the same object again, and so is each
    interface; what is drawn now is left there.
    """
    before = DrawnBefore() if before is None else before
    known, before.vpcs = before.vpcs, {}
    changed = before.interfaces.follow(rows.interfaces)
    before.parted = _parted(rows, before)
    before.rows = rows
    for vpc_id, interfaces in sorted(before.interfaces.by_vpc.items()):
        mine = _of_vpc(before.parted, vpc_id, rows)
        if not mine.vpcs or not any(row.attachment_id for row in interfaces.values()):
            continue
        old = known.get(vpc_id)
        if old is None or vpc_id in changed or not _same(old.rows, mine):
            news = interfaces.keys() if old is None else changed.get(vpc_id, set())
            old = _drawn(mine, interfaces, news, old)
        before.vpcs[vpc_id] = old
    return Network(tuple(drawn.vpc for drawn in before.vpcs.values()))


def _drawn(
    rows: NetworkRows,
    interfaces: Mapping[str, model.NetworkInterface],
    news: Set[str],
    old: _Drawn | None,
) -> _Drawn:
    """A VPC; of its interfaces only those are drawn that are ``news`` to the old drawing."""
    drawn = old.interfaces if old is not None else {}
    order = old.order if old is not None else []
    told = [rows] if old is None else [rows, old.rows]
    elastic = {a.eni_id: a.public_ip for a in rows.addresses if a.eni_id}
    # These two say something of an interface that its own row does not.
    elsewhere = {row.eni_id for one in told for row in one.addresses}
    elsewhere |= {row.eni_id for one in told for row in one.nat_gateways}
    nats = {nat.eni_id for nat in _nat_gateways(rows)}
    for eni_id in news | elsewhere:
        row = interfaces.get(eni_id)
        if row is not None and _is_attached(row, nats):
            if eni_id not in drawn:
                insort(order, eni_id)
            drawn[eni_id] = _interface(row, elastic.get(eni_id) or row.public_ip)
        elif eni_id in drawn:
            del drawn[eni_id], order[bisect_left(order, eni_id)]
    return _Drawn(rows, _Drawer(rows, rows.vpcs[0], drawn, order).vpc_drawn(), drawn, order)


def _is_attached(row: model.NetworkInterface, nats: Set[str]) -> bool:
    return bool(row.attachment_id) and (row.interface_type != "nat_gateway" or row.eni_id in nats)


def _internet_gateway(rows: NetworkRows) -> model.InternetGateway | None:
    return next(iter(rows.internet_gateways), None)


def _nat_gateways(rows: NetworkRows) -> list[model.NatGateway]:
    if _internet_gateway(rows) is None:
        return []
    return sorted((n for n in rows.nat_gateways if n.works), key=lambda nat: nat.nat_gateway_id)


def _same(one: NetworkRows, other: NetworkRows) -> bool:
    """Whether these are the very same rows."""
    pairs = ((getattr(one, each.name), getattr(other, each.name)) for each in fields(NetworkRows))
    return all(a is b or (len(a) == len(b) and all(map(is_, a, b))) for a, b in pairs)


_APART = ("interfaces", "prefix_lists")
"""Those are kept by themselves; these are an account's, so that every VPC has all."""
_OWNERS = {"rules": ("groups", "group_id"), "addresses": ("interfaces", "eni_id")}
"""Rows that say no VPC, the kind that says it for them, and the id of both."""


def _parted(rows: NetworkRows, before: DrawnBefore) -> Parted:
    """Each kind of rows by VPC: as before where neither they nor what says their VPC changed."""
    found: Parted = {}
    for name in (each.name for each in fields(NetworkRows) if each.name not in _APART):
        told = (name, *_OWNERS.get(name, ())[:1])
        if name in before.parted and all(
            getattr(before.rows, one) is getattr(rows, one) for one in told
        ):
            found[name] = before.parted[name]
            continue
        vpc_of = _vpc_of(name, rows, before.interfaces)
        parts: dict[str, list[object]] = {}
        for row in getattr(rows, name):
            vpc_id = vpc_of(row)
            if vpc_id is not None:
                parts.setdefault(vpc_id, []).append(row)
        found[name] = {vpc_id: tuple(part) for vpc_id, part in parts.items()}
    return found


def _vpc_of(name: str, rows: NetworkRows, interfaces: _Interfaces) -> Callable[[Any], str | None]:
    """How a row of this kind is asked for its VPC."""
    if name not in _OWNERS:
        return lambda row: row.vpc_id
    owner, key = _OWNERS[name]
    owners: Mapping[str, Any] = interfaces.by_id
    if owner != "interfaces":
        owners = {getattr(one, key): one for one in getattr(rows, owner)}

    def by_owner(row: Any) -> str | None:
        found = owners.get(getattr(row, key))
        return None if found is None else found.vpc_id

    return by_owner


def _of_vpc(parted: Parted, vpc_id: str, rows: NetworkRows) -> NetworkRows:
    """What this VPC is drawn from, but for its interfaces."""
    mine: dict[str, Any] = {name: parts.get(vpc_id, ()) for name, parts in parted.items()}
    return NetworkRows(**mine, prefix_lists=rows.prefix_lists)


@dataclass(frozen=True)
class _Drawer:
    """One VPC, the rows that it is drawn from, its drawn interfaces and their sorted ids."""

    rows: NetworkRows
    vpc: model.Vpc
    drawn: Mapping[str, Interface]
    order: Iterable[str]

    def vpc_drawn(self) -> Vpc:
        vpc_id = self.vpc.vpc_id
        base = IPv4Network(self.vpc.cidr).network_address
        gateway = _internet_gateway(self.rows)
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
            interfaces=tuple(map(self.drawn.__getitem__, self.order)),
            nat_gateways=tuple(
                NatGateway(nat.nat_gateway_id, nat.eni_id) for nat in _nat_gateways(self.rows)
            ),
            gateway_endpoints=self._gateway_endpoints(),
            prefix_lists=self._prefix_lists(),
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
        gateway = _internet_gateway(self.rows)
        if gateway is not None and gateway.internet_gateway_id == target:
            return ToInternetGateway(target)
        for nat in _nat_gateways(self.rows):
            if nat.nat_gateway_id == target:
                return ToInterface(nat.eni_id, target)
        if any(endpoint.endpoint_id == target for endpoint in self._gateway_endpoints()):
            return ToGatewayEndpoint(target)
        if target in self.drawn:
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
