"""DNS failover: which nodes' addresses a load balancer's name has.

A node is left out while it has too few healthy targets in some group that it forwards to. When all
are in that state, all stay: a name without an address helps nobody.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from hiyoko.blueprint.draw_balancers import BalancerRows, SettledTarget
from hiyoko.services.elbv2.model import LoadBalancer, Node, TargetGroup, used_groups


def in_dns(rows: BalancerRows, healthy: Set[SettledTarget]) -> Iterator[LoadBalancer]:
    """Every load balancer, with those of its nodes that its name leads to.

    ``healthy`` are the targets that a node has found healthy.
    """
    groups = {group.arn: group for group in rows.target_groups}
    rules: dict[str, set[str]] = {}
    for rule in rows.rules:
        rules.setdefault(rule.listener_arn, set()).update(used_groups(rule.actions))
    used: dict[str, set[str]] = {}
    for listener in rows.listeners:
        mine = used.setdefault(listener.balancer_arn, set())
        mine.update(used_groups(listener.default_actions), rules.get(listener.arn, ()))
    targets: dict[str, list[tuple[str, int, str | None]]] = {}
    for entry in rows.registrations:
        if entry.deregistered_at is None:
            known = targets.setdefault(entry.group_arn, [])
            known.append((entry.target_id, entry.port, entry.zone))
    for balancer in rows.load_balancers:
        mine_groups = [groups[arn] for arn in used.get(balancer.arn, ()) if arn in groups]
        zones = {node.zone for node in balancer.nodes}
        serving = tuple(
            node
            for node in balancer.nodes
            if not any(
                _misses(group, node, zones, targets.get(group.arn, ()), healthy)
                for group in mine_groups
            )
        )
        yield replace(balancer, nodes=serving) if serving else balancer


def _misses(
    group: TargetGroup,
    node: Node,
    zones: Set[str],
    targets: Iterable[tuple[str, int, str | None]],
    healthy: Set[SettledTarget],
) -> bool:
    reached = zones if group.cross_zone else {node.zone}
    found = [
        (group.arn, target_id, port, node.eni_id) in healthy
        for target_id, port, zone in targets
        if zone is None or zone in reached
    ]
    return group.dns_minimum.missed(sum(found), len(found))
