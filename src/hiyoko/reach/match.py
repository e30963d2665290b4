"""Does a rule, an ACL, a set of groups match a packet; which route does it take."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from hiyoko.blueprint.network import (
    ANY_PROTOCOL,
    ICMP,
    TCP,
    UDP,
    AclEntry,
    GroupPeer,
    GroupRule,
    Interface,
    PrefixListPeer,
    Route,
    Vpc,
)
from hiyoko.reach.question import Packet

_ECHO = (8, 0)
"""ICMP questions are echo requests."""


def protocol_matches(rule: GroupRule | AclEntry, packet: Packet, *, reply: bool = False) -> bool:
    """Whether protocol and ports (type and code of ICMP) are the rule's."""
    if rule.protocol == ANY_PROTOCOL:
        return True
    if rule.protocol != packet.protocol:
        return False
    if packet.protocol in (TCP, UDP):
        return rule.low == -1 or rule.low <= packet.port <= rule.high
    if packet.protocol == ICMP:
        kind, code = (0, 0) if reply else _ECHO
        return rule.low in (-1, kind) and (rule.low == -1 or rule.high in (-1, code))
    return True


def acl_allows(
    entries: Iterable[AclEntry], other: IPv4Address, packet: Packet, *, reply: bool
) -> bool:
    """The first matching entry decides; none means no."""
    for entry in entries:
        if other in entry.cidr and protocol_matches(entry, packet, reply=reply):
            return entry.allow
    return False


def groups_allow(vpc: Vpc, interface: Interface, packet: Packet, *, ingress: bool) -> bool:
    """Whether any rule of the interface's groups lets a new connection in (or out)."""
    if interface.groups is None:
        return True
    other = packet.source if ingress else packet.destination
    return any(
        _peer_matches(vpc, rule, other) and protocol_matches(rule, packet)
        for group in vpc.groups
        if group.group_id in interface.groups
        for rule in (group.ingress if ingress else group.egress)
    )


def _peer_matches(vpc: Vpc, rule: GroupRule, other: IPv4Address) -> bool:
    if isinstance(rule.peer, GroupPeer):
        return any(
            each.address == other and rule.peer.group_id in (each.groups or ())
            for each in vpc.interfaces
        )
    if isinstance(rule.peer, PrefixListPeer):
        key = rule.peer.prefix_list_id
        lists = (each.cidrs for each in vpc.prefix_lists if each.prefix_list_id == key)
        return any(other in cidr for cidrs in lists for cidr in cidrs)
    return other in rule.peer


def best_route(routes: Iterable[Route], destination: IPv4Address) -> Route | None:
    """The applicable route with the longest prefix."""
    fitting = [route for route in routes if destination in route.destination]
    return max(fitting, key=lambda route: route.destination.prefixlen, default=None)
