"""What the kernel says of the network, as values; parsed from iproute2's and nftables' JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hiyoko.plane.network.names import GATEWAY_LINK, LOCAL_PRIORITY, SUBNET_PRIORITY
from hiyoko.plane.network.wiring import KernelRoute, KernelRule

SEPARATOR = "=== hiyoko ==="

OBSERVE_ROUTER = f"""\
ip -j link show; echo '{SEPARATOR}'
ip -j -4 address show dev lo; echo '{SEPARATOR}'
ip -j -4 route show table all; echo '{SEPARATOR}'
ip -j -4 rule show; echo '{SEPARATOR}'
cat /proc/sys/net/ipv4/ip_forward; echo '{SEPARATOR}'
nft -j list set ip hiyoko fingerprints 2>/dev/null || true
"""
"""Everything that is compared of a router, asked in one go from inside its namespace."""


@dataclass(frozen=True, slots=True)
class ObservedRouter:
    """A router namespace. ``links`` are complete interfaces: up, by name, with their alias."""

    forwards: bool = False
    links: Mapping[str, str] = field(default_factory=dict)
    unfinished: frozenset[str] = frozenset()
    resolvers: frozenset[str] = frozenset()
    routes: frozenset[KernelRoute] = frozenset()
    rules: frozenset[KernelRule] = frozenset()
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def gateway(self) -> bool:
        """Whether the link to the internet stands."""
        return GATEWAY_LINK in self.links


@dataclass(frozen=True, slots=True)
class Observed:
    """The whole network: namespaces of ours, routers, and the internet's side."""

    namespaces: frozenset[str] = frozenset()
    routers: Mapping[str, ObservedRouter] = field(default_factory=dict)
    internet_links: frozenset[str] = frozenset()
    public: Mapping[str, str] = field(default_factory=dict)
    """Public address → link that the internet sends it to."""


def parse_router(printed: str) -> ObservedRouter:
    """Parse the output of OBSERVE_ROUTER."""
    links, addresses, routes, rules, forwards, prints = printed.split(f"{SEPARATOR}\n")
    finished, unfinished = _links(_loads(links))
    local = _addresses(_loads(addresses))
    return ObservedRouter(
        forwards=forwards.strip() == "1" and "lo" in finished,
        links={name: alias for name, alias in finished.items() if name != "lo"},
        unfinished=unfinished,
        resolvers=frozenset(local),
        routes=frozenset(_routes(_loads(routes))),
        rules=frozenset(_rules(_loads(rules))),
        parts=_parts(prints),
    )


def parse_internet(links: str, routes: str) -> tuple[frozenset[str], dict[str, str]]:
    """The internet's gateway links that are up, and its routes to public addresses."""
    finished, _ = _links(_loads(links))
    public = {
        route["dst"]: route["dev"]
        for route in _loads(routes)
        if str(route.get("dev", "")).startswith("w-")
    }
    return frozenset(name for name in finished if name.startswith("w-")), public


def _loads(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(text) if text.strip() else []
    # Some versions print an empty object where nothing matches.
    return [row for row in rows if row]


def _links(rows: list[dict[str, Any]]) -> tuple[dict[str, str], frozenset[str]]:
    finished: dict[str, str] = {}
    unfinished: set[str] = set()
    for row in rows:
        name = row["ifname"]
        if "UP" in row["flags"] and (name == "lo" or ("NOARP" in row["flags"])):
            finished[name] = row.get("ifalias", "")
        else:
            unfinished.add(name)
    return finished, frozenset(unfinished)


def _addresses(rows: list[dict[str, Any]]) -> list[str]:
    return [
        info["local"]
        for row in rows
        for info in row.get("addr_info", [])
        if not info["local"].startswith("127.")
    ]


def _routes(rows: list[dict[str, Any]]) -> list[KernelRoute]:
    return [
        KernelRoute(int(row["table"]), row["dst"], row.get("dev", ""))
        for row in rows
        if str(row.get("table", "main")).isdigit()
    ]


def _rules(rows: list[dict[str, Any]]) -> list[KernelRule]:
    found = []
    for row in rows:
        side, name, length = (
            ("to", "dst", "dstlen")
            if row["priority"] == LOCAL_PRIORITY
            else ("from", "src", "srclen")
        )
        if row["priority"] in (LOCAL_PRIORITY, SUBNET_PRIORITY) and name in row:
            cidr = f"{row[name]}/{row.get(length, 32)}"
            found.append(KernelRule(row["priority"], side, cidr, int(row["table"])))
    return found


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for item in json.loads(text)["nftables"] if text.strip() else ():
        for element in item.get("set", {}).get("elem", ()):
            name, _, seen = element["elem"]["comment"].partition("=")
            parts[name] = seen
    return parts
