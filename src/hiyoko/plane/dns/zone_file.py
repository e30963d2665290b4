"""The zone set as a file: what a server that starts anew serves at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hiyoko.blueprint.zones import (
    Choice,
    Delegation,
    Policy,
    RecordSet,
    VpcResolver,
    Zone,
    Zones,
)

_CHOICE_FIELDS = {f.name: f.default for f in fields(Choice) if f.name != "record"}
"""What a choice has beside its record; defaults are left out of the file."""


def render(zones: Zones) -> str:
    """The file's text."""
    return _text({"revision": zones.revision, **_answers(zones)}) + "\n"


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _answers(zones: Zones) -> dict[str, Any]:
    """Everything but the revision. Written out: ``asdict`` takes ten times as long."""
    return {
        "zones": [
            {
                "zone_id": zone.zone_id,
                "name": zone.name,
                "servers": [str(server) for server in zone.servers],
                "records": [_record(record) for record in zone.records],
                "vpcs": zone.vpcs,
            }
            for zone in zones.zones
        ],
        "resolvers": [
            {
                "vpc_id": entry.vpc_id,
                "address": str(entry.address),
                "region": entry.region,
                "cidrs": [str(cidr) for cidr in entry.cidrs],
                "hosts": [[name, str(address)] for name, address in entry.hosts],
            }
            for entry in zones.resolvers
        ],
        "delegations": [[entry.zone_id, entry.parent] for entry in zones.delegations],
    }


def _record(record: RecordSet) -> list[Any]:
    """A set as a list: values follow; where there is a policy, it and its choices do instead."""
    start = [record.name, record.type, record.ttl_s]
    if record.policy is Policy.SIMPLE:
        return [*start, *record.values]
    return [*start, {"policy": record.policy, "choices": [_choice(c) for c in record.choices]}]


def _choice(choice: Choice) -> list[Any]:
    values = {name: getattr(choice, name) for name in _CHOICE_FIELDS}
    return [_record(choice.record), {k: v for k, v in values.items() if v != _CHOICE_FIELDS[k]}]


def _parsed(data: list[Any]) -> RecordSet:
    name, kind, ttl_s, *rest = data
    if not rest or isinstance(rest[0], str):
        return RecordSet(name, kind, ttl_s, tuple(rest))
    choices = tuple(
        Choice(record=_parsed(record), **{**given, "cidrs": tuple(given.get("cidrs", ()))})
        for record, given in rest[0]["choices"]
    )
    return RecordSet(name, kind, ttl_s, (), Policy(rest[0]["policy"]), choices)


def digest(zones: Zones) -> str:
    """What two zone sets with the same answers share, whatever revision they were drawn at."""
    return hashlib.sha256(_text(_answers(zones)).encode()).hexdigest()


def parse(text: str) -> Zones:
    """The zone set of a rendered file."""
    data = json.loads(text)
    return Zones(
        revision=data["revision"],
        zones=tuple(_zone(zone) for zone in data["zones"]),
        resolvers=tuple(
            VpcResolver(
                vpc_id=entry["vpc_id"],
                address=IPv4Address(entry["address"]),
                region=entry["region"],
                cidrs=tuple(IPv4Network(cidr) for cidr in entry["cidrs"]),
                hosts=tuple((name, IPv4Address(address)) for name, address in entry["hosts"]),
            )
            for entry in data["resolvers"]
        ),
        delegations=tuple(Delegation(*entry) for entry in data["delegations"]),
    )


def _zone(data: dict[str, Any]) -> Zone:
    return Zone(
        zone_id=data["zone_id"],
        name=data["name"],
        servers=tuple(IPv4Address(server) for server in data["servers"]),
        records=tuple(_parsed(record) for record in data["records"]),
        vpcs=tuple(data["vpcs"]),
    )
