"""Which VPCs' questions a rule is for."""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.route53resolver import errors, rows, views
from hiyoko.services.route53resolver.model import RuleAssociation
from hiyoko.services.route53resolver.pages import Filters, filtered, page, size
from hiyoko.services.route53resolver.rules import own_rule

ASSOCIATIONS_MAX = 2000
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""


@operation("AssociateResolverRule")
def associate_resolver_rule(call: Call, request: Request) -> Response:
    """Have a rule apply to a VPC's questions, as long as no other rule there has its domain."""
    rule, vpc_id = own_rule(call, request["ResolverRuleId"]), request["VPCId"]
    if ec2.VPCS.find(call, vpc_id) is None:
        raise errors.no_vpc(vpc_id)
    rows.forget_gone_associations(call)
    known = [one for one in rows.list_associations(call) if not one.leaving]
    if len(known) >= ASSOCIATIONS_MAX:
        raise errors.limit_exceeded(call.account, "max-rule-association")
    for other in known:
        if other.vpc_id != vpc_id:
            continue
        if other.rule_id == rule.rule_id:
            raise errors.exists(
                f"Resolver rule '{rule.rule_id}' is already associated with VPC '{vpc_id}'"
            )
        if rows.get_rule(call, other.rule_id).domain == rule.domain:
            raise errors.invalid_request(
                "Cannot associate rules with same domain name with same VPC. Conflict with "
                f"resolver rule '{other.rule_id}'"
            )
    made = RuleAssociation(
        account=call.account,
        region=call.region,
        association_id=f"rslvr-rrassoc-{call.ids.hex(17)}",
        rule_id=rule.rule_id,
        vpc_id=vpc_id,
        revision=call.tx.revision,
        name=request.get("Name") or "",
    )
    rows.ASSOCIATIONS.insert(call.tx, made)
    return {"ResolverRuleAssociation": views.association(made, "CREATING")}


@operation("DisassociateResolverRule")
def disassociate_resolver_rule(call: Call, request: Request) -> Response:
    """Have a rule apply no more; the association is shown until DNS does without it."""
    rule, vpc_id = own_rule(call, request["ResolverRuleId"]), request["VPCId"]
    for one in rows.list_associations(call):
        if (one.rule_id, one.vpc_id, one.leaving) == (rule.rule_id, vpc_id, False):
            leaving = replace(one, leaving=True, revision=call.tx.revision)
            rows.ASSOCIATIONS.put(call.tx, leaving)
            return {"ResolverRuleAssociation": views.association(leaving, "DELETING")}
    raise errors.no_association(rule.rule_id, vpc_id)


@operation("GetResolverRuleAssociation")
def get_resolver_rule_association(call: Call, request: Request) -> Response:
    """An association by id."""
    wanted = request["ResolverRuleAssociationId"]
    for shown in _all_shown(call):
        if shown["Id"] == wanted:
            return {"ResolverRuleAssociation": shown}
    raise errors.not_found("Resolver rule association", wanted)


_FILTERS: Filters = {
    "name": lambda one: one.get("Name", ""),
    "resolverruleid": lambda one: one["ResolverRuleId"],
    "status": lambda one: one["Status"],
    "vpcid": lambda one: one["VPCId"],
}


@operation("ListResolverRuleAssociations")
def list_resolver_rule_associations(call: Call, request: Request) -> Response:
    """The account's associations, by filter, after those that its VPCs have from the beginning."""
    found = filtered(request, _all_shown(call), _FILTERS)
    return page(request, "ResolverRuleAssociations", found) | {"MaxResults": size(request)}


def _all_shown(call: Call) -> list[dict[str, str]]:
    served = rows.served_revision(call.tx)
    vpcs = {one.vpc_id: one for one in ec2.VPCS.list(call)}
    return [
        *(views.internet_association(one.vpc_id) for one in vpcs.values() if one.dns_support),
        *(
            # A VPC that is gone asks nothing any more.
            views.association(one, one.status(served) if one.vpc_id in vpcs else "FAILED")
            for one in rows.list_associations(call)
        ),
    ]
