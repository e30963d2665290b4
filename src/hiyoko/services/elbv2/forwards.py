"""Forward actions: their target groups, weights and stickiness, checked against what exists.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ForwardActionConfig.html
"""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.api import Call, Request
from hiyoko.services.elbv2 import errors, rows
from hiyoko.services.elbv2.model import Action, GroupStickiness, LoadBalancer, WeightedGroup
from hiyoko.services.elbv2.requests import check_arn, only
from hiyoko.store.database import Transaction

GROUPS_MAX = 5
DURATION_MAX_S = 604_800


def parse_forward(item: Request) -> tuple[tuple[WeightedGroup, ...], GroupStickiness]:
    """The groups of a forward action in either of its two forms, and whether they are sticky."""
    config = item.get("ForwardConfig") or {}
    only(config, {"TargetGroups", "TargetGroupStickinessConfig"})
    groups = tuple(
        WeightedGroup(group["TargetGroupArn"], 1 if (w := group.get("Weight")) is None else w)
        for group in config.get("TargetGroups") or []
    )
    single = item.get("TargetGroupArn")
    if single and groups and [single] != [group.group_arn for group in groups]:
        raise errors.validation(
            "You cannot specify both a target group ARN and a forward configuration that differ"
        )
    if single and not groups:
        groups = (WeightedGroup(single),)
    if not groups:
        raise errors.validation("A target group ARN must be specified")
    if len(groups) > GROUPS_MAX:
        raise errors.validation(f"A forward action can have up to {GROUPS_MAX} target groups")
    if len({group.group_arn for group in groups}) < len(groups):
        raise errors.validation("A target group may be named once in a forward action")
    if any(not 0 <= group.weight <= 999 for group in groups):
        raise errors.validation("The weight of a target group must be between 0 and 999")
    if len(groups) == 1:
        groups = (WeightedGroup(groups[0].group_arn),)
    return groups, _stickiness(config.get("TargetGroupStickinessConfig") or {})


def _stickiness(config: Request) -> GroupStickiness:
    enabled, duration_s = bool(config.get("Enabled")), config.get("DurationSeconds")
    if (enabled or duration_s is not None) and not 1 <= (duration_s or 0) <= DURATION_MAX_S:
        raise errors.validation(
            f"Target group stickiness duration must be between 1 and {DURATION_MAX_S} seconds"
        )
    return GroupStickiness(enabled, duration_s)


def check_forward(call: Call, balancer: LoadBalancer, protocol: str, action: Action) -> None:
    """Refuse groups that do not exist, that are elsewhere, or whose clients could not come back."""
    for group_arn in (group.group_arn for group in action.groups):
        check_arn("target group", group_arn)
        group = rows.get_target_group(call.tx, group_arn)
        if group.vpc_id != balancer.vpc_id:
            raise errors.validation(
                f"The target group '{group_arn}' is in another VPC than the load balancer"
            )
        if group.protocol_version != "HTTP1" and protocol != "HTTPS":
            raise errors.invalid_configuration(
                f"Listener protocol '{protocol}' is not supported with a target group with the "
                f"protocol-version '{group.protocol_version}'"
            )
        users = {user.balancer_arn for user in rows.listeners_using(call.tx, group_arn)}
        if users - {balancer.arn}:
            raise errors.group_of_another_balancer(group_arn)
        if group.sticky and _unsteady(action):
            raise errors.invalid_configuration(
                "You must enable group stickiness on a rule if you enabled target stickiness on "
                "one of its target groups"
            )


def check_target_stickiness(tx: Transaction, group_arn: str) -> None:
    """Refuse to keep clients at a group's targets where a rule may send them to another group."""
    for rule_arn, action in _uses(tx, group_arn):
        if _unsteady(action):
            raise errors.invalid_configuration(
                "This target group appears behind a rule with group stickiness disabled "
                f"({rule_arn}). You must enable group stickiness before enabling target stickiness"
            )


def _uses(tx: Transaction, group_arn: str) -> Iterator[tuple[str, Action]]:
    for listener in rows.listeners_using(tx, group_arn):
        of_rules = ((rule.arn, rule.actions) for rule in rows.list_rules(tx, listener.arn))
        for arn, actions in ((listener.default_rule_arn, listener.default_actions), *of_rules):
            for action in actions:
                if group_arn in (group.group_arn for group in action.groups):
                    yield arn, action


def _unsteady(action: Action) -> bool:
    return len(action.groups) > 1 and not action.stickiness.enabled
