"""Draws the resolvers of VPCs: where they listen, and which questions go elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from hiyoko.blueprint.resolvers import Inlet, Outlet, Rule, VpcResolver
from hiyoko.services.ec2.model import Address, NetworkInterface, Vpc
from hiyoko.services.route53resolver.model import (
    INBOUND,
    DnssecConfig,
    QueryLogAssociation,
    ResolverEndpoint,
    ResolverRule,
    ReverseConfig,
    RuleAssociation,
)


@dataclass(frozen=True, slots=True)
class ResolverRows:
    """What Route 53 Resolver wishes, of all accounts and Regions."""

    endpoints: tuple[ResolverEndpoint, ...] = ()
    rules: tuple[ResolverRule, ...] = ()
    associations: tuple[RuleAssociation, ...] = ()
    dnssec: tuple[DnssecConfig, ...] = ()
    query_logs: tuple[QueryLogAssociation, ...] = ()
    reverse: tuple[ReverseConfig, ...] = ()


NO_RESOLVER_ROWS = ResolverRows()


@dataclass(frozen=True, slots=True)
class Host:
    """An interface with a public address, and the name that this address has."""

    name: str
    vpc_id: str
    private: IPv4Address
    public: IPv4Address


def draw_hosts(
    interfaces: Iterable[NetworkInterface], addresses: Iterable[Address], seeing: set[str]
) -> list[Host]:
    """Public host names in the VPCs that have such names, sorted.

    An elastic address takes the place of one of Amazon's pool.
    """
    elastic = {address.eni_id: address.public_ip for address in addresses if address.eni_id}
    found = []
    for interface in interfaces:
        public = elastic.get(interface.eni_id) or interface.public_ip
        if public and interface.vpc_id in seeing:
            name = _host_name(interface.region, public)
            private = IPv4Address(interface.private_ip)
            found.append(Host(name, interface.vpc_id, private, IPv4Address(public)))
    return sorted(found, key=lambda host: host.name)


def _host_name(region: str, public: str) -> str:
    domain = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return f"ec2-{public.replace('.', '-')}.{domain}.amazonaws.com."


def draw_resolvers(
    vpcs: Iterable[Vpc], living: set[str], hosts: Iterable[Host], rows: ResolverRows
) -> tuple[VpcResolver, ...]:
    """The resolver of each VPC with DNS support that is ``living``: that has a router."""
    rules, validating = _rules(rows), {one.vpc_id for one in rows.dnssec if one.on}
    logged = {one.vpc_id for one in rows.query_logs}
    nameless = {one.vpc_id for one in rows.reverse if not one.on}
    return tuple(
        # The primary CIDR's base plus two.
        VpcResolver(
            vpc_id=vpc.vpc_id,
            address=IPv4Network(vpc.cidr)[2],
            region=vpc.region,
            cidrs=tuple(IPv4Network(association.cidr) for association in vpc.cidrs),
            hosts=tuple((host.name, host.private) for host in hosts if host.vpc_id == vpc.vpc_id),
            rules=rules.get(vpc.vpc_id, ()),
            validates=vpc.vpc_id in validating,
            logged=vpc.vpc_id in logged,
            reverse=vpc.vpc_id not in nameless,
        )
        for vpc in vpcs
        if vpc.dns_support and vpc.vpc_id in living
    )


def _rules(rows: ResolverRows) -> Mapping[str, tuple[Rule, ...]]:
    """Each VPC's rules, sorted by domain."""
    endpoints = {one.endpoint_id: one for one in rows.endpoints}
    drawn = {one.rule_id: _rule(one, endpoints) for one in rows.rules}
    found: dict[str, list[Rule]] = {}
    for one in rows.associations:
        if not one.leaving:
            found.setdefault(one.vpc_id, []).append(drawn[one.rule_id])
    return {
        vpc_id: tuple(sorted(rules, key=lambda rule: rule.domain))
        for vpc_id, rules in found.items()
    }


def _rule(rule: ResolverRule, endpoints: Mapping[str, ResolverEndpoint]) -> Rule:
    if not rule.targets:
        return Rule(rule.domain)
    return Rule(
        domain=rule.domain,
        targets=tuple((IPv4Address(each.ip), each.port) for each in rule.targets),
        outlets=tuple(
            Outlet(each.eni_id, IPv4Address(each.ip))
            for each in endpoints[rule.endpoint_id].staying
        ),
    )


def draw_inlets(
    resolvers: Iterable[VpcResolver], endpoints: Iterable[ResolverEndpoint]
) -> tuple[Inlet, ...]:
    """The addresses of inbound endpoints in VPCs that have a resolver, sorted."""
    resolving = {resolver.vpc_id for resolver in resolvers}
    inlets = (
        Inlet(each.eni_id, IPv4Address(each.ip), one.vpc_id)
        for one in endpoints
        if one.direction == INBOUND and one.vpc_id in resolving
        for each in one.staying
    )
    return tuple(sorted(inlets, key=lambda inlet: inlet.eni_id))


def draw_outlets(endpoints: Iterable[ResolverEndpoint]) -> tuple[Outlet, ...]:
    """The addresses of outbound endpoints, whether a rule uses them or not, sorted."""
    outlets = (
        Outlet(each.eni_id, IPv4Address(each.ip))
        for one in endpoints
        if one.direction != INBOUND
        for each in one.staying
    )
    return tuple(sorted(outlets, key=lambda outlet: outlet.eni_id))
