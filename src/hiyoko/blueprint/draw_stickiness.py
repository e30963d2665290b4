"""Which target groups keep their clients at their targets, and by what.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.blueprint import balancers as b
from hiyoko.services.elbv2 import model as m


def group_stickiness(group: m.TargetGroup) -> b.Stickiness | None:
    """What the group's attributes ask for."""
    if not group.sticky:
        return None
    attributes = group.attributes
    kind = attributes.get("stickiness.type", "lb_cookie")
    duration_s = int(attributes.get(f"stickiness.{kind}.duration_seconds", "86400"))
    cookie = attributes.get("stickiness.app_cookie.cookie_name")
    return b.Stickiness(duration_s, cookie if kind == "app_cookie" else None)


def without_vain_stickiness(node: b.BalancerNode) -> b.BalancerNode:
    """The node as AWS's works: an application's cookie has no effect behind weights."""
    actions = [rule.action for listener in node.listeners for rule in listener.rules]
    weighted = {
        arn
        for action in actions
        if isinstance(action, b.Forward) and len(action.groups) > 1
        for arn, _ in action.groups
    }
    return replace(
        node,
        groups=tuple(
            replace(group, stickiness=None)
            if group.arn in weighted and group.stickiness and group.stickiness.app_cookie
            else group
            for group in node.groups
        ),
    )
