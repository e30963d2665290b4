"""Actions of listeners and rules: parsed, ordered, checked against each other.

The last action of a list is the one that answers or forwards; what may come before it only lets a
request pass or not.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hiyoko.api import Call, Request, unsupported
from hiyoko.services.elbv2 import errors
from hiyoko.services.elbv2.authentication import check_protocol, parse_jwt, parse_oidc
from hiyoko.services.elbv2.forwards import check_forward, parse_forward
from hiyoko.services.elbv2.model import Action, FixedResponse, LoadBalancer
from hiyoko.services.elbv2.redirects import parse_redirect
from hiyoko.services.elbv2.requests import only

FINAL = ("forward", "redirect", "fixed-response")
_CONTENT_TYPES = (
    "text/html",
    "application/json",
    "application/javascript",
    "text/css",
    "text/plain",
)


def parse_actions(
    call: Call,
    balancer: LoadBalancer,
    protocol: str,
    port: int,
    given: Sequence[Request],
    before: Sequence[Action] = (),
) -> tuple[Action, ...]:
    """The actions in the order in which they are performed; exactly one is final, the last one.

    ``protocol`` and ``port`` are the listener's; ``before`` are the actions that these replace.
    """
    actions = tuple(_action(protocol, port, item, before) for item in _ordered(given))
    if sum(action.type in FINAL for action in actions) != 1 or actions[-1].type not in FINAL:
        raise errors.validation(
            "A rule must have exactly one forward, redirect or fixed-response action, "
            "and it must be the last one"
        )
    if len(actions) > 2:
        raise errors.validation("A rule can have no more than one action before the final one")
    check_forward(call, balancer, protocol, actions[-1])
    return actions


def _ordered(given: Sequence[Request]) -> list[Request]:
    if len(given) < 2:
        return list(given)
    orders = [item.get("Order") for item in given]
    if None in orders or len(set(orders)) < len(orders):
        raise errors.validation("Each of several actions must have an order of its own")
    return sorted(given, key=lambda item: int(item["Order"]))


def _action(protocol: str, port: int, item: Request, before: Sequence[Action]) -> Action:
    kind, order = item["Type"], item.get("Order")
    match kind:
        case "forward":
            only(item, {"Type", "Order", "TargetGroupArn", "ForwardConfig"})
            groups, stickiness = parse_forward(item)
            return Action(kind, order, groups=groups, stickiness=stickiness)
        case "redirect":
            only(item, {"Type", "Order", "RedirectConfig"})
            config = item.get("RedirectConfig")
            if config is None:
                raise errors.validation("A redirect action must have a redirect configuration")
            return Action(kind, order, redirect=parse_redirect(protocol, port, config))
        case "fixed-response":
            only(item, {"Type", "Order", "FixedResponseConfig"})
            config = item.get("FixedResponseConfig")
            if config is None:
                raise errors.validation(
                    "A fixed-response action must have a fixed response configuration"
                )
            return Action(kind, order, fixed_response=_fixed_response(config))
        case "authenticate-oidc":
            only(item, {"Type", "Order", "AuthenticateOidcConfig"})
            check_protocol(kind, protocol)
            oidc = item.get("AuthenticateOidcConfig")
            if oidc is None:
                raise errors.validation("An authenticate-oidc action must have a configuration")
            return Action(kind, order, oidc=parse_oidc(oidc, before))
        case "jwt-validation":
            only(item, {"Type", "Order", "JwtValidationConfig"})
            check_protocol(kind, protocol)
            jwt = item.get("JwtValidationConfig")
            if jwt is None:
                raise errors.validation("A jwt-validation action must have a configuration")
            return Action(kind, order, jwt=parse_jwt(jwt))
        case _:
            raise unsupported("Action.Type", kind)


def _fixed_response(config: Request) -> FixedResponse:
    only(config, {"MessageBody", "StatusCode", "ContentType"})
    status, kind = config["StatusCode"], config.get("ContentType") or ""
    if not re.fullmatch(r"[245]\d\d", status):
        raise errors.validation("The status code must be 2XX, 4XX or 5XX")
    if kind and kind not in _CONTENT_TYPES:
        names = ", ".join(f"'{name}'" for name in _CONTENT_TYPES)
        raise errors.invalid_action(f"The ContentType must be one of:{names}")
    return FixedResponse(int(status), kind, config.get("MessageBody") or "")
