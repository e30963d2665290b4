"""A full comparison: does the kernel really hold what its fingerprints claim?

The wished table is loaded into an empty throw-away namespace and both are listed: what nft prints
for what it was given is the only form in which two rulesets can be compared. A router whose table
differs is reported as having none, an interface that differs as unfinished: the steps follow.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hiyoko.blueprint.network import Network, Vpc
from hiyoko.plane.addresses import ENI_GATEWAY
from hiyoko.plane.error import PlaneError
from hiyoko.plane.network.lane import LANE, without_lane
from hiyoko.plane.network.lane_hooks import no_strangers
from hiyoko.plane.network.names import TABLE
from hiyoko.plane.network.observed import Observed, ObservedRouter
from hiyoko.plane.network.rules import render_rules
from hiyoko.plane.network.wiring import Wire, wiring
from hiyoko.plane.process import run

_LIST = f"for t in '{TABLE}' '{LANE}'; do nft -j list table $t 2>/dev/null; done; true"
PARALLEL = 8


async def audit(network: Network, observed: Observed) -> Observed:
    """What was observed, without whatever is not what it claims to be."""
    limit = asyncio.Semaphore(PARALLEL)
    routers: dict[str, ObservedRouter] = dict(observed.routers)
    for vpc in network.vpcs:
        seen = routers.get(vpc.vpc_id)
        if seen is not None:
            routers[vpc.vpc_id] = await _audit_router(vpc, seen, observed.namespaces, limit)
    return replace(observed, routers=routers)


async def _audit_router(
    vpc: Vpc, seen: ObservedRouter, there: frozenset[str], limit: asyncio.Semaphore
) -> ObservedRouter:
    same = await _same_table(render_rules(vpc), vpc.vpc_id)
    if not (same and await no_strangers(vpc.vpc_id)):
        seen = replace(seen, parts={})
    wires = [
        wire
        for wire in wiring(vpc).wires
        if seen.links.get(wire.link) in (wire.alias, wire.new_alias) and wire.eni_id in there
    ]
    sound = await asyncio.gather(*(_sound(wire, limit) for wire in wires))
    bad = {wire.link for wire, good in zip(wires, sound, strict=True) if not good}
    links: Mapping[str, str] = {
        name: alias for name, alias in seen.links.items() if name not in bad
    }
    return replace(seen, links=links, unfinished=seen.unfinished | bad)


async def _same_table(wished: str, netns: str) -> bool:
    held = _canonical(await run("sh", "-c", _LIST, netns=netns))
    if not held.lane:
        # Only a shortcut: a kernel that refuses it must not be asked for it again and again.
        wished = without_lane(wished)
    load = f"nft -f - && {{ {_LIST}; }}"
    return held == _canonical(await run("unshare", "--net", "--", "sh", "-c", load, stdin=wished))


@dataclass(frozen=True, slots=True)
class Held:
    """Sets, maps and chains by content, and each chain's rules in order: without handles."""

    declared: tuple[str, ...]
    rules: dict[tuple[str, str], list[str]]
    lane: bool


def _canonical(listing: str) -> Held:
    """Of the fast lane neither the chains of devices nor the notes: both come and go."""
    declared: list[str] = []
    rules: dict[tuple[str, str], list[str]] = {}
    items: list[dict[str, dict[str, Any]]] = [
        item for line in listing.splitlines() for item in json.loads(line)["nftables"]
    ]
    devices = {
        item["chain"]["name"]
        for item in items
        if item.get("chain", {}).get("hook") in ("ingress", "egress")
    }
    for kind, body in (pair for item in items for pair in item.items()):
        if kind == "metainfo" or (body.get("chain") or body["name"]) in devices:
            continue
        content = {key: value for key, value in body.items() if key != "handle"}
        if kind == "rule":
            chain = rules.setdefault((body["family"], body["chain"]), [])
            chain.append(json.dumps(content, sort_keys=True))
        else:
            # nft leaves the flag ``dynamic`` out of JSON; what times out is a note.
            noted = "timeout" in body.get("flags", ())
            elements = () if noted else body.get("elem", ())
            each = sorted(json.dumps(element, sort_keys=True) for element in elements)
            declared.append(json.dumps({**content, "elem": each, "kind": kind}))
    lane = any(item.get("table", {}).get("family") == "netdev" for item in items)
    return Held(tuple(sorted(declared)), rules, lane)


async def _sound(wire: Wire, limit: asyncio.Semaphore) -> bool:
    """Whether the interface's own end has its address, its way out and its NAT table."""
    async with limit:
        try:
            printed = await run(
                "ip", "-n", wire.eni_id, "-4", "-o", "-batch", "-",
                stdin="address show dev eth0\nroute show default\nlink show dev eth0\n",
            )  # fmt: skip
        except PlaneError:
            return False
        wanted = (f"inet {wire.address}/32", f"default via {ENI_GATEWAY} dev eth0", "NOARP,UP")
        if any(text not in printed for text in wanted):
            return False
        return not wire.nat or await _same_table(wire.nat, wire.eni_id)
