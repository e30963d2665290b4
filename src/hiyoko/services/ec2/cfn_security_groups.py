"""CloudFormation's security groups and their rules.

An explicit ``SecurityGroupEgress`` replaces the rule that a new group has (all out).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hiyoko.template.resource_type import Handle, Made, ResourceType, in_place, register, replaces
from hiyoko.template.tagging import tag_keys_to_drop, tags_to_write

Rule = Mapping[str, Any]

_ALL_OUT = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
_PORTS = ("IpProtocol", "FromPort", "ToPort")
_INGRESS = (
    *(*_PORTS, "CidrIp", "SourceSecurityGroupId", "SourceSecurityGroupOwnerId"),
    "SourcePrefixListId",
)
_EGRESS = (*_PORTS, "CidrIp", "DestinationSecurityGroupId", "DestinationPrefixListId")


def _permission(rule: Rule) -> dict[str, Any]:
    """A rule as the authorize and revoke operations take it."""
    permission = {name: rule[name] for name in _PORTS if name in rule}
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    if group:
        owner = rule.get("SourceSecurityGroupOwnerId")
        pair = {"GroupId": group, **({"UserId": owner} if owner else {}), **described}
        permission["UserIdGroupPairs"] = [pair]
    prefix_list = rule.get("SourcePrefixListId") or rule.get("DestinationPrefixListId")
    if prefix_list:
        permission["PrefixListIds"] = [{"PrefixListId": prefix_list, **described}]
    if "CidrIp" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["CidrIp"], **described}]
    strangers = set(rule) - {*_INGRESS, *_EGRESS, "Description"}
    # Passed on as they are, so that they are refused by name.
    permission |= {name: rule[name] for name in strangers}
    return permission


def _change(handle: Handle, verb: str, direction: str, group: str, rules: Iterable[Rule]) -> None:
    permissions = [_permission(rule) for rule in rules]
    if permissions:
        request = {"GroupId": group, "IpPermissions": permissions}
        handle.invoke("ec2", f"{verb}SecurityGroup{direction}", request)


def _create_group(handle: Handle) -> Made:
    request = {
        "GroupName": handle.properties.get("GroupName") or handle.name(255),
        "Description": handle.properties["GroupDescription"],
        "TagSpecifications": [{"ResourceType": "security-group", "Tags": handle.tags()}],
        **handle.given("VpcId"),
    }
    group_id = str(handle.invoke("ec2", "CreateSecurityGroup", request)["GroupId"])
    _change(
        handle, "Authorize", "Ingress", group_id, handle.properties.get("SecurityGroupIngress", [])
    )
    if handle.properties.get("SecurityGroupEgress"):
        _change(handle, "Revoke", "Egress", group_id, [_ALL_OUT])
        _change(handle, "Authorize", "Egress", group_id, handle.properties["SecurityGroupEgress"])
    # Without a VpcId its Ref is the name, as in the days before VPCs.
    physical_id = group_id if "VpcId" in handle.properties else str(request["GroupName"])
    return Made(physical_id, {"GroupId": group_id, "Id": group_id})


def _update_group(handle: Handle) -> None:
    group_id = handle.attributes["GroupId"]
    defaults: dict[str, list[Rule]] = {"Ingress": [], "Egress": [_ALL_OUT]}
    for direction, default in defaults.items():
        name = f"SecurityGroup{direction}"
        new: list[Rule] = handle.properties.get(name) or default
        old: list[Rule] = handle.old.get(name) or default
        _change(handle, "Revoke", direction, group_id, [rule for rule in old if rule not in new])
        _change(handle, "Authorize", direction, group_id, [rule for rule in new if rule not in old])
    if drop := tag_keys_to_drop(handle):
        tags = [{"Key": key} for key in drop]
        handle.invoke("ec2", "DeleteTags", {"Resources": [group_id], "Tags": tags})
    if write := tags_to_write(handle):
        handle.invoke("ec2", "CreateTags", {"Resources": [group_id], "Tags": write})


def _delete_group(handle: Handle) -> None:
    handle.invoke("ec2", "DeleteSecurityGroup", {"GroupId": handle.attributes["GroupId"]})


def _read_group(handle: Handle) -> dict[str, Any]:
    found = handle.invoke(
        "ec2", "DescribeSecurityGroups", {"GroupIds": [handle.attributes["GroupId"]]}
    )
    return {"VpcId": found["SecurityGroups"][0]["VpcId"]}


def _rule_type(direction: str, properties: tuple[str, ...]) -> ResourceType:
    def create(handle: Handle) -> Made:
        rule = handle.given(*properties, "Description")
        request = {"GroupId": handle.properties["GroupId"], "IpPermissions": [_permission(rule)]}
        answer = handle.invoke("ec2", f"AuthorizeSecurityGroup{direction}", request)
        return Made(str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]))

    def update(handle: Handle) -> None:
        described = {
            "SecurityGroupRuleId": handle.physical_id,
            "Description": handle.properties.get("Description", ""),
        }
        request = {
            "GroupId": handle.properties["GroupId"],
            "SecurityGroupRuleDescriptions": [described],
        }
        handle.invoke("ec2", f"UpdateSecurityGroupRuleDescriptions{direction}", request)

    def delete(handle: Handle) -> None:
        request = {
            "GroupId": handle.properties["GroupId"],
            "SecurityGroupRuleIds": [handle.physical_id],
        }
        handle.invoke("ec2", f"RevokeSecurityGroup{direction}", request)

    return ResourceType(
        f"AWS::EC2::SecurityGroup{direction}",
        {**in_place("Description"), **replaces("GroupId", *properties)},
        create,
        delete,
        update,
        read=lambda handle: {"Id": handle.physical_id},
        required=frozenset({"GroupId", "IpProtocol"}),
        attributes=frozenset({"Id"}),
    )


register(
    ResourceType(
        "AWS::EC2::SecurityGroup",
        {
            **in_place("SecurityGroupIngress", "SecurityGroupEgress", "Tags"),
            **replaces("GroupName", "GroupDescription", "VpcId"),
        },
        _create_group,
        _delete_group,
        _update_group,
        read=_read_group,
        required=frozenset({"GroupDescription"}),
        attributes=frozenset({"GroupId", "Id", "VpcId"}),
        named="GroupName",
        tags=True,
    ),
    _rule_type("Ingress", _INGRESS),
    _rule_type("Egress", _EGRESS),
)
