"""What the kernel says of the network, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hiyoko.plane.addresses import MARK
from hiyoko.plane.network import netlink
from hiyoko.plane.network.names import GATEWAY_LINK, LOCAL_PRIORITY, SUBNET_PRIORITY
from hiyoko.plane.network.wiring import KernelRoute, KernelRule

FORWARDS = Path("/proc/sys/net/ipv4/ip_forward")
"""Of the namespace of the thread that reads it."""
_MAIN_TABLE = 254


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


def observe_router() -> ObservedRouter:
    """The router in whose namespace this thread is. Raises PlaneError."""
    links = netlink.links()
    loopback = next((link.index for link in links if link.name == "lo"), 0)
    return router_of(
        links,
        netlink.addresses(loopback),
        netlink.routes(),
        netlink.rules(),
        netlink.set_comments(MARK, "fingerprints"),
        forwards=FORWARDS.read_text().strip() == "1",
    )


def observe_internet() -> tuple[frozenset[str], dict[str, str]]:
    """The internet's gateway links that are up, and its routes to public addresses."""
    return internet_of(netlink.links(), netlink.routes())


def router_of(
    links: Iterable[netlink.Link],
    addresses: Iterable[str],
    routes: Iterable[netlink.Route],
    rules: Iterable[netlink.Rule],
    comments: Iterable[str],
    *,
    forwards: bool,
) -> ObservedRouter:
    """A router from what the kernel lists."""
    names = {link.index: link.name for link in links}
    finished, unfinished = _links(links)
    return ObservedRouter(
        forwards=forwards and "lo" in finished,
        links={name: alias for name, alias in finished.items() if name != "lo"},
        unfinished=unfinished,
        resolvers=frozenset(each for each in addresses if not each.startswith("127.")),
        routes=frozenset(_routes(routes, names)),
        rules=frozenset(_rules(rules)),
        parts=_parts(comments),
    )


def internet_of(
    links: Iterable[netlink.Link], routes: Iterable[netlink.Route]
) -> tuple[frozenset[str], dict[str, str]]:
    """What of the internet's side is ours."""
    names = {link.index: link.name for link in links if link.name.startswith("w-")}
    public = {
        route.destination: names[route.device]
        for route in routes
        if route.table == _MAIN_TABLE and route.device in names
    }
    finished, _ = _links(links)
    return frozenset(name for name in finished if name.startswith("w-")), public


def _links(rows: Iterable[netlink.Link]) -> tuple[dict[str, str], frozenset[str]]:
    finished: dict[str, str] = {}
    unfinished: set[str] = set()
    for row in rows:
        if row.flags & netlink.UP and (row.name == "lo" or row.flags & netlink.NOARP):
            finished[row.name] = row.alias
        else:
            unfinished.add(row.name)
    return finished, frozenset(unfinished)


def _routes(rows: Iterable[netlink.Route], names: Mapping[int, str]) -> list[KernelRoute]:
    """Those of our tables: the kernel's own have the last three numbers of a byte."""
    return [
        KernelRoute(row.table, row.destination, names.get(row.device, ""))
        for row in rows
        if row.table not in (253, 254, 255)
    ]


def _rules(rows: Iterable[netlink.Rule]) -> list[KernelRule]:
    found = []
    for row in rows:
        side, cidr = ("to", row.to) if row.priority == LOCAL_PRIORITY else ("from", row.source)
        if row.priority in (LOCAL_PRIORITY, SUBNET_PRIORITY) and cidr:
            found.append(KernelRule(row.priority, side, cidr, row.table))
    return found


def _parts(comments: Iterable[str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for comment in comments:
        name, _, seen = comment.partition("=")
        parts[name] = seen
    return parts
