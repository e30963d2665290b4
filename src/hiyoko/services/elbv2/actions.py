"""Actions of listeners and rules: parsed, checked against each other and against what exists.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hiyoko.api import Call, Request, unsupported
from hiyoko.services.elbv2 import errors, rows
from hiyoko.services.elbv2.model import (
    Action,
    FixedResponse,
    LoadBalancer,
    Redirect,
    WeightedGroup,
    used_groups,
)
from hiyoko.services.elbv2.requests import check_arn, only

GROUPS_MAX = 5
_CONTENT_TYPES = (
    "text/html",
    "application/json",
    "application/javascript",
    "text/css",
    "text/plain",
)
_ALLOWED_KEYWORDS = {
    "protocol": {"protocol"},
    "host": {"host", "path", "query"},
    "port": {"port", "path", "query"},
    "path": {"path", "query"},
    "query": {"query"},
}
# Which part may hold which keyword is the transpose: #{host} may stand in host, path and query.
_KEYWORDS_OF = {
    part: {word for word, parts in _ALLOWED_KEYWORDS.items() if part in parts}
    for part in _ALLOWED_KEYWORDS
}


def parse_actions(
    call: Call, balancer: LoadBalancer, protocol: str, given: Sequence[Request]
) -> tuple[Action, ...]:
    """The actions in their order. Exactly one forward, redirect or fixed-response, and no other."""
    actions = tuple(_action(protocol, item) for item in given)
    if len(actions) != 1:
        raise errors.validation(
            "A rule must have exactly one forward, redirect or fixed-response action"
        )
    for arn in used_groups(actions):
        check_arn("target group", arn)
        group = rows.get_target_group(call.tx, arn)
        if group.vpc_id != balancer.vpc_id:
            raise errors.validation(
                f"The target group '{arn}' is in another VPC than the load balancer"
            )
        if group.protocol_version != "HTTP1" and protocol != "HTTPS":
            raise errors.invalid_configuration(
                f"Listener protocol '{protocol}' is not supported with a target group with the "
                f"protocol-version '{group.protocol_version}'"
            )
        users = {user.balancer_arn for user in rows.listeners_using(call.tx, arn)}
        if users - {balancer.arn}:
            raise errors.group_of_another_balancer(arn)
    return actions


def _action(protocol: str, item: Request) -> Action:
    kind, order = item["Type"], item.get("Order")
    match kind:
        case "forward":
            only(item, {"Type", "Order", "TargetGroupArn", "ForwardConfig"})
            return Action(kind, order, groups=_groups(item))
        case "redirect":
            only(item, {"Type", "Order", "RedirectConfig"})
            config = item.get("RedirectConfig")
            if config is None:
                raise errors.validation("A redirect action must have a redirect configuration")
            return Action(kind, order, redirect=_redirect(protocol, config))
        case "fixed-response":
            only(item, {"Type", "Order", "FixedResponseConfig"})
            config = item.get("FixedResponseConfig")
            if config is None:
                raise errors.validation(
                    "A fixed-response action must have a fixed response configuration"
                )
            return Action(kind, order, fixed_response=_fixed_response(config))
        case _:
            raise unsupported("Action.Type", kind)


def _groups(item: Request) -> tuple[WeightedGroup, ...]:
    config = item.get("ForwardConfig") or {}
    only(config, {"TargetGroups", "TargetGroupStickinessConfig"})
    if (config.get("TargetGroupStickinessConfig") or {}).get("Enabled"):
        raise unsupported("TargetGroupStickinessConfig.Enabled", True)
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
        return (WeightedGroup(groups[0].group_arn),)
    return groups


def _redirect(listener_protocol: str, config: Request) -> Redirect:
    only(config, {"Protocol", "Port", "Host", "Path", "Query", "StatusCode"})
    default = Redirect()
    query = config.get("Query")
    redirect = Redirect(
        protocol=config.get("Protocol") or default.protocol,
        host=config.get("Host") or default.host,
        port=config.get("Port") or default.port,
        path=config.get("Path") or default.path,
        query=default.query if query is None else query,
        status=int(config["StatusCode"].removeprefix("HTTP_")),
    )
    for part, allowed in _KEYWORDS_OF.items():
        for keyword in re.findall(r"#\{([^}]*)\}", getattr(redirect, part)):
            if keyword not in allowed:
                raise errors.invalid_action(
                    f"The redirect configuration is not valid: '#{{{keyword}}}' cannot be used "
                    f"in the {part}."
                )
    if not redirect.path.startswith("/"):
        raise errors.validation(f"The path '{redirect.path}' must start with '/'")
    unchanged = (redirect.protocol, redirect.host, redirect.port, redirect.path) == (
        default.protocol,
        default.host,
        default.port,
        default.path,
    )
    if unchanged:
        raise errors.invalid_action(
            "The redirect configuration is not valid because it creates a loop."
        )
    if listener_protocol == "HTTPS" and redirect.protocol == "HTTP":
        raise errors.invalid_action("You cannot redirect HTTPS to HTTP.")
    port = redirect.port
    if port != "#{port}" and not (port.isdigit() and 1 <= int(port) <= 65535):
        raise errors.validation(f"The port '{port}' must be between 1 and 65535 or '#{{port}}'")
    return redirect


def _fixed_response(config: Request) -> FixedResponse:
    only(config, {"MessageBody", "StatusCode", "ContentType"})
    status, kind = config["StatusCode"], config.get("ContentType") or ""
    if not re.fullmatch(r"[245]\d\d", status):
        raise errors.validation("The status code must be 2XX, 4XX or 5XX")
    if kind and kind not in _CONTENT_TYPES:
        names = ", ".join(f"'{name}'" for name in _CONTENT_TYPES)
        raise errors.invalid_action(f"The ContentType must be one of:{names}")
    return FixedResponse(int(status), kind, config.get("MessageBody") or "")
