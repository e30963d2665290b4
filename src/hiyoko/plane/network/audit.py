"""A full comparison: does the kernel really hold what its fingerprints claim?

The wished table is loaded into an empty throw-away namespace and both are listed: what nft prints
for what it was given is the only form in which two rulesets can be compared. A router whose table
differs is reported as having none, an interface that differs as unfinished: the steps follow.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hiyoko.blueprint.network import Network, Vpc
from hiyoko.plane.addresses import ENI_GATEWAY
from hiyoko.plane.error import PlaneError
from hiyoko.plane.network.names import TABLE
from hiyoko.plane.network.observed import Observed, ObservedRouter
from hiyoko.plane.network.rules import render_rules
from hiyoko.plane.network.wiring import Wire, wiring
from hiyoko.plane.process import run

_LIST = f"nft -j list table {TABLE} 2>/dev/null || true"
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
    if not await _same_table(render_rules(vpc), vpc.vpc_id):
        seen = replace(seen, parts={})
    wires = [
        wire
        for wire in wiring(vpc).wires
        if seen.links.get(wire.link) == wire.alias and wire.eni_id in there
    ]
    sound = await asyncio.gather(*(_sound(wire, limit) for wire in wires))
    bad = {wire.link for wire, good in zip(wires, sound, strict=True) if not good}
    links: Mapping[str, str] = {
        name: alias for name, alias in seen.links.items() if name not in bad
    }
    return replace(seen, links=links, unfinished=seen.unfinished | bad)


async def _same_table(wished: str, netns: str) -> bool:
    fresh, held = await asyncio.gather(
        run("unshare", "--net", "--", "sh", "-c", f"nft -f - && {_LIST}", stdin=wished),
        run("sh", "-c", _LIST, netns=netns),
    )
    return _canonical(fresh) == _canonical(held)


def _canonical(listing: str) -> tuple[list[str], dict[str, list[str]]]:
    """Sets, maps and chains by content, and each chain's rules in order: without handles."""
    declared: list[str] = []
    rules: dict[str, list[str]] = {}
    items: list[dict[str, dict[str, Any]]] = (
        json.loads(listing)["nftables"] if listing.strip() else []
    )
    for item in items:
        for kind, body in item.items():
            content = {key: value for key, value in body.items() if key != "handle"}
            if kind == "rule":
                rules.setdefault(body["chain"], []).append(json.dumps(content, sort_keys=True))
            elif kind != "metainfo":
                elements = sorted(json.dumps(each, sort_keys=True) for each in body.get("elem", ()))
                declared.append(json.dumps({**content, "elem": elements, "kind": kind}))
    return sorted(declared), rules


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
