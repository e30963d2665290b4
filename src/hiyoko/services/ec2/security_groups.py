"""Security groups; their rules are in ``security_group_rules``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, describe
from hiyoko.services.ec2.making import new_id, open_rule
from hiyoko.services.ec2.model import SecurityGroup, SecurityGroupRule
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.permissions import find_by_name, permission_views
from hiyoko.services.ec2.tags import shown, wanted_tags

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
_ALLOWED = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")


def _arn(group: SecurityGroup) -> str:
    return f"arn:aws:ec2:{group.region}:{group.account}:security-group/{group.group_id}"


def _rules(call: Call, group: SecurityGroup, *, egress: bool) -> list[SecurityGroupRule]:
    return [r for r in rows.RULES.list(call, group_id=group.group_id) if r.egress == egress]


def _view(call: Call, group: SecurityGroup) -> dict[str, Any]:
    return {
        "GroupId": group.group_id,
        "GroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "OwnerId": group.account,
        "SecurityGroupArn": _arn(group),
        "IpPermissions": permission_views(_rules(call, group, egress=False)),
        "IpPermissionsEgress": permission_views(_rules(call, group, egress=True)),
        "Tags": shown(group.tags),
    }


def default_vpc_id(call: Call) -> str:
    """The default VPC, which groups named without a VPC belong to."""
    vpc = rows.find_default_vpc(call)
    if vpc is None:
        raise AwsError("VPCIdNotSpecified", "No default VPC for this user")
    return vpc.vpc_id


def named_group(call: Call, request: Request) -> SecurityGroup:
    """The group that the request names by ``GroupId``, or by ``GroupName`` in the default VPC."""
    if request.get("GroupId"):
        return rows.get_group(call, request["GroupId"])
    if not request.get("GroupName"):
        raise errors.missing("groupId")
    return find_by_name(call, default_vpc_id(call), request["GroupName"])


@operation("CreateSecurityGroup", "GroupName", "Description", "VpcId", "TagSpecifications")
def create_security_group(call: Call, request: Request) -> Response:
    """Record a group that lets everything out and nothing in."""
    vpc_id = request.get("VpcId") or default_vpc_id(call)
    rows.get_vpc(call, vpc_id)
    name, description = request["GroupName"], request["Description"]
    _check_text("groupName", name)
    _check_text("groupDescription", description)
    if name.lower().startswith("sg-"):
        raise errors.bad_value("invalid value for parameter groupName: must not start with 'sg-'")
    for other in rows.GROUPS.list(call, vpc_id=vpc_id):
        if other.name.lower() == name.lower():
            raise AwsError(
                "InvalidGroup.Duplicate",
                f"The security group '{name}' already exists for VPC '{vpc_id}'",
            )
    group = SecurityGroup(
        account=call.account,
        region=call.region,
        group_id=new_id(call, "sg"),
        vpc_id=vpc_id,
        name=name,
        description=description,
        tags=wanted_tags(request, "security-group"),
    )
    rows.GROUPS.put(call, group)
    rows.RULES.put(call, open_rule(call, group.group_id))
    return {"GroupId": group.group_id, "SecurityGroupArn": _arn(group), "Tags": shown(group.tags)}


def _check_text(parameter: str, text: str) -> None:
    if not _ALLOWED.fullmatch(text):
        raise errors.bad_value(
            f"Value ({text}) for parameter {parameter} is invalid. Character sets beyond ASCII"
            " are not supported."
        )


def _rule_filters(call: Call, prefix: str, *, egress: bool) -> Filters[SecurityGroup]:
    def values(
        read: Callable[[SecurityGroupRule], str],
    ) -> Callable[[SecurityGroup], Iterable[str]]:
        def of_group(group: SecurityGroup) -> Iterable[str]:
            return [value for r in _rules(call, group, egress=egress) if (value := read(r))]

        return of_group

    return {
        f"{prefix}.cidr": values(lambda rule: rule.cidr),
        f"{prefix}.from-port": values(lambda rule: str(rule.from_port)),
        f"{prefix}.to-port": values(lambda rule: str(rule.to_port)),
        f"{prefix}.group-id": values(lambda rule: rule.peer_group),
        f"{prefix}.prefix-list-id": values(lambda rule: rule.prefix_list),
        f"{prefix}.protocol": values(lambda rule: rule.protocol),
        f"{prefix}.user-id": values(lambda rule: rule.account if rule.peer_group else ""),
    }


def _filters(call: Call) -> Filters[SecurityGroup]:
    return {
        "description": lambda group: group.description,
        "group-id": lambda group: group.group_id,
        "group-name": lambda group: group.name,
        "owner-id": lambda group: group.account,
        "vpc-id": lambda group: group.vpc_id,
        **_rule_filters(call, "ip-permission", egress=False),
        **_rule_filters(call, "egress.ip-permission", egress=True),
    }


@operation("DescribeSecurityGroups", "GroupIds", "GroupNames", "Filters", "MaxResults", "NextToken")
def describe_security_groups(call: Call, request: Request) -> Response:
    """Groups by id, by name (in the default VPC) or filter."""
    chosen = None
    if request.get("GroupNames"):
        vpc_id = default_vpc_id(call)
        found = [find_by_name(call, vpc_id, name) for name in request["GroupNames"]]
        chosen = sorted(found, key=lambda group: group.group_id)
    return describe(
        call,
        rows.GROUPS,
        request,
        _view,
        _filters(call),
        ids="GroupIds",
        answer="SecurityGroups",
        rows=chosen,
    )


@operation("DeleteSecurityGroup", "GroupId", "GroupName")
def delete_security_group(call: Call, request: Request) -> Response:
    """Delete a group that guards no interface and that no other group's rule names."""
    group = named_group(call, request)
    if group.name == "default":
        raise AwsError(
            "CannotDelete",
            f'the specified group: "{group.group_id}" name: "default" cannot be deleted by a user',
        )
    guards = any(
        group.group_id in (interface.groups or ())
        for interface in rows.INTERFACES.list(call, vpc_id=group.vpc_id)
    )
    named = any(
        rule.group_id != group.group_id for rule in rows.RULES.list(call, peer_group=group.group_id)
    )
    if guards or named:
        raise errors.has_dependent(group.group_id)
    for rule in rows.RULES.list(call, group_id=group.group_id):
        rows.RULES.delete(call, rule)
    rows.GROUPS.delete(call, group)
    return {"Return": True, "GroupId": group.group_id}
