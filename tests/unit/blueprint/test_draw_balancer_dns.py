"""Which nodes a load balancer's name leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hiyoko.blueprint.draw_balancer_dns import in_dns
from hiyoko.blueprint.draw_balancers import BalancerRows, SettledTarget
from hiyoko.services.elbv2 import model as m

PLACE = ("1", "r")
NODES = (m.Node("s1", "a", "eni-1", "10.0.1.4"), m.Node("s2", "c", "eni-2", "10.0.2.4"))
BALANCER = m.LoadBalancer("lb", *PLACE, "web", "web.r", "internal", "vpc", ("sg",), NODES, 0.0)
DNS = "target_group_health.dns_failover.minimum_healthy_targets"
OWN_ZONE = {"load_balancing.cross_zone.enabled": "false"}


def group(name: str, attributes: dict[str, str]) -> m.TargetGroup:
    return m.TargetGroup(name, *PLACE, name, "HTTP", 80, "vpc", 0.0, attributes=attributes)


def forward(name: str) -> tuple[m.Action, ...]:
    return (m.Action("forward", groups=(m.WeightedGroup(name),)),)


def target(group: str, address: str, zone: str) -> m.Registration:
    return m.Registration(group, *PLACE, address, 80, zone, 0.0)


ROWS = BalancerRows(
    load_balancers=(BALANCER,),
    listeners=(m.Listener("l", *PLACE, "lb", 80, "HTTP", "d", forward("g")),),
    target_groups=(group("g", {}),),
    registrations=(
        target("g", "10.0.1.8", "a"),
        target("g", "10.0.1.9", "a"),
        target("g", "10.0.2.9", "c"),
    ),
)


def seen(address: str, *enis: str, group: str = "g") -> set[SettledTarget]:
    return {(group, address, 80, eni) for eni in enis}


BOTH = ("eni-1", "eni-2")
ONE_EACH = seen("10.0.1.9", "eni-1") | seen("10.0.2.9", "eni-2")


@pytest.mark.parametrize(
    ("attributes", "healthy", "expected"),
    [
        ({}, seen("10.0.1.9", *BOTH), BOTH),
        # One node reaches no target: its zone leaves.
        ({}, seen("10.0.1.9", "eni-1"), ("eni-1",)),
        # None does: all stay.
        ({}, set(), BOTH),
        ({f"{DNS}.count": "2"}, seen("10.0.1.9", *BOTH) | seen("10.0.2.9", "eni-2"), ("eni-2",)),
        ({f"{DNS}.percentage": "60"}, ONE_EACH | seen("10.0.1.8", "eni-1"), ("eni-1",)),
        # Across zones each node needs one; with its own zone's only, a zone without is out.
        (OWN_ZONE, ONE_EACH, BOTH),
        (OWN_ZONE, seen("10.0.1.9", *BOTH), ("eni-1",)),
    ],
)
def test_a_node_below_the_threshold_leaves_the_name(
    attributes: dict[str, str], healthy: set[SettledTarget], expected: tuple[str, ...]
) -> None:
    rows = replace(ROWS, target_groups=(group("g", attributes),))
    (drawn,) = in_dns(rows, healthy)
    assert tuple(node.eni_id for node in drawn.nodes) == expected


def test_each_group_that_some_rule_names_counts_and_draining_targets_do_not() -> None:
    rows = replace(
        ROWS,
        rules=(m.Rule("r", *PLACE, "l", 1, (), forward("other")),),
        target_groups=(group("g", {}), group("other", {})),
        registrations=(
            *ROWS.registrations,
            target("other", "10.0.1.7", "a"),
            replace(target("other", "10.0.1.6", "a"), deregistered_at=0.0),
        ),
    )
    healthy = seen("10.0.1.9", *BOTH) | seen("10.0.1.7", "eni-2", group="other")
    healthy |= seen("10.0.1.6", "eni-1", group="other")
    (drawn,) = in_dns(rows, healthy)
    assert [node.eni_id for node in drawn.nodes] == ["eni-2"]


def test_a_balancer_that_answers_by_itself_is_in_dns_with_all_nodes() -> None:
    (drawn,) = in_dns(BalancerRows(load_balancers=(BALANCER,)), set())
    assert drawn.nodes == NODES
