"""Rules of security groups: added, taken away and changed, all of a request or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.cidr import read_cidr
from hiyoko.services.ec2.filters import Filters, describe, truth
from hiyoko.services.ec2.model import SecurityGroup, SecurityGroupRule
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.permissions import (
    permission_views,
    read_peer_group,
    read_ports,
    read_protocol,
    read_rules,
    requested_permissions,
    rule_in_words,
    rule_view,
)
from hiyoko.services.ec2.security_groups import named_group
from hiyoko.services.ec2.tags import wanted_tags

RULES_PER_DIRECTION_MAX = 60
PERMISSION_MEMBERS = (
    "GroupId", "GroupName", "IpPermissions", "IpProtocol", "FromPort", "ToPort", "CidrIp",
    "SourceSecurityGroupName", "SourceSecurityGroupOwnerId",
)  # fmt: skip


def _of_direction(call: Call, group: SecurityGroup, *, egress: bool) -> list[SecurityGroupRule]:
    return [r for r in rows.RULES.list(call, group_id=group.group_id) if r.egress == egress]


def _authorize(call: Call, request: Request, *, egress: bool) -> Response:
    group = named_group(call, request)
    tags = wanted_tags(request, "security-group-rule")
    rules = _of_direction(call, group, egress=egress)
    present = {rule.identity for rule in rules}
    added: list[SecurityGroupRule] = []
    for read in read_rules(call, group, requested_permissions(request), egress=egress):
        if read.identity in present:
            raise AwsError(
                "InvalidPermission.Duplicate",
                f'the specified rule "{rule_in_words(read)}" already exists',
            )
        present.add(read.identity)
        added.append(rows.RULES.put(call, replace(read, tags=tags)))
    if sum(_weight(call, rule) for rule in (*rules, *added)) > RULES_PER_DIRECTION_MAX:
        raise AwsError(
            "RulesPerSecurityGroupLimitExceeded",
            "The maximum number of rules per security group has been reached.",
        )
    return {"Return": True, "SecurityGroupRules": [rule_view(rule) for rule in added]}


def _weight(call: Call, rule: SecurityGroupRule) -> int:
    """As how many rules it counts: a prefix list as its largest possible number of entries."""
    return rows.get_prefix_list(call, rule.prefix_list).max_entries if rule.prefix_list else 1


@operation("AuthorizeSecurityGroupIngress", *PERMISSION_MEMBERS, "TagSpecifications")
def authorize_security_group_ingress(call: Call, request: Request) -> Response:
    """Let more in."""
    return _authorize(call, request, egress=False)


@operation("AuthorizeSecurityGroupEgress", *PERMISSION_MEMBERS, "TagSpecifications")
def authorize_security_group_egress(call: Call, request: Request) -> Response:
    """Let more out."""
    return _authorize(call, request, egress=True)


def _revoke(call: Call, request: Request, *, egress: bool) -> Response:
    group = named_group(call, request)
    present = _of_direction(call, group, egress=egress)
    unknown: list[SecurityGroupRule] = []
    if request.get("SecurityGroupRuleIds"):
        revoked = [_rule_of(call, group, i) for i in request["SecurityGroupRuleIds"]]
        if any(rule.egress != egress for rule in revoked):
            raise _no_such_rule()
    else:
        by_identity = {rule.identity: rule for rule in present}
        wanted = list(read_rules(call, group, requested_permissions(request), egress=egress))
        revoked = [by_identity[r.identity] for r in wanted if r.identity in by_identity]
        unknown = [r for r in wanted if r.identity not in by_identity]
        # The default VPC keeps EC2-Classic's manners.
        if unknown and not rows.get_vpc(call, group.vpc_id).is_default:
            raise _no_such_rule()
    for rule in revoked:
        rows.RULES.delete(call, rule)
    response: Response = {
        "Return": True,
        "RevokedSecurityGroupRules": [_revoked_view(rule) for rule in revoked],
    }
    if unknown:
        response["UnknownIpPermissions"] = permission_views(unknown)
    return response


def _no_such_rule() -> AwsError:
    return AwsError(
        "InvalidPermission.NotFound", "The specified rule does not exist in this security group."
    )


def _rule_of(call: Call, group: SecurityGroup, rule_id: str) -> SecurityGroupRule:
    rule = rows.RULES.get(call, rule_id)
    if rule.group_id != group.group_id:
        raise AwsError(
            "InvalidSecurityGroupRuleId.NotFound",
            f"The security group rule ID '{rule_id}' does not exist",
        )
    return rule


def _revoked_view(rule: SecurityGroupRule) -> dict[str, Any]:
    view = rule_view(rule)
    for member in ("GroupOwnerId", "SecurityGroupRuleArn", "Tags", "ReferencedGroupInfo"):
        view.pop(member, None)
    if rule.peer_group:
        view["ReferencedGroupId"] = rule.peer_group
    return view


@operation("RevokeSecurityGroupIngress", *PERMISSION_MEMBERS, "SecurityGroupRuleIds")
def revoke_security_group_ingress(call: Call, request: Request) -> Response:
    """Let less in. Connections that are tracked go on."""
    return _revoke(call, request, egress=False)


@operation("RevokeSecurityGroupEgress", *PERMISSION_MEMBERS, "SecurityGroupRuleIds")
def revoke_security_group_egress(call: Call, request: Request) -> Response:
    """Let less out. Connections that are tracked go on."""
    return _revoke(call, request, egress=True)


_FILTERS: Filters[SecurityGroupRule] = {
    "group-id": lambda rule: rule.group_id,
    "security-group-rule-id": lambda rule: rule.rule_id,
    "is-egress": lambda rule: truth(rule.egress),
}


@operation(
    "DescribeSecurityGroupRules", "SecurityGroupRuleIds", "Filters", "MaxResults", "NextToken"
)
def describe_security_group_rules(call: Call, request: Request) -> Response:
    """Rules by id or filter."""
    return describe(
        call,
        rows.RULES,
        request,
        lambda _, rule: rule_view(rule),
        _FILTERS,
        ids="SecurityGroupRuleIds",
        answer="SecurityGroupRules",
    )


@operation("ModifySecurityGroupRules", "GroupId", "SecurityGroupRules")
def modify_security_group_rules(call: Call, request: Request) -> Response:
    """Give rules a new content under the same ids; a direction stays."""
    group = rows.get_group(call, request["GroupId"])
    for item in request["SecurityGroupRules"]:
        rule = _rule_of(call, group, item["SecurityGroupRuleId"])
        changed = _changed(call, group, rule, item.get("SecurityGroupRule") or {})
        for other in _of_direction(call, group, egress=rule.egress):
            if other.rule_id != rule.rule_id and other.identity == changed.identity:
                raise AwsError(
                    "InvalidPermission.Duplicate",
                    f'the specified rule "{rule_in_words(changed)}" already exists',
                )
        rows.RULES.put(call, changed)
    return {"Return": True}


def _changed(
    call: Call, group: SecurityGroup, rule: SecurityGroupRule, wanted: Mapping[str, Any]
) -> SecurityGroupRule:
    if wanted.get("CidrIpv6"):
        raise unsupported("CidrIpv6")
    if not wanted.get("IpProtocol"):
        raise errors.missing("IpProtocol")
    cidr, peer = wanted.get("CidrIpv4"), wanted.get("ReferencedGroupId")
    prefix_list = wanted.get("PrefixListId")
    if sum(map(bool, (cidr, peer, prefix_list))) != 1:
        raise errors.bad_combination(
            "Exactly one of CidrIpv4, PrefixListId and ReferencedGroupId must be given"
        )
    protocol = read_protocol(wanted["IpProtocol"])
    low, high = read_ports(protocol, wanted.get("FromPort"), wanted.get("ToPort"))
    return replace(
        rule,
        protocol=protocol,
        from_port=low,
        to_port=high,
        cidr=str(read_cidr(cidr, "cidrIpv4")) if cidr else "",
        peer_group=read_peer_group(call, group, {"GroupId": peer}) if peer else "",
        prefix_list=rows.get_prefix_list(call, prefix_list).prefix_list_id if prefix_list else "",
        description=wanted.get("Description") or "",
    )


def _describe_again(call: Call, request: Request, *, egress: bool) -> Response:
    group = named_group(call, request)
    present = {rule.identity: rule for rule in _of_direction(call, group, egress=egress)}
    new: dict[str, str] = {}
    for item in request.get("SecurityGroupRuleDescriptions") or ():
        rule = _rule_of(call, group, item["SecurityGroupRuleId"])
        new[rule.rule_id] = item.get("Description") or ""
    for read in read_rules(call, group, request.get("IpPermissions") or (), egress=egress):
        if read.identity not in present:
            raise _no_such_rule()
        new[present[read.identity].rule_id] = read.description
    for rule_id, description in new.items():
        rows.RULES.put(call, replace(_rule_of(call, group, rule_id), description=description))
    return {"Return": True}


DESCRIPTION_MEMBERS = ("GroupId", "GroupName", "IpPermissions", "SecurityGroupRuleDescriptions")


@operation("UpdateSecurityGroupRuleDescriptionsIngress", *DESCRIPTION_MEMBERS)
def update_security_group_rule_descriptions_ingress(call: Call, request: Request) -> Response:
    """Change what ingress rules say of themselves."""
    return _describe_again(call, request, egress=False)


@operation("UpdateSecurityGroupRuleDescriptionsEgress", *DESCRIPTION_MEMBERS)
def update_security_group_rule_descriptions_egress(call: Call, request: Request) -> Response:
    """Change what egress rules say of themselves."""
    return _describe_again(call, request, egress=True)
