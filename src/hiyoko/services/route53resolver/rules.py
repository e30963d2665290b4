"""Rules: which names are forwarded, through which endpoint, and to whom.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_route53resolver_CreateResolverRule.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.route53resolver import errors, rows, views
from hiyoko.services.route53resolver.model import (
    FORWARD,
    OUTBOUND,
    SYSTEM,
    ResolverRule,
)
from hiyoko.services.route53resolver.pages import Filters, filtered, page, size
from hiyoko.services.route53resolver.parsing import domain_name, refuse, tags_in, targets
from hiyoko.services.route53resolver.views import INTERNET_RULE

RULES_MAX = 1000
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""


@operation("CreateResolverRule")
def create_resolver_rule(call: Call, request: Request) -> Response:
    """Record a rule; it says nothing to a VPC until it is associated with it."""
    refuse(request, "DelegationRecord")
    if (kind := request["RuleType"]) == "DELEGATE":
        raise unsupported("RuleType", kind)
    if kind not in (FORWARD, SYSTEM):
        raise errors.invalid_parameter(f"Rules of type {kind} can't be created.", "RuleType")
    known = rows.list_rules(call)
    if any(one.creator == request["CreatorRequestId"] for one in known):
        raise errors.made_already("Resolver rule", request["CreatorRequestId"])
    if len(known) >= RULES_MAX:
        raise errors.limit_exceeded(call.account, "max-rules")
    made = _wanted(call, request)
    rows.RULES.insert(call.tx, made)
    return _shown(call, made)


def _wanted(call: Call, request: Request) -> ResolverRule:
    if not request.get("DomainName"):
        raise errors.invalid_parameter("A rule needs a domain name.", "DomainName")
    rule_id = f"rslvr-rr-{call.ids.hex(17)}"
    rule = ResolverRule(
        account=call.account,
        region=call.region,
        rule_id=rule_id,
        arn=call.arn("route53resolver", f"resolver-rule/{rule_id}"),
        type=request["RuleType"],
        domain=domain_name(request["DomainName"]),
        creator=request["CreatorRequestId"],
        created_at=call.now,
        modified_at=call.now,
        # Nobody waits for it: it has no association yet.
        revision=0,
        name=request.get("Name") or "",
        tags=tags_in(request),
    )
    return _forwarding(call, rule, request)


def _forwarding(call: Call, rule: ResolverRule, request: Request) -> ResolverRule:
    """The rule with the request's targets and endpoint, which a FORWARD rule alone has."""
    given, endpoint_id = request.get("TargetIps"), request.get("ResolverEndpointId")
    if rule.type == SYSTEM:
        if given or endpoint_id:
            raise errors.invalid_parameter(
                "A rule of type SYSTEM has neither target IP addresses nor an endpoint.",
                "TargetIps" if given else "ResolverEndpointId",
            )
        return rule
    if given:
        rule = replace(rule, targets=targets(given))
    if endpoint_id:
        endpoint = rows.get_endpoint(call, endpoint_id)
        if endpoint.direction != OUTBOUND or not endpoint.works:
            raise errors.invalid_request(
                f"Cannot create resolver rule using resolver endpoint '{endpoint_id}': it is no "
                "outbound endpoint, or is being deleted"
            )
        rule = replace(rule, endpoint_id=endpoint_id)
    if not rule.targets:
        raise errors.invalid_parameter("A rule of type FORWARD needs target IPs.", "TargetIps")
    if not rule.endpoint_id:
        raise errors.invalid_parameter(
            "A rule of type FORWARD needs an outbound endpoint.", "ResolverEndpointId"
        )
    return rule


@operation("GetResolverRule")
def get_resolver_rule(call: Call, request: Request) -> Response:
    """A rule by id, also the one that everybody has."""
    if request["ResolverRuleId"] == INTERNET_RULE:
        return {"ResolverRule": views.internet_rule(call.region)}
    return _shown(call, rows.get_rule(call, request["ResolverRuleId"]))


_FILTERS: Filters = {
    "creatorrequestid": lambda one: one["CreatorRequestId"],
    "domainname": lambda one: one["DomainName"],
    "name": lambda one: one.get("Name", ""),
    "resolverendpointid": lambda one: one.get("ResolverEndpointId", ""),
    "status": lambda one: one["Status"],
    "type": lambda one: one["RuleType"],
}


@operation("ListResolverRules")
def list_resolver_rules(call: Call, request: Request) -> Response:
    """The account's rules, by filter, after the one that everybody has."""
    own = [_shown(call, one)["ResolverRule"] for one in rows.list_rules(call)]
    found = filtered(request, [views.internet_rule(call.region), *own], _FILTERS)
    return page(request, "ResolverRules", found) | {"MaxResults": size(request)}


@operation("UpdateResolverRule")
def update_resolver_rule(call: Call, request: Request) -> Response:
    """Change a rule's name, targets or endpoint."""
    rule, config = own_rule(call, request["ResolverRuleId"]), request["Config"]
    rule = _forwarding(call, rule, config)
    changed = replace(
        rule,
        name=config.get("Name", rule.name),
        modified_at=call.now,
        revision=call.tx.revision,
    )
    rows.RULES.put(call.tx, changed)
    return _shown(call, changed)


@operation("DeleteResolverRule")
def delete_resolver_rule(call: Call, request: Request) -> Response:
    """Delete a rule that is associated with no VPC."""
    rule = own_rule(call, request["ResolverRuleId"])
    mine = [one for one in rows.list_associations(call) if one.rule_id == rule.rule_id]
    if any(not one.leaving for one in mine):
        raise errors.in_use("Please disassociate this resolver rule from VPC first before deleting")
    rows.RULES.delete(call.tx, account=rule.account, region=rule.region, rule_id=rule.rule_id)
    return {"ResolverRule": views.rule(rule, "DELETING")}


def own_rule(call: Call, rule_id: str) -> ResolverRule:
    """A rule that its account may change. Raises InvalidRequestException for AWS's own."""
    if rule_id == INTERNET_RULE:
        raise errors.invalid_request(f"The resolver rule '{rule_id}' is AWS's own.")
    return rows.get_rule(call, rule_id)


def _shown(call: Call, rule: ResolverRule) -> Response:
    served = rows.served_revision(call.tx)
    status = "UPDATING" if served < rule.revision else "COMPLETE"
    return {"ResolverRule": views.rule(rule, status)}
