"""The zone set as a file: what a server that starts anew serves at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hiyoko.blueprint.zones import Delegation, RecordSet, VpcResolver, Zone, Zones


def render(zones: Zones) -> str:
    """The file's text."""
    return json.dumps(asdict(zones), default=str, separators=(",", ":")) + "\n"


def digest(zones: Zones) -> str:
    """What two zone sets with the same answers share, whatever revision they were drawn at."""
    return hashlib.sha256(render(replace(zones, revision=0)).encode()).hexdigest()


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
            )
            for entry in data["resolvers"]
        ),
        delegations=tuple(Delegation(**entry) for entry in data["delegations"]),
    )


def _zone(data: dict[str, Any]) -> Zone:
    return Zone(
        zone_id=data["zone_id"],
        name=data["name"],
        servers=tuple(IPv4Address(server) for server in data["servers"]),
        records=tuple(
            RecordSet(
                name=record["name"],
                type=record["type"],
                ttl_s=record["ttl_s"],
                values=tuple(record["values"]),
            )
            for record in data["records"]
        ),
        vpcs=tuple(data["vpcs"]),
    )
