"""The zone set as a file: what a server that starts anew serves at once.   (pure)"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hiyoko.blueprint.resolvers import Inlet, Outlet, Rule, VpcResolver
from hiyoko.blueprint.zones import (
    Choice,
    Delegation,
    Policy,
    RecordSet,
    Signing,
    Zone,
    Zones,
)

_CHOICE_FIELDS = {f.name: f.default for f in fields(Choice) if f.name != "record"}
"""What a choice has beside its record; defaults are left out of the file."""


def render(zones: Zones) -> str:
    """The file's text. Written out member by member: ``asdict`` takes ten times as long."""
    data = {
        "revision": zones.revision,
        "zones": [zone_data(zone) for zone in zones.zones],
        **rest_data(zones),
    }
    return json.dumps(data, separators=(",", ":")) + "\n"


def parse(text: str) -> Zones:
    """The zone set of a rendered file; for another text ValueError, KeyError or TypeError."""
    data = json.loads(text)
    return replace(rest_of(data), zones=tuple(map(zone_of, data["zones"])))


def zone_data(zone: Zone) -> dict[str, Any]:
    """A zone as JSON has it."""
    data: dict[str, Any] = {
        "zone_id": zone.zone_id,
        "name": zone.name,
        "servers": [str(server) for server in zone.servers],
        "records": [record_data(record) for record in zone.records],
        "vpcs": zone.vpcs,
    }
    if zone.signing is not None:
        data["signing"] = [zone.signing.keys, zone.signing.signatures]
    if zone.logged:
        data["logged"] = True
    return data


def zone_of(data: dict[str, Any]) -> Zone:
    """The zone that was so written."""
    signing = data.get("signing")
    return Zone(
        zone_id=data["zone_id"],
        name=data["name"],
        servers=tuple(IPv4Address(server) for server in data["servers"]),
        records=tuple(record_of(record) for record in data["records"]),
        vpcs=tuple(data["vpcs"]),
        signing=None if signing is None else Signing(tuple(signing[0]), tuple(signing[1])),
        logged=bool(data.get("logged")),
    )


def rest_data(zones: Zones) -> dict[str, Any]:
    """Everything but the zones and the revision."""
    return {
        "resolvers": [_resolver_data(entry) for entry in zones.resolvers],
        "inlets": [[one.eni_id, str(one.address), one.vpc_id] for one in zones.inlets],
        "outlets": [_outlet_data(one) for one in zones.outlets],
        "delegations": [[entry.zone_id, entry.parent] for entry in zones.delegations],
    }


def rest_of(data: dict[str, Any]) -> Zones:
    """A set without zones, of what was so written."""
    return Zones(
        revision=data["revision"],
        resolvers=tuple(map(_resolver_of, data["resolvers"])),
        inlets=tuple(Inlet(eni, IPv4Address(ip), vpc) for eni, ip, vpc in data["inlets"]),
        outlets=tuple(map(_outlet_of, data["outlets"])),
        delegations=tuple(Delegation(*entry) for entry in data["delegations"]),
    )


def _resolver_data(entry: VpcResolver) -> dict[str, Any]:
    return {
        "vpc_id": entry.vpc_id,
        "address": str(entry.address),
        "region": entry.region,
        "cidrs": [str(cidr) for cidr in entry.cidrs],
        "hosts": [[name, str(address)] for name, address in entry.hosts],
        "rules": [
            [
                rule.domain,
                [[str(address), port] for address, port in rule.targets],
                [_outlet_data(one) for one in rule.outlets],
            ]
            for rule in entry.rules
        ],
        "validates": entry.validates,
        "logged": entry.logged,
        "reverse": entry.reverse,
    }


def _resolver_of(data: dict[str, Any]) -> VpcResolver:
    return VpcResolver(
        vpc_id=data["vpc_id"],
        address=IPv4Address(data["address"]),
        region=data["region"],
        cidrs=tuple(IPv4Network(cidr) for cidr in data["cidrs"]),
        hosts=tuple((name, IPv4Address(address)) for name, address in data["hosts"]),
        rules=tuple(
            Rule(
                domain,
                tuple((IPv4Address(address), port) for address, port in targets),
                tuple(map(_outlet_of, outlets)),
            )
            for domain, targets, outlets in data["rules"]
        ),
        validates=data["validates"],
        logged=data["logged"],
        reverse=data["reverse"],
    )


def _outlet_data(outlet: Outlet) -> list[str]:
    return [outlet.eni_id, str(outlet.address)]


def _outlet_of(data: list[str]) -> Outlet:
    return Outlet(data[0], IPv4Address(data[1]))


def record_data(record: RecordSet) -> list[Any]:
    """A set as a list: values follow; where there is a policy, it and its choices do instead."""
    start = [record.name, record.type, record.ttl_s]
    if record.policy is Policy.SIMPLE:
        return [*start, *record.values]
    return [*start, {"policy": record.policy, "choices": [_choice(c) for c in record.choices]}]


def record_of(data: list[Any]) -> RecordSet:
    """The set that was so written."""
    name, kind, ttl_s, *rest = data
    if not rest or isinstance(rest[0], str):
        return RecordSet(name, kind, ttl_s, tuple(rest))
    choices = tuple(
        Choice(record=record_of(record), **{**given, "cidrs": tuple(given.get("cidrs", ()))})
        for record, given in rest[0]["choices"]
    )
    return RecordSet(name, kind, ttl_s, (), Policy(rest[0]["policy"]), choices)


def _choice(choice: Choice) -> list[Any]:
    values = {name: getattr(choice, name) for name in _CHOICE_FIELDS}
    return [record_data(choice.record), {k: v for k, v in values.items() if v != _CHOICE_FIELDS[k]}]
