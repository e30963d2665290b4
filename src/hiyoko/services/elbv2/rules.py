"""CreateRule and its kin. A priority is taken once; the default rule belongs to its listener."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.elbv2 import errors, rows, views
from hiyoko.services.elbv2.actions import parse_actions
from hiyoko.services.elbv2.conditions import parse_conditions
from hiyoko.services.elbv2.model import Listener, Rule
from hiyoko.services.elbv2.requests import check_arn, only, page, parse_tags
from hiyoko.services.elbv2.transforms import parse_transforms

RULES_MAX = 100


@operation("CreateRule")
def create_rule(call: Call, request: Request) -> Response:
    """Record the rule. Unlike other creates, a second one with its priority is refused."""
    only(request, {"ListenerArn", "Conditions", "Priority", "Actions", "Tags", "Transforms"})
    check_arn("listener", request["ListenerArn"])
    conditions = parse_conditions(request["Conditions"])
    transforms = parse_transforms(request.get("Transforms") or [])
    tags = parse_tags(request.get("Tags") or [])
    listener = rows.get_listener(call.tx, request["ListenerArn"])
    balancer = rows.get_load_balancer(call.tx, listener.balancer_arn)
    actions = parse_actions(call, balancer, listener.protocol, listener.port, request["Actions"])
    priority = request["Priority"]
    taken = rows.list_rules(call.tx, listener.arn)
    if any(rule.priority == priority for rule in taken):
        raise errors.priority_in_use(priority)
    count = sum(
        len(rows.list_rules(call.tx, other.arn))
        for other in rows.list_listeners(call.tx, balancer.arn)
    )
    if count >= RULES_MAX:
        raise errors.too_many("TooManyRules", f"The limit of rules is reached for '{balancer.arn}'")
    path = listener.arn.split(":listener/", 1)[1]
    row = Rule(
        arn=call.arn("elasticloadbalancing", f"listener-rule/{path}/{call.ids.hex(16)}"),
        account=call.account,
        region=call.region,
        listener_arn=listener.arn,
        priority=priority,
        conditions=conditions,
        actions=actions,
        tags=tags,
        transforms=transforms,
    )
    rows.RULES.insert(call.tx, row)
    return {"Rules": [views.rule(row)]}


def listener_of_default_rule(call: Call, arn: str) -> Listener | None:
    """The listener whose default rule has this ARN; None for any other rule's."""
    path = arn.split(":listener-rule/", 1)[1].rpartition("/")[0]
    listener = rows.LISTENERS.find(
        call.tx, arn=arn.split(":listener-rule/", 1)[0] + ":listener/" + path
    )
    return listener if listener is not None and listener.default_rule_arn == arn else None


@operation("DescribeRules")
def describe_rules(call: Call, request: Request) -> Response:
    """The rules of a listener by priority, the default one last; or those of the given ARNs."""
    listener_arn, arns = request.get("ListenerArn"), request.get("RuleArns") or []
    if bool(listener_arn) == bool(arns):
        raise errors.validation("You must specify either listener rule ARNs or a listener ARN")
    shapes: list[dict[str, Any]] = []
    if listener_arn:
        check_arn("listener", listener_arn)
        listener = rows.get_listener(call.tx, listener_arn)
        shapes = [views.rule(row) for row in rows.list_rules(call.tx, listener.arn)]
        shapes.append(views.default_rule(listener))
    for arn in arns:
        check_arn("listener rule", arn)
        owner = listener_of_default_rule(call, arn)
        shapes.append(
            views.default_rule(owner) if owner else views.rule(rows.get_rule(call.tx, arn))
        )
    shown, more = page("Rules", shapes, request)
    return {"Rules": list(shown), **more}


@operation("ModifyRule")
def modify_rule(call: Call, request: Request) -> Response:
    """Replace the given lists whole; what is left out stays. Transforms are removed by a flag."""
    only(request, {"RuleArn", "Conditions", "Actions", "Transforms", "ResetTransforms"})
    check_arn("listener rule", request["RuleArn"])
    if request.get("ResetTransforms") and request.get("Transforms"):
        raise errors.validation("Transforms and ResetTransforms cannot be specified together")
    if listener_of_default_rule(call, request["RuleArn"]):
        raise errors.operation_not_permitted(
            f"Default rule '{request['RuleArn']}' cannot be modified"
        )
    row = rows.get_rule(call.tx, request["RuleArn"])
    listener = rows.get_listener(call.tx, row.listener_arn)
    balancer = rows.get_load_balancer(call.tx, listener.balancer_arn)
    if request.get("Conditions") is not None:
        row = replace(row, conditions=parse_conditions(request["Conditions"]))
    if request.get("Actions"):
        given = request["Actions"]
        actions = parse_actions(
            call, balancer, listener.protocol, listener.port, given, row.actions
        )
        row = replace(row, actions=actions)
    if request.get("Transforms") or request.get("ResetTransforms"):
        row = replace(row, transforms=parse_transforms(request.get("Transforms") or []))
    rows.RULES.put(call.tx, row)
    return {"Rules": [views.rule(row)]}


@operation("DeleteRule")
def delete_rule(call: Call, request: Request) -> Response:
    """Delete a rule; the default one goes with its listener only."""
    arn = request["RuleArn"]
    check_arn("listener rule", arn)
    if listener_of_default_rule(call, arn):
        raise errors.operation_not_permitted(f"Default rule '{arn}' cannot be deleted")
    rows.RULES.delete(call.tx, arn=rows.get_rule(call.tx, arn).arn)
    return {}


@operation("SetRulePriorities")
def set_rule_priorities(call: Call, request: Request) -> Response:
    """Give rules new priorities, all pairs at once: two rules may swap theirs."""
    wanted: dict[str, int] = {}
    for pair in request["RulePriorities"]:
        arn = pair.get("RuleArn") or ""
        check_arn("listener rule", arn)
        if listener_of_default_rule(call, arn):
            raise errors.operation_not_permitted(
                f"The priority of the default rule '{arn}' is fixed"
            )
        wanted[arn] = pair["Priority"]
    changed = [replace(rows.get_rule(call.tx, arn), priority=n) for arn, n in wanted.items()]
    for listener_arn in {row.listener_arn for row in changed}:
        taken = {
            row.priority for row in rows.list_rules(call.tx, listener_arn) if row.arn not in wanted
        }
        for row in changed:
            if row.listener_arn == listener_arn:
                if row.priority in taken:
                    raise errors.priority_in_use(row.priority)
                taken.add(row.priority)
    for row in changed:
        rows.RULES.put(call.tx, row)
    return {"Rules": [views.rule(row) for row in changed]}
