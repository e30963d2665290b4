"""Shares of a rule's traffic moved between two target groups, for neighbours that deploy.

A rule's other actions and its stickiness stay. https://docs.aws.amazon.com/AmazonECS/latest/
developerguide/alb-resources-for-blue-green.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.elbv2 import errors, rows
from hiyoko.services.elbv2.forwards import check_forward
from hiyoko.services.elbv2.model import Action, Listener, Rule, WeightedGroup
from hiyoko.services.elbv2.requests import check_arn
from hiyoko.services.elbv2.rules import listener_of_default_rule
from hiyoko.services.elbv2.seen import NODES_SEEN


@operation("_ShiftTraffic")
def shift_traffic(call: Call, request: Request) -> Response:
    """Give groups their shares of a rule's traffic.

    ``{RuleArn, Shares: [{TargetGroupArn, Percent}]}``; the answer's ``Changed`` tells whether any
    request goes another way now. A default rule may be changed as well: that is its listener.
    """
    arn = request["RuleArn"]
    listener, rule = _find(call, arn)
    actions = rule.actions if rule is not None else listener.default_actions
    before = actions[-1]
    if before.type != "forward":
        raise errors.invalid_configuration(f"The rule '{arn}' does not forward to target groups")
    after = replace(before, groups=_weighted(request["Shares"]))
    balancer = rows.get_load_balancer(call.tx, listener.balancer_arn)
    check_forward(call, balancer, listener.protocol, after)
    actions = (*actions[:-1], after)
    if rule is not None:
        rows.RULES.put(call.tx, replace(rule, actions=actions))
    else:
        rows.LISTENERS.put(call.tx, replace(listener, default_actions=actions))
    return {"Changed": _shares(before) != _shares(after)}


def _find(call: Call, arn: str) -> tuple[Listener, Rule | None]:
    check_arn("listener rule", arn)
    owner = listener_of_default_rule(call, arn)
    if owner is not None:
        return owner, None
    rule = rows.get_rule(call.tx, arn)
    return rows.get_listener(call.tx, rule.listener_arn), rule


def _weighted(shares: Sequence[Request]) -> tuple[WeightedGroup, ...]:
    """Percent as weights; tenths of a percent where there are any (a weight is 999 at most)."""
    percents = [round(float(one["Percent"]), 1) for one in shares]
    factor = 1 if all(percent.is_integer() for percent in percents) else 10
    return tuple(
        WeightedGroup(one["TargetGroupArn"], round(percent * factor))
        for one, percent in zip(shares, percents, strict=True)
    )


def _shares(action: Action) -> dict[str, float]:
    total = sum(group.weight for group in action.groups)
    return {group.group_arn: group.weight / total for group in action.groups if group.weight}


@operation("_TrafficShifted")
def traffic_shifted(call: Call, request: Request) -> Response:
    """Whether load balancers do what their rules said at a time; ``{RuleArns, Since}``: ``Done``.

    Every node has to run its newest configuration, and one that is not older than that time.
    """
    for arn in request["RuleArns"]:
        listener, _ = _find(call, arn)
        balancer = rows.get_load_balancer(call.tx, listener.balancer_arn)
        for node in balancer.nodes:
            seen = NODES_SEEN.find(call.tx, eni_id=node.eni_id)
            if seen is None or seen.digest != seen.wished or seen.seen_at < request["Since"]:
                return {"Done": False}
    return {"Done": True}
