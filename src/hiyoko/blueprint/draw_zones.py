"""Draws what DNS must answer: the world's own zones, and every hosted zone of every account.

The registrar of this internet is simple: a name belongs to whoever made the first public hosted
zone of it, and its parent delegates to that zone's name servers. A zone below another delegated
zone is reached only through NS records in that one, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

from hiyoko.blueprint.draw_endpoints import private_zones, public_names
from hiyoko.blueprint.draw_records import (
    ALL_HEALTHY,
    NO_FLOW,
    Draft,
    Drawn,
    Flow,
    Unhealthy,
    balancer_addresses,
    master_text,
)
from hiyoko.blueprint.draw_resolvers import (
    NO_RESOLVER_ROWS,
    ResolverRows,
    draw_hosts,
    draw_inlets,
    draw_outlets,
    draw_resolvers,
)
from hiyoko.blueprint.world_zones import (
    ROUTE53_SERVERS,
    aws_zones,
    is_parent,
    is_taken,
    parent_of,
    parent_zones,
)
from hiyoko.blueprint.zones import Delegation, Signing, Zone, Zones
from hiyoko.services.ec2.model import Address, NetworkInterface, Vpc, VpcEndpoint
from hiyoko.services.elbv2.model import LoadBalancer
from hiyoko.services.route53.model import HostedZone, KeySigningKey, server_name
from hiyoko.services.route53.model import RecordSet as Wished


def draw_zones(
    *,
    revision: int,
    hosted_zones: Iterable[HostedZone],
    records: Iterable[Wished],
    balancers: Iterable[LoadBalancer],
    vpcs: Iterable[Vpc],
    interfaces: Iterable[NetworkInterface] = (),
    addresses: Iterable[Address] = (),
    unhealthy: Unhealthy = ALL_HEALTHY,
    endpoints: Iterable[VpcEndpoint] = (),
    flow: Flow = NO_FLOW,
    drawn: Drawn | None = None,
    signing: Mapping[str, Signing] = MappingProxyType({}),
    signing_keys: Iterable[KeySigningKey] = (),
    resolver_rows: ResolverRows = NO_RESOLVER_ROWS,
) -> Zones:
    """Everything that the world's DNS server serves, from these rows.

    A VPC has a router, and so a resolver, as long as some interface is attached in it. ``drawn`` is
    what the last drawing can save this one.
    """
    interfaces, endpoints = tuple(interfaces), tuple(endpoints)
    living = {interface.vpc_id for interface in interfaces if interface.attachment_id}
    zones = sorted(hosted_zones, key=lambda z: (z.created_at, z.zone_id))
    vpcs = sorted(vpcs, key=lambda v: v.vpc_id)
    balancers = sorted(balancers, key=lambda b: b.arn)
    draft = Draft.of(zones, records, balancers, unhealthy, flow, drawn)
    seeing = {v.vpc_id for v in vpcs if v.dns_support and v.dns_hostnames}
    hosted = tuple(_hosted(zone, draft, seeing, signing.get(zone.zone_id)) for zone in zones)
    hosts = draw_hosts(interfaces, addresses, seeing)
    resolvers = draw_resolvers(vpcs, living, hosts, resolver_rows)
    registered = _registered(zones)
    servers = sorted({n for zone in zones for n in zone.servers})
    return Zones(
        revision=revision,
        zones=(
            *parent_zones(
                {zone.name: zone.name_servers for zone in registered},
                {server_name(n): route53_address(n) for n in servers},
                [zone.name for zone in zones if not zone.private],
                _vouched(registered, signing, signing_keys),
            ),
            *aws_zones(
                {server_name(n): route53_address(n) for n in servers},
                {b.dns_name: balancer_addresses(b) for b in balancers},
                {host.name: host.public for host in hosts},
                public_names(endpoints),
            ),
            *hosted,
            *private_zones(endpoints, seeing),
        ),
        resolvers=resolvers,
        inlets=draw_inlets(resolvers, resolver_rows.endpoints),
        outlets=draw_outlets(resolver_rows.endpoints),
        delegations=_delegations(zones, registered, hosted),
    )


def route53_address(number: int) -> IPv4Address:
    """Where ``ns-N.awsdns-...`` answers."""
    return ROUTE53_SERVERS[number]


def _registered(zones: Iterable[HostedZone]) -> list[HostedZone]:
    """The public zones that a parent delegates to: the first of each name, oldest first."""
    first: dict[str, HostedZone] = {}
    for zone in zones:
        if not (zone.private or is_parent(zone.name) or is_taken(zone.name)):
            first.setdefault(zone.name, zone)
    return [zone for name, zone in first.items() if not _hosted_above(name, first)]


def _hosted_above(name: str, first: Mapping[str, HostedZone]) -> str | None:
    """The closest delegated or delegating hosted zone above a name."""
    while (name := name.split(".", 1)[1]) != "":
        if name in first:
            return name
    return None


def _delegations(
    zones: Iterable[HostedZone], registered: Iterable[HostedZone], hosted: Iterable[Zone]
) -> tuple[Delegation, ...]:
    """Which zones are reached from the root: registered ones, and what these delegate further."""
    reached = {zone.name: (zone, parent_of(zone.name)) for zone in registered}
    drawn = {zone.zone_id: zone for zone in hosted}
    below = sorted((z for z in zones if not z.private), key=lambda z: z.name.count("."))
    for zone in below:
        above = _reached_above(zone.name, reached)
        if zone.name in reached or above is None:
            continue
        for record in drawn[above.zone_id].records:
            same = {v.lower().rstrip(".") for v in record.values} & {
                name.rstrip(".") for name in zone.name_servers
            }
            if record.type == "NS" and record.name == zone.name and same:
                reached[zone.name] = (zone, above.name)
    return tuple(
        sorted(
            (Delegation(zone.zone_id, parent) for zone, parent in reached.values()),
            key=lambda d: d.zone_id,
        )
    )


def _reached_above(name: str, reached: Mapping[str, tuple[HostedZone, str]]) -> HostedZone | None:
    while (name := name.split(".", 1)[1]) != "":
        if name in reached:
            return reached[name][0]
    return None


def _vouched(
    registered: Iterable[HostedZone],
    signing: Mapping[str, Signing],
    keys: Iterable[KeySigningKey],
) -> dict[str, tuple[str, ...]]:
    """What the registries publish as DS, by zone name: of each zone that is signed, its keys.

    They take it from the zone itself, as registries do that follow RFC 8078, and as soon as it is
    signed: a registrar's form, with days of waiting, would teach nothing here.
    """
    active: dict[str, list[str]] = {}
    for key in keys:
        if key.active:
            active.setdefault(key.zone_id, []).append(key.delegation_signer)
    return {
        zone.name: tuple(active[zone.zone_id])
        for zone in registered
        if zone.zone_id in signing and zone.zone_id in active
    }


def _hosted(zone: HostedZone, draft: Draft, seeing: set[str], signing: Signing | None) -> Zone:
    """A hosted zone. A private one is seen by VPCs that have both DNS attributes."""
    return Zone(
        zone_id=zone.zone_id,
        name=master_text(zone.name),
        servers=tuple(route53_address(n) for n in zone.servers),
        records=draft.served(zone.zone_id),
        vpcs=tuple(sorted(v.vpc_id for v in zone.vpcs if v.vpc_id in seeing)),
        signing=signing,
        logged=zone.zone_id in draft.logged,
    )
