"""Rows of a balancer as nodes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from hiyoko.blueprint import balancers as b
from hiyoko.blueprint.draw_balancers import BalancerRows, draw_balancers
from hiyoko.services.elbv2 import model as m

PLACE = ("1", "r")
FORWARD = m.Action("forward", groups=(m.WeightedGroup("g"),))
BALANCER = m.LoadBalancer(
    "lb",
    *PLACE,
    "web",
    "web.r",
    "internal",
    "vpc",
    ("sg",),
    (m.Node("s2", "c", "eni-2", "10.0.2.4"), m.Node("s1", "a", "eni-1", "10.0.1.4")),
    0.0,
    attributes={"idle_timeout.timeout_seconds": "9"},
)
ROWS = BalancerRows(
    load_balancers=(BALANCER,),
    listeners=(
        m.Listener(
            "l443", *PLACE, "lb", 443, "HTTPS", "d", (FORWARD,),
            "ELBSecurityPolicy-TLS13-1-3-2021-06", ("cert",),
        ),
        m.Listener(
            "l80", *PLACE, "lb", 80, "HTTP", "d", (m.Action("redirect", redirect=m.Redirect()),)
        ),
    ),
    rules=(
        m.Rule("r2", *PLACE, "l443", 2, (m.Condition("path-pattern", ("/b",)),), (FORWARD,)),
        m.Rule("r1", *PLACE, "l443", 1, (m.Condition("path-pattern", ("/a",)),), (FORWARD,)),
    ),
    target_groups=(
        m.TargetGroup("g", *PLACE, "web", "HTTP", 80, "vpc", 0.0),
        m.TargetGroup("unused", *PLACE, "unused", "HTTP", 80, "vpc", 0.0),
    ),
    registrations=(
        m.Registration("g", *PLACE, "10.0.1.10", 80, "a", 0.0),
        m.Registration("g", *PLACE, "10.0.1.9", 80, "a", 0.0, deregistered_at=0.0),
        m.Registration("g", *PLACE, "10.0.3.9", 80, "d", 0.0),
    ),
)  # fmt: skip


def test_each_subnet_has_a_node_with_all_listeners_and_the_used_groups() -> None:
    nodes = draw_balancers(ROWS).nodes
    assert [node.eni_id for node in nodes] == ["eni-1", "eni-2"]
    assert nodes[0].address == IPv4Address("10.0.1.4")
    assert nodes[0].idle_timeout_s == 9
    assert [listener.port for listener in nodes[0].listeners] == [80, 443]
    assert nodes[0].listeners[1].tls_versions == ("TLSv1.3",)
    assert [group.arn for group in nodes[0].groups] == ["g"]


def test_rules_come_by_priority_and_the_default_one_last() -> None:
    listener = draw_balancers(ROWS).nodes[0].listeners[1]
    assert [rule.arn for rule in listener.rules] == ["r1", "r2", "d"]
    assert listener.rules[2].action == b.Forward((("g", 1),))


def test_targets_outside_the_enabled_zones_and_expired_ones_are_left_out() -> None:
    def targets(now: float) -> list[tuple[str, bool]]:
        group = draw_balancers(ROWS, now=now).nodes[0].groups[0]
        return [(target.target_id, target.draining) for target in group.targets]

    assert targets(10.0) == [("10.0.1.9", True), ("10.0.1.10", False)]
    assert targets(300.0) == [("10.0.1.10", False)]


def test_a_target_settles_node_by_node() -> None:
    drawn = draw_balancers(ROWS, {("g", "10.0.1.10", 80, "eni-2")})
    settled = [node.groups[0].targets[1].settled for node in drawn.nodes]
    assert settled == [False, True]


def test_the_order_of_rows_does_not_matter() -> None:
    turned = replace(
        ROWS,
        listeners=ROWS.listeners[::-1],
        rules=ROWS.rules[::-1],
        registrations=ROWS.registrations[::-1],
    )
    assert draw_balancers(turned) == draw_balancers(ROWS)


def test_without_cross_zone_a_node_has_its_own_zones_targets() -> None:
    own_zone = m.TargetGroup(
        "g", *PLACE, "web", "HTTP", 80, "vpc", 0.0,
        attributes={"load_balancing.cross_zone.enabled": "false"},
    )  # fmt: skip
    drawn = draw_balancers(replace(ROWS, target_groups=(own_zone,)))
    assert [len(node.groups[0].targets) for node in drawn.nodes] == [2, 0]


def test_a_load_balancers_own_address_is_left_out() -> None:
    own = m.Registration("g", *PLACE, "10.0.1.4", 80, "a", 0.0)
    drawn = draw_balancers(replace(ROWS, registrations=(*ROWS.registrations, own)))
    assert draw_balancers(ROWS) == drawn


def _sticky(**attributes: str) -> m.TargetGroup:
    given = {f"stickiness.{key}": value for key, value in attributes.items()}
    given |= {"stickiness.enabled": "true", "stickiness.app_cookie.cookie_name": "SID"}
    return replace(ROWS.target_groups[0], attributes=given)


def test_stickiness_is_drawn_by_its_type() -> None:
    def drawn(group: m.TargetGroup, rows: BalancerRows = ROWS) -> b.Stickiness | None:
        rows = replace(rows, target_groups=(group, *rows.target_groups[1:]))
        return next(g for g in draw_balancers(rows).nodes[0].groups if g.arn == "g").stickiness

    assert drawn(ROWS.target_groups[0]) is None
    assert drawn(_sticky()) == b.Stickiness(86400)
    application = _sticky(**{"type": "app_cookie", "app_cookie.duration_seconds": "5"})
    assert drawn(application) == b.Stickiness(5, "SID")
    # Behind weights, an application's cookie does not work; the balancer's own does.
    both = (m.WeightedGroup("g"), m.WeightedGroup("unused", 0))
    action = m.Action("forward", groups=both, stickiness=m.GroupStickiness(True, 60))
    weighted = replace(ROWS, rules=(replace(ROWS.rules[0], actions=(action,)),))
    assert drawn(application, weighted) is None
    assert drawn(_sticky(), weighted) == b.Stickiness(86400)


def test_a_rule_is_drawn_with_its_last_action_and_its_transforms() -> None:
    both = (m.WeightedGroup("g", 3), m.WeightedGroup("unused", 0))
    action = m.Action("forward", groups=both, stickiness=m.GroupStickiness(True, 60))
    off = replace(action, stickiness=m.GroupStickiness(False, 60))
    rules = (
        replace(
            ROWS.rules[1],
            conditions=(m.Condition("host-header", regexes=("^a",)),),
            actions=(action,),
            transforms=(m.Transform("url-rewrite", "a", "b"),),
        ),
        replace(ROWS.rules[0], actions=(off,)),
    )
    drawn = draw_balancers(replace(ROWS, rules=rules)).nodes[0].listeners[1].rules
    assert drawn[0].conditions == (b.Condition("host-header", regexes=("^a",)),)
    assert drawn[0].action == b.Forward((("g", 3), ("unused", 0)), 60)
    assert drawn[0].transforms == (b.Transform("url-rewrite", "a", "b"),)
    assert drawn[1].action == b.Forward((("g", 3), ("unused", 0)))
