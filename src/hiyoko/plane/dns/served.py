"""The zone set in force with everything that is made of it.

It is replaced as a whole, caches and all; what a change does not touch is taken over as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dns.name
import dns.rdata

from hiyoko.blueprint.places import HOME, PLACES, Place, place_of_region
from hiyoko.blueprint.zones import Zone, Zones
from hiyoko.plane.addresses import ROOT_SERVER
from hiyoko.plane.dns.answers import Authorities
from hiyoko.plane.dns.authority import LoadedZone
from hiyoko.plane.dns.choice import Asker
from hiyoko.plane.dns.forwarding import Forwarder
from hiyoko.plane.dns.loaded import Contents, Key, Name, Records, key_of_text
from hiyoko.plane.dns.recursive import RecursiveAnswers
from hiyoko.plane.dns.resolver import Resolver
from hiyoko.plane.dns.signing import Signer
from hiyoko.plane.dns.upstream import Upstream
from hiyoko.plane.dns.validating import Validator
from hiyoko.plane.dns.zone_change import (
    RecordChange,
    ZoneChange,
    changed_number,
    whole_digest,
    zone_number,
)
from hiyoko.plane.dns.zone_keys import Role, ZoneKeys

NOWHERE = "192.0.2.0"
"""Asked for on behalf of clients that are nowhere on this internet (RFC 5737)."""


@dataclass(frozen=True, slots=True)
class ServedZone:
    """A zone without its records, what it holds, and its part in the digest."""

    header: Zone
    contents: Contents
    signer: Signer | None
    number: int

    @classmethod
    def load(cls, zone: Zone, keys: ZoneKeys) -> ServedZone:
        """Take in a whole zone."""
        contents = Contents.load(zone)
        signer = None
        if zone.signing is not None:
            signer = Signer.of(contents.origin, zone.zone_id, zone.signing, keys)
        return cls(replace(zone, records=()), contents, signer, zone_number(zone))

    def changed(self, change: RecordChange) -> ServedZone:
        """The zone with other records."""
        return ServedZone(
            self.header,
            self.contents.changed(change.dropped, change.put),
            self.signer,
            changed_number(self.number, change),
        )


@dataclass(frozen=True, slots=True)
class Served:
    """What is answered from. ``rest`` is the zone set without its zones."""

    zones: Mapping[str, ServedZone]
    rest: Zones
    digest: str
    authorities: Authorities
    internet: Mapping[Place | None, RecursiveAnswers]
    vpcs: Mapping[str, RecursiveAnswers]
    logged: Mapping[str, frozenset[str]]
    """Ids of zones whose queries are written down, by the addresses that answer for them."""
    anchor: dns.rdata.Rdata
    """The root's key, from which a resolver that validates has its trust."""

    @classmethod
    def load(cls, zones: Zones, keys: ZoneKeys, upstream: Upstream) -> Served:
        """Take in a whole set."""
        loaded = {zone.zone_id: ServedZone.load(zone, keys) for zone in zones.zones}
        anchor = keys.key(".", Role.KEY_SIGNING).public
        return cls._of(loaded, replace(zones, zones=()), upstream, anchor)

    def changed(self, change: ZoneChange, keys: ZoneKeys, upstream: Upstream) -> Served:
        """The set after a change of this one."""
        zones = {key: zone for key, zone in self.zones.items() if key not in set(change.gone)}
        for zone in change.whole:
            zones[zone.zone_id] = ServedZone.load(zone, keys)
        for one in change.records:
            zones[one.zone_id] = zones[one.zone_id].changed(one)
        return Served._of(zones, change.zones, upstream, self.anchor)

    def renewed(self, upstream: Upstream) -> Served:
        """The same set with empty caches: signatures that were given out grow old."""
        return Served._of(self.zones, self.rest, upstream, self.anchor)

    @classmethod
    def _of(
        cls,
        zones: Mapping[str, ServedZone],
        rest: Zones,
        upstream: Upstream,
        anchor: dns.rdata.Rdata,
    ) -> Served:
        by_address: dict[str, dict[Key, LoadedZone]] = {}
        private: dict[str, dict[Key, LoadedZone]] = {}
        vouched = _vouched(zones.values())
        for zone in zones.values():
            header, said = zone.header, vouched.get(zone.contents.origin, ())
            loaded = LoadedZone.of(header.zone_id, zone.contents, zone.signer, said)
            for server in header.servers:
                by_address.setdefault(str(server), {})[loaded.key] = loaded
            for vpc_id in header.vpcs:
                private.setdefault(vpc_id, {})[loaded.key] = loaded
        logged: dict[str, set[str]] = {}
        for header in (zone.header for zone in zones.values() if zone.header.logged):
            for server in header.servers:
                logged.setdefault(str(server), set()).add(header.zone_id)
        resolvers = {place: _resolvers(upstream, place) for place in (*PLACES, None)}
        validators = {place: Validator(made[1], anchor) for place, made in resolvers.items()}
        return cls(
            zones=zones,
            rest=rest,
            digest=whole_digest(rest, {key: zone.number for key, zone in zones.items()}),
            authorities=Authorities(by_address),
            internet={place: RecursiveAnswers(*made) for place, made in resolvers.items()},
            vpcs={
                entry.vpc_id: RecursiveAnswers(
                    *resolvers[place_of_region(entry.region)],
                    entry,
                    private.get(entry.vpc_id, {}),
                    {dns.name.from_text(name): str(address) for name, address in entry.hosts},
                    Asker(place_of_region(entry.region)),
                    {
                        key_of_text(rule.domain): Forwarder(rule) if rule.targets else None
                        for rule in entry.rules
                    },
                    validators[place_of_region(entry.region)] if entry.validates else None,
                )
                for entry in rest.resolvers
            },
            logged={address: frozenset(ids) for address, ids in logged.items()},
            anchor=anchor,
        )


def _vouched(zones: Iterable[ServedZone]) -> dict[Name, list[Records]]:
    """What each signed zone of the world says of its signed children's keys."""
    signed = {
        zone.contents.origin: zone.signer.vouched
        for zone in zones
        if zone.signer is not None and zone.signer.vouched is not None
    }
    found: dict[Name, list[Records]] = {}
    for origin, vouched in signed.items():
        above: Any = origin
        while above != dns.name.root:
            above = above.parent()
            if above in signed:
                found.setdefault(above, []).append(vouched)
                break
    return found


def _resolvers(upstream: Upstream, place: Place | None) -> tuple[Resolver, Resolver]:
    """The resolvers of a place's clients, for those without and those with a wish for signatures.

    Home's need no subnet: it is where everybody else is.
    """
    subnet = NOWHERE
    if place is not None:
        subnet = "" if place == HOME else str(place.network.network_address)
    root = str(ROOT_SERVER)
    return Resolver(upstream, root, subnet), Resolver(upstream, root, subnet, signed=True)
